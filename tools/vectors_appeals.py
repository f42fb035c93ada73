"""Vectors of what a person asks of a decision, what they are answered, and what they are given.

Like those of approvals they stand beside the log of the others, so that its proofs stay.
"""

from collections.abc import Iterator
from hashlib import sha256

from tallystick.evidence.records import (
    AccessAnswer,
    Appeal,
    Explanation,
    ExplanationRequest,
    Record,
    Review,
    ReviewRequest,
)
from tallystick.identity import SoftwareSigner
from tallystick.statement import Header, Preimage, Relation, SignedStatement, commit, sign_statement
from tallystick.statement.commitment import Entropy

Links = dict[str, tuple[bytes, ...]]


def appeals(
    operator: SoftwareSigner,
    person: SoftwareSigner,
    decision: bytes,
    answer: bytes,
    now: int,
    entropy: Entropy,
) -> Iterator[tuple[str, SignedStatement, Preimage]]:
    """Yield statements with their content, in the order in which they could be registered.

    Args:
        operator: Signs for whoever has no key.
        person: Answers, as a human being.
        decision: What is asked about.
        answer: What that rests on.
        now: Seconds since 1970.
        entropy: Source of salts.
    """

    def say(
        name: str, signer: SoftwareSigner, record: Record, links: Links
    ) -> tuple[str, SignedStatement, Preimage]:
        content, digest = commit(record.values(), entropy), sha256(name.encode()).hexdigest()
        header = Header(
            algorithm=signer.algorithm,
            key_id=signer.public.thumbprint(),
            issuer=signer.issuer,
            subject=f"urn:uuid:{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-"
            + digest[20:32],
            issued_at=now,
            type=record.statement_type,
            links=links,
        )
        return name, sign_statement(header, content.commitment(), signer.sign), content

    about: Links = {Relation.DECIDED_ON: (decision,)}
    asked = say("1-explanation-request", operator, ExplanationRequest(words="How?"), about)
    yield asked
    told: Links = {Relation.DECIDED_ON: (asked[1].id,)}
    yield say("2-explanation", operator, Explanation(text="By the scan."), told)
    review = say("3-review-request", operator, ReviewRequest(words="Look again."), about)
    yield review
    ended: Links = {Relation.SUPERSEDES: (review[1].id,)}
    yield say("4-withdrawal", operator, ReviewRequest(words=""), ended)
    appeal = say(
        "5-appeal", operator, Appeal(words="It is not so.", shown="code"),
        {**about, Relation.USED: (answer,)},
    )  # fmt: skip
    yield appeal
    found = Review(outcome="upheld", reason="the scan shows it")
    yield say("6-review", person, found, {Relation.DECIDED_ON: (appeal[1].id,)})
    given = AccessAnswer(manifest=sha256(b"manifest.json").digest(), records=3, size=20)
    yield say("7-access-answer", operator, given, {})
