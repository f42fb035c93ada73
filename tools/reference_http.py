"""The page of the HTTP service and its OpenAPI document, from the table of routes."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tallystick.capture.roles import Right
from tallystick.web.openapi import document
from tallystick.web.operations import BYTES, Operation
from tallystick.web.routes import OPERATIONS
from tools.reference_text import table

_HEAD: Final = """\
# The HTTP service

What `tally up` serves; the same as [OpenAPI 3.1](openapi.json), which a running service also
offers under `/openapi.json`. Reading is open to everybody. What *needs a key* takes
`Authorization: Bearer tly_…`, or a caller on the same machine. Errors are problem details (RFC
9457), those of SCRAPI in CBOR (RFC 9290); their types stand in [errors](errors.md). Every answer
names the version of this API in `tallystick-api`; a request that names another one is refused.
"""
_TITLES: Final = {
    "ledger": "Statements and proofs",
    "scrapi": "SCRAPI",
    "tiles": "The log as files",
    "approvals": "Approvals",
    "mine": "For the person it is about",
    "service": "The service itself",
}
_GATEWAY: Final = """\
## The gateway

With an [upstream](settings.md#upstream), the service also speaks the OpenAI API under `/v1`. Its
errors have the form that clients of that API expect.

"""


def http_page() -> str:
    """Return the page.

    Raises:
        KeyError: A tag has no title.
    """
    parts = [_HEAD]
    for tag in dict.fromkeys(operation.tag for operation in OPERATIONS):
        parts.append(f"## {_TITLES[tag]}\n")
        parts += [_operation(operation) for operation in OPERATIONS if operation.tag == tag]
    parts.append(_GATEWAY + table(("path", "method", ""), _gateway_rows()))
    return "\n".join(parts)


def openapi_document() -> str:
    """Return the document of a service at no particular address."""
    return json.dumps(document(OPERATIONS, ""), indent=2, ensure_ascii=False) + "\n"


def _operation(operation: Operation) -> str:
    key = " Needs a key." if operation.access is not Right.READ else ""
    text = f"### `{operation.method} {operation.template}`\n\n{operation.summary}.{key}\n"
    if operation.takes:
        text += f"\nTakes {_content(operation.takes)}.\n"
    if operation.parameters:
        rows = [(f"`{p.name}`", p.place, _schema(p.schema), p.text) for p in operation.parameters]
        text += "\n" + table(("parameter", "in", "value", ""), rows)
    rows2 = [(str(r.status), r.text, _content(r.content)) for r in operation.replies]
    return text + "\n" + table(("answer", "", "content"), rows2)


def _content(content: Mapping[str, Any]) -> str:
    return ", ".join(f"`{media}`{_kinds(kinds)}" for media, kinds in content.items())


def _kinds(kinds: Any) -> str:
    if kinds == BYTES:
        return ""
    names = [_name(kind) for kind in (kinds if isinstance(kinds, tuple) else (kinds,))]
    return f" ({' or '.join(names)})"


def _name(kind: Any) -> str:
    args = getattr(kind, "__args__", ())
    return f"list of {args[0].__name__}" if args else str(kind.__name__)


def _schema(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_schema(one) for one in schema["anyOf"])
    words = [str(schema.get("format") or schema["type"])]
    if "pattern" in schema:
        words.append(f"`{schema['pattern']}`")
    words += [f"{word} {json.dumps(schema[key])}" for key, word in _BOUNDS.items() if key in schema]
    return ", ".join(words)


_BOUNDS: Final = {"minimum": "from", "maximum": "to", "default": "default"}


def _gateway_rows() -> list[tuple[str, str, str]]:
    from tallystick.capture.app import CALLS

    calls = [(f"`/v1{path}`", "POST", "recorded, whole or as a stream") for path in CALLS]
    models = ("`/v1/models`, `/v1/models/{name}`", "GET", "passed through; no model is called")
    return [*calls, models]
