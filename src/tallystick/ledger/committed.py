"""Evidence stands on the ledger as a commitment with salt; part of `tallystick.ledger.rules`.

Reasons:

    payload.inline          evidence that shows its content to everybody, for ever
    content.salt            content came along with salts that hide nothing

What admission can tell from an entry alone is its form: whether it commits to content, or shows
it. A digest says nothing of what it was made from. So salts are looked at where the content comes
along; an issuer that keeps its content, or makes a digest without salt, cannot be found out.
"""

from collections.abc import Iterator
from typing import Final

from tallystick.errors import RefusedError
from tallystick.ledger.policy import RegistrationPolicy, Visibility
from tallystick.ledger.submission import Submission
from tallystick.statement import SignedStatement
from tallystick.statement.administration import is_act
from tallystick.statement.commitment import SALT_BYTES
from tallystick.statement.governance import StatementType
from tallystick.statement.labels import BATCH_MEDIA_TYPE

EVIDENCE: Final = frozenset(
    {
        StatementType.INFERENCE,
        StatementType.DECISION,
        StatementType.ACTION,
        StatementType.DATASET,
        StatementType.MODEL,
        StatementType.EVALUATION,
        StatementType.ANOMALY,
        StatementType.CONTENT_MARK,
        StatementType.CHANGE,
        StatementType.DOCUMENT,
        StatementType.LABEL,
        StatementType.REFUSAL,
        StatementType.ACCESS,
        StatementType.CLAUSES,
        StatementType.APPROVAL,
    }
)
"""Types whose content may be about people, so that it stands in the vault. A batch of rows shows a
root over salted leaves, and an act of administration names nobody."""


def check_committed(statement: SignedStatement, policy: RegistrationPolicy) -> None:
    """Refuse evidence that shows its content, unless the policy says that its type is public.

    Raises:
        RefusedError: `reason` is `payload.inline`.
    """
    header = statement.header
    shown = not header.hashed and header.content_type != BATCH_MEDIA_TYPE
    if not shown or header.type not in EVIDENCE or is_act(statement):
        return
    if policy.visibility.get(header.type) is not Visibility.PUBLIC:
        raise RefusedError(
            f"a {header.type} statement commits to its content with a salt; this one shows it to "
            "everybody, for ever",
            reason="payload.inline",
            advice="hand it in as fields; or let the policy say that the type is public: "
            f"`tally policy visibility {header.type}=public`",
        )


def check_salts(submission: Submission) -> None:
    """Refuse content whose salts hide nothing: too short, used twice, or one byte over and over.

    Raises:
        RefusedError: `reason` is `content.salt`.
    """
    salts = [*_salts(submission)]
    for salt in salts:
        if len(salt) != SALT_BYTES or len(set(salt)) == 1:
            got = f"{len(salt)} bytes" if len(salt) != SALT_BYTES else "one byte over and over"
            raise _unsalted(f"a salt has {SALT_BYTES} random bytes, got {got}")
    if len(set(salts)) < len(salts):
        raise _unsalted("each field, and each row, has a salt of its own, got one twice")


def _salts(submission: Submission) -> Iterator[bytes]:
    if submission.content is not None:
        yield submission.content.salt
        yield from (field.salt for field in submission.content.fields.values())
    if submission.rows is not None:
        salts = submission.rows.salts
        yield from (salts[at : at + SALT_BYTES] for at in range(0, len(salts), SALT_BYTES))


def _unsalted(words: str) -> RefusedError:
    return RefusedError(
        f"the content could be guessed from its digest: {words}",
        reason="content.salt",
        advice="make salts by the system's random generator, as `commit` does",
    )
