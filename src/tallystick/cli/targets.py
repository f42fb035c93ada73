"""What content a command is about: statements, rows of batches, or all about a subject."""

from typing import TYPE_CHECKING

from tallystick.cli.arguments import find_id
from tallystick.cli.batches import positions_of
from tallystick.cli.registering import read_about
from tallystick.cli.session import Session
from tallystick.errors import InputError

if TYPE_CHECKING:
    from tallystick.identity import Signer
    from tallystick.ledger import LedgerReader
    from tallystick.ledger.erasures import Targets
    from tallystick.statement.erasure import Positions


def check_targets_given(
    statements: tuple[str, ...], about: str | None, purpose: str | None
) -> None:
    """Refuse neither and both.

    Raises:
        InputError: Give one of them.
    """
    if bool(statements) == (about is not None):
        raise InputError("give either statements, or --about REF")
    read_about(about, purpose)


def read_targets(
    ledger: "LedgerReader", statements: tuple[str, ...], about: str | None, purpose: str | None
) -> "Targets":
    """Return what is meant.

    Raises:
        InputError: Not an id or index, or positions where there are no rows.
        NotFoundError: No such statement is registered.
    """
    if about is not None:
        return ledger.vault.about(about, purpose)
    return _named(ledger, statements)


def operator_or(session: Session, issuer: str | None) -> "Signer":
    """Return the key of an issuer that was made here; the operator's, where none is named."""
    from tallystick.identity import KeyFile
    from tallystick.ledger.creation import OPERATOR

    if issuer:
        return session.signer(issuer)
    return KeyFile(session.home.service_keys, session.passphrase()).signer(OPERATOR)


def _named(ledger: "LedgerReader", statements: tuple[str, ...]) -> "Targets":
    from tallystick.ledger import batch_of

    targets: dict[bytes, Positions | None] = {}
    for text in statements:
        name, separator, rows = text.partition(":")
        found = ledger.get(find_id(ledger, name)).statement
        batch = batch_of(found)
        if not separator:
            targets[found.id] = None
        elif batch is None or not rows:
            raise InputError(f"{text[:80]!r}: positions, such as ID:0-9,12, are those of a batch")
        else:
            before = targets.get(found.id, frozenset())
            chosen = frozenset(positions_of(rows, batch.rows))
            targets[found.id] = None if before is None else before | chosen
    return targets
