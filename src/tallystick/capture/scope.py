"""What a key is good for, and for which models.

The models of a key are patterns as a shell has them: `gpt-*`, `small-lm`, `llama-?b`. They are
compared with the name in the request, letter by letter. A request that names its model twice is
refused to such a key: which of the names its upstream would read, nobody here can know.
"""

import json
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from tallystick.capture.problems import Problem, key_not_for_this, model_not_allowed
from tallystick.capture.request import CallRequest
from tallystick.capture.roles import Grant, Right, RoleError
from tallystick.errors import InputError

MODELS_MAX: Final = 64
"""Patterns of one key."""
PATTERN_LETTERS_MAX: Final = 256


class _Asked(msgspec.Struct):
    model: str = ""


_asked = msgspec.json.Decoder(_Asked).decode
_MODEL: Final = re.compile(rb'"model"')
_ESCAPED: Final = re.compile(rb"\\u006[4-9a-f]", re.IGNORECASE)
"""A letter of `model` in another spelling; anything else is spelt so in passing."""


def check_patterns(patterns: Sequence[str]) -> None:
    """Refuse patterns that cannot be meant.

    Raises:
        InputError: The message shows the pattern.
    """
    if len(patterns) > MODELS_MAX:
        raise InputError(f"a key has at most {MODELS_MAX} patterns of models, got {len(patterns)}")
    for pattern in patterns:
        if not 0 < len(pattern) <= PATTERN_LETTERS_MAX or not pattern.isprintable():
            raise InputError(
                f"a pattern of models has 1..{PATTERN_LETTERS_MAX} printable letters, "
                f"got {pattern[:80]!r}"
            )


def out_of_scope(models: Iterable[str], grant: Grant, request: CallRequest) -> Problem | None:
    """Return what the caller is told if a key is not good for a call, None if it is."""
    if (problem := not_for_calls(grant)) is not None:
        return problem
    patterns = tuple(models)
    if not patterns:
        return None
    model = _asked_for(request.body)
    if model is None or names_model_twice(request.body):
        return model_not_allowed("the request does not name one model", patterns)
    if not any(fnmatchcase(model, pattern) for pattern in patterns):
        return model_not_allowed(f"this key is not for the model {model[:200]!r}", patterns)
    return None


def not_for_calls(grant: Grant) -> Problem | None:
    """Return what the caller is told if neither scope nor role of a key lets it call models."""
    try:
        grant.check(Right.CALL)
    except RoleError as error:
        return key_not_for_this(str(error))
    return None


def _asked_for(body: bytes) -> str | None:
    """Return the model as it stands in the request; None where it is no text.

    `CallRequest.model` is for the record: it is cut off where it is long.
    """
    try:
        return _asked(body).model
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def names_model_twice(body: bytes) -> bool:
    """Tell whether the object has the member `model` more than once, in any spelling."""
    if len(_MODEL.findall(body)) < 2 and not _ESCAPED.search(body):
        return False
    outermost: list[tuple[str, Any]] = []

    def take(pairs: list[tuple[str, Any]]) -> None:
        outermost[:] = pairs  # objects end from the inside out: the last one is the outermost

    try:
        json.loads(body, object_pairs_hook=take)
    except (ValueError, RecursionError):
        return True
    return sum(name == "model" for name, _ in outermost) > 1
