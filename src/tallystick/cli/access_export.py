"""The work of `tally persons export`: gather, write, register, sign."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tallystick.cli.arguments import find_id
from tallystick.cli.readers import register_noted
from tallystick.cli.session import Session
from tallystick.cli.targets import operator_or
from tallystick.errors import InputError, NotFoundError, TallystickError, UnavailableError

if TYPE_CHECKING:
    from tallystick.evidence.records import AccessAnswer
    from tallystick.identity import Signer
    from tallystick.ledger import Reads
    from tallystick.verify import Bundle

PURPOSE: Final = "access request"
"""What content is read for, and what the answer's own statement is kept for."""
WAIT_SECONDS: Final = 10.0
"""How long a service may take to publish the statement that signs."""
STEP_SECONDS: Final = 0.1


def export_about(
    session: Session, ref: str, path: Path, purposes: tuple[str, ...], withhold: tuple[str, ...]
) -> None:
    """Write and sign one archive with all that is kept about a reference."""
    from tallystick.evidence.access import AccessRequest
    from tallystick.evidence.access_archive import AccessArchive

    if not ref.strip():
        raise InputError("REF is empty, expected a reference such as case-4711")
    session.need_ledger()
    signer = operator_or(session, None)
    register_noted(session)  # so that what was read just now is in it, too
    session.reading_for = PURPOSE
    now = int(time.time())
    with session.reader(with_keys=True) as ledger:
        left_out = _withheld(ledger, withhold)
        request = AccessRequest(reference=ref, purposes=purposes, withheld=left_out)
        with AccessArchive(ledger, request, path, now) as archive:
            with session.progress("Writing records") as step:
                answer = archive.write(step)
            statement_id = _register(session, signer, answer, ref, now)
            archive.sign(_signed(session, statement_id))
    register_noted(session)
    session.say(
        f"wrote {path}: whoever has it reads all of it; hand it to nobody else, then remove it"
    )
    data = {"file": str(path), "records": answer.records, "statement": statement_id.hex()}
    session.give(data, str(path))


def _withheld(ledger: "Reads", texts: tuple[str, ...]) -> dict[bytes, frozenset[str] | None]:
    """Read what is left out.

    Raises:
        InputError: A field does not exist.
    """
    found: dict[bytes, frozenset[str] | None] = {}
    for text in texts:
        name, separator, names = text.partition(":")
        one, fields = find_id(ledger, name), frozenset(names.split(",")) if separator else None
        if fields is not None and (unknown := fields - ledger.vault.get(one).fields.keys()):
            raise InputError(f"{name} has no field {min(unknown)!r:.60}")
        found[one] = fields
    return found


def _register(
    session: Session, signer: "Signer", answer: "AccessAnswer", ref: str, now: int
) -> bytes:
    from dataclasses import replace

    from tallystick.evidence import sign_fields
    from tallystick.vault import About

    said = sign_fields(signer, answer.statement_type, answer.values(), issued_at=now)
    with session.ledger() as ledger:
        [registered] = ledger.register([replace(said, about=About(ref, PURPOSE))])
    if isinstance(registered, TallystickError):
        raise registered
    return registered.id


def _signed(session: Session, statement_id: bytes) -> "Bundle":
    """Return the bundle of the answer, as soon as the service has published it."""
    from tallystick.evidence import build_bundle

    until = time.monotonic() + WAIT_SECONDS
    while True:
        with session.reader(with_keys=True) as ledger:
            try:
                return build_bundle(ledger, statement_id)
            except NotFoundError as error:
                if time.monotonic() > until:
                    raise UnavailableError(
                        "the answer is registered, and not published yet: the archive cannot be "
                        "signed",
                        advice="try again",
                    ) from error
        time.sleep(STEP_SECONDS)
