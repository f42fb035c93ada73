"""Whom a call is about: two headers that the caller sends, and nobody else sees.

    Tally-Subject: case-4711        the operator's reference, such as a random number of a case
    Tally-Purpose: triage           sets calls of one subject apart that are erased apart

Request and answer are kept under a key of that subject then, so that erasing, holding and
restricting the subject reach them. The reference stands in no statement, goes to no upstream, and
lies in spool and vault only as a keyed digest.
"""

from collections.abc import Iterable
from typing import Final

from tallystick.capture.problems import ProblemError, bad_subject
from tallystick.vault import About

SUBJECT_HEADER: Final = b"tally-subject"
PURPOSE_HEADER: Final = b"tally-purpose"
HEADERS: Final = frozenset({SUBJECT_HEADER, PURPOSE_HEADER})
LETTERS_MAX: Final = 200
"""Of a reference, and of a purpose."""


def read_about(headers: Iterable[tuple[bytes, bytes]]) -> About | None:
    """Return whom a call is about; None where its caller does not say.

    Raises:
        ProblemError: What is said cannot be meant.
    """
    sent = [(name, value) for name, value in headers if name in HEADERS]
    if not sent:
        return None
    said = dict(sent)
    if len(said) < len(sent):
        raise ProblemError(bad_subject("a header is sent twice, expected each once"))
    if SUBJECT_HEADER not in said:
        raise ProblemError(bad_subject("Tally-Purpose needs Tally-Subject: whom the call is about"))
    purpose = said.get(PURPOSE_HEADER)
    return About(
        _text("Tally-Subject", said[SUBJECT_HEADER]),
        "" if purpose is None else _text("Tally-Purpose", purpose),
    )


def _text(name: str, value: bytes) -> str:
    try:
        text = value.decode().strip()
    except UnicodeDecodeError:
        raise ProblemError(bad_subject(f"{name} is not UTF-8")) from None
    if not text or not text.isprintable():
        raise ProblemError(
            bad_subject(f"{name} must be printable text such as case-4711, got {text[:40]!r}")
        )
    if len(text) > LETTERS_MAX:
        raise ProblemError(
            bad_subject(f"{name} has at most {LETTERS_MAX} letters, got {len(text)}")
        )
    return text
