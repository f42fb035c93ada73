"""Sign what somebody says here, for whom, and about whom: a statement, with its content beside it.

The key never leaves this process. Under which delegation an agent acts stands in the statement;
whom the content is about goes to the vault only.
"""

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from tallystick.client.questions import hex_of, id_of
from tallystick.errors import InputError
from tallystick.identity import Signer
from tallystick.merkle import HASH_BYTES
from tallystick.statement import Header, Preimage, Relation, commit, sign_statement

LETTERS_MAX: Final = 200
"""Of what a header says whom a call is about."""


class Terms(TypedDict, total=False):
    """What may be said beside the fields of a record.

    Attributes:
        acting_for: Id of the delegation under which the signer acts, as bytes or hex.
        about: Whom the content is about, so that it can be erased; stays in the vault.
        purpose: What it is kept for, with `about`.
        subject: What the statement is about; random by default, public for ever.
        links: Ids of statements that it points to, by relation.
        model: SHA-256 of the model that was used, as bytes or hex.
    """

    acting_for: bytes | str
    about: str
    purpose: str
    subject: str
    links: Mapping[str, tuple[bytes, ...]]
    model: bytes | str


@dataclass(frozen=True, slots=True)
class Whom:
    """Whom content is about, and what it is kept for."""

    subject: str
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A signed statement with its content, ready to be registered, and to be sent again.

    Attributes:
        entry: COSE_Sign1.
        content: What it commits to.
        about: Whom the content is about.
        leaves: None: it is no batch.
        rows: None: it is no batch.
    """

    entry: bytes
    content: Preimage
    about: Whom | None = None
    leaves: None = None
    rows: None = None


def call_headers(about: str, purpose: str = "") -> dict[str, str]:
    """Return the headers that tell a gateway whom a call is about.

        openai.chat.completions.create(..., extra_headers=call_headers("case-4711"))

    Raises:
        InputError: What is said cannot be meant.
    """
    said = {"Tally-Subject": about} | ({"Tally-Purpose": purpose} if purpose else {})
    for name, value in said.items():
        if not value.strip() or not value.isascii() or not value.isprintable():
            raise InputError(f"{name} must be printable ASCII such as case-4711, got {value!r:.60}")
        if len(value) > LETTERS_MAX:
            raise InputError(f"{name} has at most {LETTERS_MAX} letters, got {len(value)}")
    return said


def sign_record(signer: Signer, type_: str, fields: Mapping[str, Any], terms: Terms) -> Recorded:
    """Sign fields as a statement, issued now; each gets a salted commitment of its own.

    Raises:
        InputError: A term that there is not, or one of the wrong form.
        EncodingError: A field has no CBOR form.
    """
    if unknown := set(terms) - set(Terms.__annotations__):
        raise InputError(f"a record has no {min(unknown)!r}")
    links = dict(terms.get("links", {}))
    if (delegation := terms.get("acting_for")) is not None:
        links[Relation.ACTED_FOR] = (*links.get(Relation.ACTED_FOR, ()), id_of(delegation))
    model = terms.get("model")
    content = commit(dict(fields), os.urandom)
    header = Header(
        algorithm=signer.algorithm,
        key_id=signer.public.thumbprint(),
        issuer=signer.issuer,
        subject=terms.get("subject") or uuid.uuid4().urn,
        issued_at=int(time.time()),
        type=type_,
        links=links,
        model=None if model is None else bytes.fromhex(hex_of("model", model, HASH_BYTES)),
    )
    statement = sign_statement(header, content.commitment(), signer.sign)
    return Recorded(statement.entry, content, _whom(terms))


def _whom(terms: Terms) -> Whom | None:
    about, purpose = terms.get("about"), terms.get("purpose", "")
    if about is None:
        if purpose:
            raise InputError("a purpose needs `about`: whom the content is about")
        return None
    if not about.strip():
        raise InputError("`about` is empty, expected a reference such as case-4711")
    return Whom(about, purpose)
