"""Sign one record outside any numbered epoch: what a person says now and then.

Processes use `tallystick.evidence.Emitter`: only numbered statements can be shown to be complete.
"""

import os
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from tallystick.errors import EncodingError
from tallystick.evidence.records import RECORDS, Record
from tallystick.identity import Signer
from tallystick.ledger import Submission
from tallystick.statement import Header, Relation, commit, sign_statement
from tallystick.statement.commitment import Entropy
from tallystick.vault import About


def sign_fields(
    signer: Signer,
    type_: str,
    fields: Mapping[str, Any],
    *,
    issued_at: int,
    acting_for: bytes | None = None,
    about: About | None = None,
    entropy: Entropy = os.urandom,
    **members: Any,
) -> Submission:
    """Sign fields as a statement; each gets a salted commitment of its own.

    Args:
        signer: The issuer's key.
        type_: Statement type; fields of a type that has a record must make one, further fields
            may stand beside them.
        fields: Content by name; goes to the vault.
        issued_at: Seconds since 1970.
        acting_for: Id of the delegation under which the signer acts.
        about: Whom the content is about, so that it can be erased; stays in the vault.
        entropy: Source of salts.
        members: Further members of `tallystick.statement.Header`.

    Raises:
        EncodingError: The fields are not what the type's record asks for.
    """
    read_record(type_, fields)
    content = commit(dict(fields), entropy)
    if acting_for is not None:
        links = dict(members.get("links") or {})
        links[Relation.ACTED_FOR] = (*links.get(Relation.ACTED_FOR, ()), acting_for)
        members["links"] = links
    header = Header(
        algorithm=signer.algorithm,
        key_id=signer.public.thumbprint(),
        issuer=signer.issuer,
        issued_at=issued_at,
        type=type_,
        **{"subject": uuid.uuid4().urn, **members},
    )
    statement = sign_statement(header, content.commitment(), signer.sign)
    return Submission(statement.entry, content, about=about)


def read_record(type_: str, fields: Mapping[str, Any]) -> Record | None:
    """Read fields as the record of a type; None where applications define what the type says.

    Raises:
        EncodingError: They are not that record; says which member is missing or wrong.
    """
    kinds = [record for record in RECORDS if record.statement_type == type_]
    for kind in kinds:
        try:
            return kind.read(dict(fields))
        except EncodingError as error:
            if kind is kinds[-1]:
                raise EncodingError(f"{error}", advice=_advice(kinds, fields)) from error
    return None


def _advice(kinds: list[type[Record]], fields: Mapping[str, Any]) -> str:
    """Say all that the type's records ask for, and how a number is given as text."""
    asked = " or ".join(
        ", ".join(field.name for field in msgspec.structs.fields(kind) if field.required)
        for kind in kinds
    )
    numbers = [name for name, value in fields.items() if isinstance(value, int | float)]
    return f"it needs: {asked}" + (
        f"; a number as text is given with quotes, such as {numbers[0]}='\"12\"'" if numbers else ""
    )
