"""Statements as JSON shows them."""

from tallystick.ledger import Found, Proof
from tallystick.statement import Header, b64
from tallystick.statement.assurance import Known
from tallystick.web.schemas import FoundView, HeaderView, OriginatorView, StatementView


def found_view(found: Found, known: Known, *, entry: bool = False) -> FoundView:
    """Show a statement without its proof, with or without the entry itself."""
    said = found.statement
    shown = b64.encode_url(said.entry) if entry else None
    return FoundView(
        found.index, said.id.hex(), header_view(said.header), originator_view(known), shown
    )


def statement_view(proof: Proof, known: Known, retrain_due: int | None = None) -> StatementView:
    """Show a statement with its proof, and of a model whether it is to be trained anew."""
    statement = proof.found.statement
    return StatementView(
        index=proof.found.index,
        id=statement.id.hex(),
        header=header_view(statement.header),
        entry=b64.encode_url(statement.entry),
        receipt=b64.encode_url(proof.receipt),
        checkpoint=proof.checkpoint.decode(),
        originator=originator_view(known),
        retrain_due=retrain_due,
    )


def originator_view(known: Known) -> OriginatorView:
    """Show for whom a statement was made, as computed."""
    return OriginatorView(
        str(known.assurance),
        known.basis,
        known.principal,
        known.agent,
        known.exceeded,
        known.delegation.hex() if known.delegation else None,
    )


def header_view(header: Header) -> HeaderView:
    """Show a protected header."""
    sequence = header.sequence
    return HeaderView(
        algorithm=header.algorithm,
        key_id=header.key_id.hex(),
        issuer=header.issuer,
        subject=header.subject,
        issued_at=header.issued_at,
        type=header.type,
        content_type=header.content_type,
        hashed=header.hashed,
        location=header.location,
        emitter=sequence.emitter.hex() if sequence else None,
        epoch=sequence.epoch if sequence else None,
        seq=sequence.seq if sequence else None,
        prev=sequence.prev.hex() if sequence and sequence.prev else None,
        links={relation: [i.hex() for i in ids] for relation, ids in header.links.items()},
        model=header.model.hex() if header.model else None,
        assurance=header.assurance,
    )
