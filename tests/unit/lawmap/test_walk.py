"""What is read of a log: form, numbers, who links to what, and how long content was kept."""

from typing import Any

from tallystick.lawmap import Kind, Place, Walk
from tallystick.lawmap.seen import PLACES_KEPT
from tallystick.statement import Erasure, ErasureReason, SignedStatement
from tests.ledgers import START, Issuer

DAY = 86_400


def walked(*statements: SignedStatement, nameless: Any = lambda _id: False) -> Walk:
    walk = Walk(nameless)
    for index, statement in enumerate(statements):
        walk.add(index, statement)
    return walk


def erasure(of: SignedStatement, at: int, issuer: Issuer) -> SignedStatement:
    payload = Erasure(reason=ErasureReason.OTHER, erased={of.id: None}).encode()
    return issuer.sign(payload=payload, type="erasure", hashed=False, issued_at=at,
                       content_type="application/cbor", links={"erases": (of.id,)})  # fmt: skip


def test_a_number_that_is_left_out_is_named() -> None:
    issuer = Issuer()
    numbered = [issuer.numbered() for _ in range(3)]

    assert walked(*numbered).faults() == ()
    assert walked(numbered[0], numbered[2]).faults() == ("#2 at index 1 follows #0",)
    assert walked(*numbered).emitters("did:key:operator") == 1
    assert walked(*numbered).emitters(issuer.did) == 0


def test_calls_are_counted_and_those_without_outcome_named() -> None:
    issuer = Issuer()
    first, second = issuer.numbered(model=bytes(32)), issuer.numbered()
    outcome = issuer.numbered(links={"generated_by": (first.id,)})
    walk = walked(first, second, outcome)

    assert walk.calls() == (2, (1,))
    assert [place.index for place in walk.modelless.newest] == [1]


def test_content_in_public_and_chosen_names_are_seen() -> None:
    issuer = Issuer()
    bare = issuer.sign(type="document", hashed=False, content_type="text/plain")
    chosen = issuer.sign(type="decision", subject="Jane Doe")
    batch, _, _ = issuer.batch([b"\xa0"])
    walk = walked(
        bare, chosen, batch, issuer.sign(type=None), nameless=lambda id_: id_ == chosen.id
    )

    assert [place.index for place in walk.open_payloads.newest] == [0]
    assert [place.index for place in walk.named_subjects.newest] == [1]
    assert [place.index for place in walk.nameless.newest] == [1]
    assert walk.types["(no type)"].number == 1


def test_content_that_was_erased_before_its_time_is_named_by_type_and_days() -> None:
    issuer = Issuer()
    call, late = issuer.sign(issued_at=START), issuer.sign(issued_at=START)
    paper, other = issuer.sign(type="document"), issuer.sign(type="label")
    gone = [erasure(call, START + 10 * DAY, issuer), erasure(late, START + 183 * DAY, issuer),
            erasure(paper, START + 1000 * DAY, issuer), erasure(other, START, issuer)]  # fmt: skip
    walk = walked(call, late, paper, other, *gone)
    known = {one.id: one for one in (call, late, paper, other)}

    assert walk.early(known.get) == {"inference": ((4, 10),), "document": ((6, 1000),)}
    assert walk.early(lambda _id: None) == {}
    assert walk.last_erasure == 7


def test_an_erasure_that_cannot_be_read_is_passed_over() -> None:
    walk = walked(Issuer().sign(type="erasure"))

    assert walk.last_erasure == 0
    assert walk.early(lambda _id: None) == {}


def test_the_first_report_of_an_anomaly_counts() -> None:
    issuer = Issuer()
    anomaly = issuer.sign(type="anomaly", issued_at=START)
    reports = [
        issuer.sign(type="document", subject="incident-report", issued_at=START + days * DAY,
                    links={"derived_from": (anomaly.id,)})
        for days in (3, 40)
    ]  # fmt: skip
    named_so = issuer.sign(type="document", subject="of-another-name")
    walk = walked(anomaly, *reports, named_so)

    assert walk.reported() == ((0, 3),)
    assert {name: kind.number for name, kind in walk.documents().items()} == {"incident-report": 2}


def test_a_paper_whose_text_was_erased_is_none() -> None:
    issuer = Issuer()
    papers = [issuer.sign(type="document", subject="dpia", issued_at=START + n) for n in range(2)]

    assert walked(*papers).documents()["dpia"].number == 2
    one_left = walked(*papers, erasure(papers[0], START, issuer)).documents()["dpia"]
    assert [place.id for place in one_left.newest] == [papers[1].id]
    gone = [erasure(paper, START, issuer) for paper in papers]
    assert walked(*papers, *gone).documents() == {}


def test_few_places_are_kept_of_many_statements() -> None:
    kind = Kind()
    for index in range(10):
        kind.add(Place(index, bytes(32), START - index))

    assert (kind.number, kind.first_at, kind.last_at) == (10, START - 9, START)
    assert [place.index for place in kind.newest] == [7, 8, 9][:PLACES_KEPT]
    assert Kind().evidence("x").value == "0"
