"""What the operator says when the place changes where content may lie.

The vault enforces its own mark; the statement is the evidence of who set it, when and why. Its
words are content like any other: they lie in the vault.
"""

import os
import uuid
from typing import Final

from tallystick.identity import SoftwareSigner
from tallystick.ledger.submission import Submission
from tallystick.statement import Header, commit, sign_statement
from tallystick.statement.governance import StatementType

WHAT: Final = "vault.location"
"""Name of what was changed, in the statement."""


def location_change(
    operator: SoftwareSigner, before: str | None, after: str, reason: str, now: int
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
        subject=uuid.uuid4().urn,
        issued_at=now,
        type=StatementType.CHANGE,
    )
    return Submission(sign_statement(header, content.commitment(), operator.sign).entry, content)
