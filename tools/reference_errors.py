"""The page of all errors: code, exit code, HTTP status, and what the caller can do."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import tallystick
from tallystick import errors
from tallystick.errors import TallystickError
from tools.reference_text import summary, table

OF_THE_SERVICE: Final = "tallystick.web.problems"

_LINE: Final = re.compile(r"^ +(\w+Error) +(.+)$", re.MULTILINE)
_HEAD: Final = """\
# Errors

Everything that is raised on purpose is a `TallystickError` from `tallystick.errors`, grouped by
what the caller can do. `code` is stable: over HTTP a problem has the type `urn:tallystick:error:`
and the code (RFC 9457; RFC 9290 where SCRAPI asks for it), the command ends with the exit code and
says code and advice with `--json`. The message says what was seen and what was expected.
"""
_SERVICE: Final = """
## Errors of the service

Raised by the HTTP service only. The caller can do what the class they belong to says.

"""
_REASONS: Final = """
## Reasons of refusals

A `refused` error also carries `reason`, the name of the rule. Refusals of known issuers by the
registration policy are recorded with it in the log; an unknown, ended or recovery key and a wrong
signature are only counted.

"""


def errors_page() -> str:
    """Return the page."""
    kinds: list[type[TallystickError]] = [TallystickError, *_below(TallystickError)]
    parts = [_HEAD, *(_error(kind) for kind in kinds if kind.__module__ == errors.__name__)]
    parts += [_SERVICE, _service_table(), _REASONS, _reasons_table()]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _error(kind: type[TallystickError]) -> str:
    parent = "" if kind is TallystickError else f" < `{_parent(kind).__name__}`"
    facts = [
        f"`{kind.__name__}`{parent}",
        f"exit code {kind.exit_code}",
        f"HTTP {kind.http_status}",
    ]
    text = f"{summary(kind)} {_advice(kind)}".strip()
    return f"## `{kind.code}`\n\n{' · '.join(facts)}\n\n{text}\n"


def _advice(kind: type[TallystickError]) -> str:
    """Return what the caller can do, as the table in the module's docstring has it."""
    said = dict(_LINE.findall(errors.__doc__ or ""))
    if kind is not TallystickError and kind.__name__ not in said:
        raise ValueError(f"the docstring of tallystick.errors does not name {kind.__name__}")
    for one in kind.__mro__:
        _, found, what = said.get(one.__name__, "").partition(": ")
        if found:
            return f"**What to do:** {what}."
    return ""


def _service_table() -> str:
    kinds = importlib.import_module(OF_THE_SERVICE)
    found = [k for k in _below(TallystickError) if k.__module__ == kinds.__name__]
    rows = [
        (f"`{k.code}`", str(k.http_status), f"`{_parent(k).code}`", summary(k))
        for k in sorted(found, key=lambda k: k.code)
    ]
    return table(("code", "HTTP", "belongs to", "when"), rows)


def _parent(kind: type[TallystickError]) -> type[TallystickError]:
    return next(one for one in kind.__mro__[1:] if issubclass(one, TallystickError))


def _below(kind: type[TallystickError]) -> Iterator[type[TallystickError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _below(below)


def _reasons_table() -> str:
    found: dict[str, set[str]] = {}
    for path in sorted(Path(tallystick.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                for reason, message in _refusal(node):
                    found.setdefault(reason, set()).add(message)
    rows = [(f"`{reason}`", "; ".join(sorted(texts))) for reason, texts in sorted(found.items())]
    return table(("reason", "message"), rows)


def _refusal(call: ast.Call) -> Iterator[tuple[str, str]]:
    """Yield reason and message where this is the making of a refusal."""
    if isinstance(call.func, ast.Name) and call.func.id == "Fault" and len(call.args) == 2:
        reason, message = call.args
        if isinstance(reason, ast.Constant) and isinstance(reason.value, str):
            words = "the delegation does not allow this: " + _message(message)
            yield f"delegation.{reason.value}", words.replace("(as its cause says)", "…")
    for keyword in call.keywords:
        if (
            keyword.arg == "reason"
            and isinstance(keyword.value, ast.Constant)
            and isinstance(keyword.value.value, str)
            and isinstance(call.func, ast.Name)
            and call.func.id.endswith("Error")
            and call.args
        ):
            yield keyword.value.value, _message(call.args[0])


def _message(node: ast.expr) -> str:
    """Return a message with `…` where values stand."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values]
        return "".join(parts).replace("……", "…")
    return "(as its cause says)"
