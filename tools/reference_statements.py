"""The page of all statement types with their fields, and the JSON Schema of every record."""

import dataclasses
import json
from collections.abc import Mapping
from enum import EnumType
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from tallystick.evidence.records import RECORDS, Record
from tallystick.statement import Batch, Erasure, ErasureReason, PublicKey, VerifierKey
from tallystick.statement.governance import (
    OPERATOR_TYPES,
    Genesis,
    Heartbeat,
    KeyRecord,
    StatementType,
)
from tallystick.statement.handover import Handover
from tallystick.statement.keylife import RecoveryKey, Revocation, Rotation
from tallystick.statement.marks import Lifting, Mark
from tallystick.statement.passkey import Passkey
from tallystick.statement.retention import Retention, RetentionRule
from tools.reference_text import members, summary, table

INLINE: Final[dict[StatementType, type | tuple[type, ...]]] = {
    StatementType.GENESIS: Genesis,
    StatementType.KEY: (KeyRecord, Rotation, Revocation, RecoveryKey, Passkey),
    StatementType.HANDOVER: Handover,
    StatementType.HEARTBEAT: Heartbeat,
    StatementType.DATASET: Batch,
    StatementType.ERASURE: Erasure,
    StatementType.HOLD: (Mark, Lifting),
    StatementType.RESTRICTION: (Mark, Lifting),
    StatementType.RETENTION: (Retention, RetentionRule),
}
"""Types whose payload stands in the statement, because the ledger or verifiers compute on it."""

_HEAD: Final = """\
# Statements

Applications add subjects, not types: these are all types there are. A statement either commits to
salted *fields*, each of which can be shown alone and whose content lies in the vault, or its
payload stands *inline*, readable by everybody, because the ledger or every verifier computes on
it. Headers, links and the exact bytes stand in [formats](formats.md).
"""
_POLICY: Final = "Inline. Rules as [the registration policy](formats.md) has them.\n"
_FREE: Final = "Any fields; their names and types are not fixed by this release.\n"
_OPERATOR: Final = "The operator of the log may always register it, whatever the policy says.\n"


def statements_page() -> str:
    """Return the page."""
    parts = [_HEAD]
    for kind in StatementType:
        parts.append(f"## `{kind}`\n")
        if kind in OPERATOR_TYPES:
            parts.append(_OPERATOR)
        parts += [_record(record) for record in RECORDS if record.statement_type == kind]
        if kind in INLINE:
            found = INLINE[kind]
            parts += [_inline(one) for one in (found if isinstance(found, tuple) else (found,))]
        elif kind is StatementType.POLICY:
            parts.append(_POLICY)
        elif all(record.statement_type != kind for record in RECORDS):
            parts.append(_FREE)
    return "\n".join(parts)


def schema_files() -> dict[str, str]:
    """Return the JSON Schema of every record by its file's path."""
    return {_schema_path(record): _schema(record) for record in RECORDS}


def _schema_path(record: type[Record]) -> str:
    return f"schemas/{record.__name__.lower()}.json"


def _schema(record: type[Record]) -> str:
    schema = msgspec.json.schema(record)
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(whole, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _record(record: type[Record]) -> str:
    texts, hints = members(record), get_type_hints(record)
    rows = [
        (f"`{f.name}`", _words(hints[f.name]), "yes" if f.required else "", texts[f.name])
        for f in msgspec.structs.fields(record)
    ]
    link = f"[JSON Schema]({_schema_path(record)})"
    head = f"**{record.__name__}**, salted fields. {summary(record)} {link}\n\n"
    return head + table(("field", "type", "required", ""), rows)


def _inline(kind: type) -> str:
    texts, hints = members(kind), get_type_hints(kind)
    rows = [(f"`{f.name}`", _words(hints[f.name]), texts[f.name]) for f in dataclasses.fields(kind)]
    return f"**{kind.__name__}**, inline. {summary(kind)}\n\n" + table(("member", "type", ""), rows)


def _words(hint: Any) -> str:
    """Return a type as a reader of JSON or CBOR would say it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in {UnionType, Union}:
        return " or ".join(_words(one) for one in inner)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin is tuple:
        return f"list of {_words(inner[0])}"
    if origin is dict:
        return "map" if inner[1] is Any else f"map of {_words(inner[1])}"
    if isinstance(hint, EnumType):
        return " or ".join(f"`{name.value}`" for name in list[Any](hint))
    return _NAMES[hint]


_NAMES: Final = {
    Any: "anything",
    NoneType: "none",
    str: "text",
    bytes: "bytes",
    int: "whole number",
    float: "number",
    VerifierKey: "verifier key (C2SP signed-note), as text",
    PublicKey: "COSE_Key, as bytes",
    KeyRecord: "the members of a KeyRecord",
    dict: "map",
    RetentionRule: "RetentionRule",
    frozenset[ErasureReason]: "list of reasons of erasures",
    Mapping[bytes, frozenset[int] | None]: "statement ids, each with positions of rows or none",
}
