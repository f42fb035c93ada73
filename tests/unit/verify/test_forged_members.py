"""Members of a bundle that a hostile log admitted: they claim too much, or say nothing."""

from types import SimpleNamespace
from typing import Any

from tallystick.statement import Relation, SignedStatement
from tallystick.statement.keychain import KeyChains
from tallystick.statement.labels import BATCH_MEDIA_TYPE
from tallystick.statement.publication import encode_publication
from tallystick.verify.delegation import Acting
from tallystick.verify.erased import _is_batch
from tallystick.verify.published import Published
from tallystick.verify.report import Verdict
from tallystick.verify.statement import KnownIssuer, VerifiedStatement
from tests.ledgers import Issuer

ISSUER = Issuer()


def verified(statement: SignedStatement, index: int) -> VerifiedStatement:
    known = KnownIssuer(ISSUER.did, ISSUER.signer.public, None, None, "a test", None)
    return VerifiedStatement(statement, index, known)


def acting(*statements: SignedStatement) -> Acting:
    members = {one.id: verified(one, at) for at, one in enumerate(statements, 1)}
    genesis: Any = SimpleNamespace(operator=ISSUER.did)
    return Acting(members, genesis, KeyChains())


def test_a_claim_without_evidence_fails_and_one_whose_evidence_is_away_is_open() -> None:
    document = ISSUER.sign(type="document")
    forged = ISSUER.sign(assurance="passkey", links={Relation.ACTED_FOR: (document.id,)})
    away = ISSUER.sign(assurance="key", links={Relation.ACTED_FOR: (bytes(32),)})

    checks = [c for c in acting(document, forged, away).checks() if c.what == "assurance"]

    assert [check.verdict for check in checks] == [Verdict.FAILED, Verdict.INDETERMINATE]


def test_a_heartbeat_that_cannot_be_read_tells_no_time() -> None:
    beat = ISSUER.sign(b"no heartbeat", type="heartbeat", hashed=False)

    assert list(acting(beat).checks()) == []


def test_what_only_calls_itself_a_batch_is_none() -> None:
    false = ISSUER.sign(b"no batch", hashed=False, content_type=BATCH_MEDIA_TYPE)

    assert not _is_batch(verified(false, 1))


def test_a_publication_that_says_nothing_fails_and_one_of_what_is_away_is_left() -> None:
    false = ISSUER.sign(b"nothing", type="publication", hashed=False)
    document, shown = ISSUER.content({"a": 1}, type="document")
    payload, links = encode_publication(shown.disclose()), {Relation.PUBLISHES: (document.id,)}
    good = ISSUER.sign(payload, type="publication", hashed=False, links=links)

    found = Published({false.id: verified(false, 1), good.id: verified(good, 2)}, false.id)
    early = Published({good.id: verified(good, 1), document.id: verified(document, 2)}, document.id)
    late = Published({document.id: verified(document, 1), good.id: verified(good, 2)}, document.id)

    assert [check.verdict for check in found.checks] == [Verdict.FAILED]
    assert early.checks == []
    assert [check.verdict for check in late.checks] == [Verdict.VERIFIED]
    assert late.statements[document.id].values == {"a": 1}
