"""Where content may lie, as the operator said on the ledger; the vault's own mark follows it.

The place stands in the statement's public subject, `location:EU`, so that whoever opens a vault
without the mark (an older copy, or one that somebody changed) learns it again from the log. Why it
was said is content like any other.
"""

import os
from typing import Final

from tallystick.errors import InputError
from tallystick.identity import Signer
from tallystick.ledger.entries import read_statement
from tallystick.ledger.index import Index, Property
from tallystick.ledger.submission import Submission
from tallystick.log import Snapshot
from tallystick.statement import Header, commit, sign_statement
from tallystick.statement.governance import StatementType
from tallystick.vault import Vault
from tallystick.vault.location import check_location, parse_location

WHAT: Final = "vault.location"
"""Name of what was changed, in the content."""
SUBJECT: Final = "location:"
"""What the subject begins with; the place follows."""


def location_change(
    operator: Signer, before: str | None, after: str, reason: str, now: int
) -> Submission:
    """Sign that content is to stay in another place from now on.

    Args:
        operator: The operator's key.
        before: Where it was to stay; None if nobody had said.
        after: Where it is to stay.
        reason: Why, in words.
        now: Seconds since 1970.
    """
    fields = {"what": WHAT, "before": before, "after": after, "reason": reason}
    content = commit({name: said for name, said in fields.items() if said is not None}, os.urandom)
    header = Header(
        algorithm=operator.algorithm,
        key_id=operator.public.thumbprint(),
        issuer=operator.issuer,
        subject=SUBJECT + after,
        issued_at=now,
        type=StatementType.CHANGE,
    )
    return Submission(sign_statement(header, content.commitment(), operator.sign).entry, content)


def location_said(index: Index, snapshot: Snapshot) -> str | None:
    """Return where content is to stay, as the operator said last; None if never."""
    operator = read_statement(snapshot.reader, 0).header.issuer
    by = [Property("type", StatementType.CHANGE.encode()), Property("issuer", operator.encode())]
    for at in index.find(by, snapshot.checkpoint.size):
        header = read_statement(snapshot.reader, at).header
        if (header.type, header.issuer) == (StatementType.CHANGE, operator):
            place = _place(header.subject)
            if place is not None:
                return place
    return None


def check_placed(vault: Vault, index: Index, snapshot: Snapshot, place: str | None) -> str | None:
    """Refuse a vault whose content may not lie here; return where it is to stay.

    Args:
        vault: Open.
        index: Up to date with `snapshot`.
        snapshot: The log.
        place: Where this machine is said to lie.

    Raises:
        LocationError: Content may not lie here, or nobody says where here is.
    """
    where = location_said(index, snapshot) or vault.location
    check_location(where, place, "this machine")
    return where


def _place(subject: str) -> str | None:
    if not subject.startswith(SUBJECT):
        return None
    try:
        return parse_location(subject.removeprefix(SUBJECT))
    except InputError:
        return None  # a later release may know of more places
