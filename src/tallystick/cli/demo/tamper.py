"""Tampering for the demonstration: one byte, at another place each time, always on a copy."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from tallystick.errors import NotFoundError
from tallystick.log.bundle import parse_bundle as parse_entry_bundle
from tallystick.statement import b64


@dataclass(frozen=True, slots=True)
class Tampered:
    """A copy with one byte changed.

    Attributes:
        data: The changed copy.
        where: What was changed, in words.
    """

    data: bytes
    where: str


def tamper_log(folder: Path) -> str:
    """Change one byte of one entry in the files of a log; return what was changed, in words."""
    bundles = [path for path in (folder / "tile/entries").rglob("*") if path.is_file()]
    path = secrets.choice(sorted(bundles))
    data = path.read_bytes()
    entries = parse_entry_bundle(data)
    which = secrets.randbelow(len(entries))
    start = sum(2 + len(entry) for entry in entries[:which]) + 2
    at = start + secrets.randbelow(len(entries[which]))
    path.write_bytes(flip(data, at))
    return f"byte {at} of {path.relative_to(folder)}"


def tamper_answer(bundle: bytes, statement: bytes) -> Tampered:
    """Change one letter of the answer in a bundle."""
    content = json.loads(bundle)
    for member in content["statements"]:
        shown = member.get("content", {}).get("shown", {})
        if "answer" in shown and _is(member, statement):
            value = b64.decode_url(shown["answer"]["value"], "answer")
            at = len(value) - 1 - secrets.randbelow(len(value) - 3)
            shown["answer"]["value"] = b64.encode_url(flip(value, at))
            return Tampered(json.dumps(content).encode(), f"letter {at} of the answer")
    raise NotFoundError("the bundle shows no answer")


def tamper_row(bundle: bytes) -> Tampered:
    """Change one byte of one row in a bundle."""
    content = json.loads(bundle)
    batches = [member for member in content["statements"] if member.get("rows")]
    row = secrets.choice(secrets.choice(batches)["rows"])
    record = b64.decode_url(row["record"], "row")
    at = secrets.randbelow(len(record))
    row["record"] = b64.encode_url(flip(record, at))
    return Tampered(json.dumps(content).encode(), f"byte {at} of row {row['position']}")


def flip(data: bytes, at: int) -> bytes:
    """Change the lowest bit of one byte; a letter stays a letter."""
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def _is(member: dict[str, str], statement: bytes) -> bool:
    from tallystick.statement import parse_statement

    return parse_statement(b64.decode_url(member["entry"], "entry")).id == statement
