"""Publishing: what was committed to is shown to everybody, by a statement of its own."""

from collections.abc import Collection

from tallystick.errors import InputError, LimitError, RefusedError
from tallystick.identity import Signer
from tallystick.ledger.operator import inline_header
from tallystick.ledger.reading import Query, Reads
from tallystick.ledger.submission import Submission
from tallystick.statement import (
    ENTRY_BYTES_MAX,
    Disclosure,
    Found,
    Relation,
    sign_statement,
)
from tallystick.statement.governance import StatementType
from tallystick.statement.publication import encode_publication


def disclosure_to_publish(
    ledger: Reads, statement_id: bytes, fields: Collection[str] | None = None
) -> Disclosure:
    """Take from the vault what a publication of a statement shows.

    Args:
        ledger: With its vault's key.
        statement_id: Of what was registered.
        fields: Only these; None for all.

    Raises:
        NotFoundError: It is not registered, or the vault has no content of it.
        ErasedError: Its content was erased.
        RefusedError: It is about somebody (`publication.personal`): the log forgets nothing.
        InputError: It is public as a whole, or has no field of that name.
    """
    found = ledger.get(statement_id)
    if not found.statement.header.hashed:
        raise InputError(
            f"statement {statement_id.hex()} commits to no fields: all of it is public"
        )
    if ledger.vault.is_about_somebody(statement_id):
        raise RefusedError(
            f"the content of {statement_id.hex()} is about somebody, and what is published can "
            "never be erased",
            reason="publication.personal",
            advice="hand out a bundle instead: `tally export`",
        )
    preimage = ledger.vault.get(statement_id)
    if unknown := set(fields or ()) - preimage.fields.keys():
        known = ", ".join(sorted(preimage.fields))
        raise InputError(f"there is no field {min(unknown)!r:.60}; there are: {known}")
    return preimage.disclose(fields)


def sign_publication(
    signer: Signer, statement_id: bytes, disclosure: Disclosure, now: int
) -> Submission:
    """Sign a statement that shows content of another one.

    Args:
        signer: The operator, or whom the policy lets publish.
        statement_id: The other one.
        disclosure: What to show.
        now: Seconds since 1970.

    Raises:
        LimitError: It does not fit into one entry.
    """
    links = {Relation.PUBLISHES: (statement_id,)}
    header = inline_header(signer, StatementType.PUBLICATION, now, links=links)
    entry = sign_statement(header, encode_publication(disclosure), signer.sign).entry
    if len(entry) > ENTRY_BYTES_MAX:
        raise LimitError(
            f"published, this content would be an entry of {len(entry)} bytes, and one has at "
            f"most {ENTRY_BYTES_MAX}",
            advice="publish fields of it: --field NAME",
        )
    return Submission(entry)


def publications_of(ledger: Reads, statement_id: bytes) -> list[Found]:
    """Return the statements that publish content of this one, the oldest first."""
    query = Query(link=statement_id, type=StatementType.PUBLICATION)
    return [*ledger.find_all(query)][::-1]
