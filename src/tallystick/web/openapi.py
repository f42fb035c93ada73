"""The OpenAPI 3.1 document: made from the table of operations and the schemas, never written."""

import inspect
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from tallystick.capture.roles import Right
from tallystick.web.answers import JSON, SHORTLY, Answer, encode_json
from tallystick.web.call import Call
from tallystick.web.operations import BYTES, Dialect, Operation, Parameter, Reply
from tallystick.web.problems import CBOR as CBOR_PROBLEM
from tallystick.web.problems import JSON as JSON_PROBLEM
from tallystick.web.problems import Problem

VERSION: Final = "3.1.0"
_REFERENCE: Final = "#/components/schemas/{name}"
_DESCRIPTION: Final = """\
Registers signed statements and proves them. Reading is open to everybody; writing needs a caller
on the same machine, an API key, or where that is set an access token of a provider. Problems of the
native API are RFC 9457, those of SCRAPI RFC 9290."""


async def document_answer(call: Call) -> Answer:
    """Return the document."""
    return Answer(_encoded(call.url("")), JSON, headers=(SHORTLY,))


@lru_cache(maxsize=4)
def _encoded(address: str) -> bytes:
    from tallystick.web.routes import OPERATIONS

    return encode_json(document(OPERATIONS, address))


def document(operations: Iterable[Operation], address: str) -> dict[str, Any]:
    """Return the document of a service at an address."""
    from importlib.metadata import version  # a MiB that many services never need

    operations = tuple(operations)
    schemas, components = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = paths.setdefault(operation.template, {})
        path[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Tallystick",
            "version": version("tallystick"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": address or "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas(operations: Iterable[Operation]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of every type in the table, and the components they refer to."""
    types: list[Any] = [Problem]
    for operation in operations:
        for content in (operation.takes, *(reply.content for reply in operation.replies)):
            types += [kind for kinds in content.values() for kind in _kinds(kinds)]
    made, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    return {str(kind): schema for kind, schema in zip(types, made, strict=True)}, components


def _kinds(kinds: Any) -> tuple[Any, ...]:
    """Return the types of one media type: none for bytes, one, or several."""
    if kinds == BYTES:
        return ()
    return kinds if isinstance(kinds, tuple) else (kinds,)


def _operation(operation: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": inspect.cleandoc(operation.handler.__doc__ or "").partition("\n\n")[0],
        "tags": [operation.tag],
        "responses": {str(r.status): _reply(r, schemas) for r in operation.replies},
    }
    content["responses"]["default"] = _problem(operation, schemas)
    if operation.parameters:
        content["parameters"] = [_parameter(p) for p in operation.parameters]
    if operation.takes:
        content["requestBody"] = {"required": True, "content": _content(operation.takes, schemas)}
    if operation.access is not Right.READ:
        content["security"] = [{"key": []}, {}]  # or nothing, from the same machine
    return content


def _reply(reply: Reply, schemas: Mapping[str, Any]) -> dict[str, Any]:
    content = {"content": _content(reply.content, schemas)} if reply.content else {}
    return {"description": reply.text, **content}


def _problem(operation: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    scrapi = operation.dialect is Dialect.SCRAPI
    content = {CBOR_PROBLEM: {}} if scrapi else {JSON_PROBLEM: {"schema": schemas[str(Problem)]}}
    return {"description": "A problem: what was seen and what was expected.", "content": content}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.text,
        "schema": parameter.schema,
    }


def _content(content: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    return {media: _media(_kinds(kinds), schemas) for media, kinds in content.items()}


def _media(kinds: tuple[Any, ...], schemas: Mapping[str, Any]) -> dict[str, Any]:
    found = [schemas[str(kind)] for kind in kinds]
    if len(found) > 1:
        return {"schema": {"anyOf": found}}
    return {"schema": found[0]} if found else {}
