"""Every check both ways: on a real ledger whose operator does it, and on one whose does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.lawmap import CHECKS, Kind, Place, Seen, Verdict, Walk
from tallystick.lawmap.checks.people import _TYPES
from tests.ledgers import Issuer
from tests.unit.lawmap.two_ledgers import careful, careless, seen_in

YES, NO, NONE, UNSEEN = Verdict.DOES, Verdict.DOES_NOT, Verdict.NOT_APPLICABLE, Verdict.UNSEEN
ODD = {
    "passphrase-apart": (YES, NO),
    "rectified": (YES, UNSEEN),
    "location-kept": (YES, UNSEEN),
    "nothing-missing": (YES, YES),
    "calls-recorded": (YES, YES),
    "anomalies-registered": (YES, YES),
    "paper-incident-report": (YES, YES),
    "people-answered": (UNSEEN, UNSEEN),
}
"""What is found on both ledgers, where that is not «does» and «does not»."""
LATER = {"access-answered", "appeals-taken", "explanations-given", "reviews-by-people"}
"""Checks of types that no ledger of this release takes: see below."""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Seen, Seen]:
    folder = tmp_path_factory.mktemp("law")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TALLYSTICK_DATA_LOCATION", raising=False)
        return seen_in(careful(folder)), seen_in(careless(folder))


@pytest.mark.parametrize("name", sorted(CHECKS.keys() - LATER))
def test_a_check_tells_two_ledgers_apart(both: tuple[Seen, Seen], name: str) -> None:
    answers = [CHECKS[name].answer(seen) for seen in both]

    assert tuple(one.verdict for one in answers) == ODD.get(name, (YES, NO)), answers
    assert all(one.seen for one in answers)
    assert all(one.evidence for one in answers if one.verdict in {YES, NO})


@pytest.mark.parametrize("name", sorted(LATER))
def test_features_of_later_releases_show_by_what_they_register(
    both: tuple[Seen, Seen], name: str
) -> None:
    kind = Kind()
    kind.add(Place(7, bytes(32), 1_790_000_000))
    for type_ in _TYPES[name]:
        with_it = replace(both[0], types={**both[0].types, type_: kind})

        assert CHECKS[name].answer(both[0]).verdict is NO
        answer = CHECKS[name].answer(with_it)
        assert (answer.verdict, answer.evidence[0].value) == (
            YES,
            "1, newest at index 7 (" + "00" * 8 + ")",
        )


@pytest.mark.parametrize(
    ("name", "type_", "number"),
    [("holds-registered", "hold", 2), ("restriction-obeyed", "restriction", 1),
     ("retention-ruled", "retention", 1)],
)  # fmt: skip
def test_marks_and_rules_are_counted_where_they_stand(
    both: tuple[Seen, Seen], name: str, type_: str, number: int
) -> None:
    [evidence] = CHECKS[name].answer(both[0]).evidence

    newest = both[0].kind(type_).newest[-1].text()
    assert evidence.value.startswith(f"{number}, newest at index ")
    assert newest in evidence.value
    assert both[0].kind(type_).number == number


def test_lifting_a_hold_corrects_nothing(both: tuple[Seen, Seen]) -> None:
    answer = CHECKS["rectified"].answer(both[0])

    assert answer.seen == "1 statements supersede earlier ones, which stay as evidence"


def test_evidence_names_statements_that_are_there(both: tuple[Seen, Seen]) -> None:
    answer = CHECKS["people-decide"].answer(both[0])

    assert answer.evidence[0].value.startswith("2, newest at index ")
    assert both[0].kind("decision").newest[-1].text() in answer.evidence[0].value
    assert answer.evidence[1].text() == "decisions by who signed: person 2"


def test_an_empty_ledger_is_no_reason_to_say_that_something_is_done() -> None:
    empty = Seen(at=1_790_000_000, origin="lab.example/empty", size=1, root="00")
    done = {name for name, check in CHECKS.items() if check.answer(empty).verdict is YES}

    assert done == {  # what is so by how a ledger is made, until somebody does otherwise
        "content-off-ledger", "subjects-random", "passphrase-apart", "content-not-served",
        "encrypted-on-the-way", "policy-narrow", "calls-registered",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "verdict"),
    [
        ("fail-closed", {"gateway": False}, NONE),
        ("originators-named", {"gateway": False}, NONE),
        ("content-stays", {"gateway": False}, NONE),
        ("keys-expire", {"api_keys": 0}, NONE),
        ("location-kept", {"place": "US"}, NO),
        ("location-kept", {"place": None}, NO),
        ("encrypted-on-the-way", {"open_host": "0.0.0.0"}, NO),  # noqa: S104 - a setting
        ("encrypted-on-the-way", {"open_host": "0.0.0.0", "encrypted": True}, YES),  # noqa: S104
    ],
)
def test_what_else_the_settings_can_say(
    both: tuple[Seen, Seen], name: str, changes: dict[str, object], verdict: Verdict
) -> None:
    seen = replace(both[0], configured=replace(both[0].configured, **changes))  # type: ignore[arg-type]

    assert CHECKS[name].answer(seen).verdict is verdict


@pytest.mark.parametrize(
    ("name", "changes", "verdict"),
    [
        ("backed-up", {"backup_content": False}, NO),
        ("backed-up", {"backup_at": 0}, NO),
        ("keys-recoverable", {"kinds": {}}, NONE),
        ("calls-registered", {"spooled": 3, "written": True}, UNSEEN),
        ("erasures-carried-out", {"applied": 0}, NO),
    ],
)
def test_what_else_the_folder_can_hold(
    both: tuple[Seen, Seen], name: str, changes: dict[str, object], verdict: Verdict
) -> None:
    seen = replace(both[0], stored=replace(both[0].stored, **changes))  # type: ignore[arg-type]

    assert CHECKS[name].answer(seen).verdict is verdict


@pytest.mark.parametrize(
    ("name", "changes", "verdict"),
    [
        ("calls-recorded", {"calls": 0}, NO),
        ("anomalies-registered", {"types": {}}, NO),
        ("paper-incident-report", {"documents": {}}, NO),
        ("calls-have-outcomes", {"calls": 0}, NONE),
        ("calls-name-model", {"calls": 0}, NONE),
        ("decisions-name-proposal", {"types": {}}, NONE),
        ("logs-kept", {"types": {}}, NONE),
        ("content-names-subject", {"types": {}}, NONE),
        ("incidents-in-time", {"documents": {}}, UNSEEN),
        ("incidents-in-time", {"reported": ()}, UNSEEN),
        ("erasures-carried-out", {"last_erasure": None}, UNSEEN),
        ("nothing-missing", {"emitters": 0}, UNSEEN),
        ("nothing-missing", {"faults": ("#3 at index 9 follows #1",)}, NO),
    ],
)
def test_what_else_the_log_can_hold(
    both: tuple[Seen, Seen], name: str, changes: dict[str, object], verdict: Verdict
) -> None:
    seen = replace(both[0], **changes)  # type: ignore[arg-type]

    assert CHECKS[name].answer(seen).verdict is verdict


def test_a_backup_of_the_vault_can_lag_behind_the_log(tmp_path: Path) -> None:
    seen = seen_in(careless(tmp_path))

    assert seen.last_erasure is not None
    assert seen.stored.applied is None


def test_who_waits_longer_than_a_month_is_told(both: tuple[Seen, Seen]) -> None:
    clinic, jane, walk = Issuer(), Issuer(), Walk()

    def say(index: int, who: Issuer, type_: str, days: int, **links: tuple[bytes, ...]) -> bytes:
        said = who.sign(type=type_, issued_at=days * 86_400, links=links)
        walk.add(index, said)
        return said.id

    decision = say(1, clinic, "decision", 0)
    soon = say(2, jane, "appeal", 0, decided_on=(decision,))
    say(3, clinic, "review", 31, decided_on=(soon,))
    gone = say(4, jane, "appeal", 31, decided_on=(decision,))
    say(5, jane, "appeal", 40, supersedes=(gone,))
    asked = Seen(at=40 * 86_400, origin="o", size=6, root="", asked=walk.asked,
                 waiting=walk.waiting(), answered_late=walk.answered_late)  # fmt: skip
    assert CHECKS["people-answered"].answer(asked).verdict is YES

    late = say(6, jane, "review-request", 40, decided_on=(decision,))
    waits = replace(asked, asked=walk.asked, waiting=walk.waiting(), at=72 * 86_400)
    assert "1 requests wait longer" in CHECKS["people-answered"].answer(waits).seen
    say(7, clinic, "review", 80, decided_on=(late,))
    done = replace(waits, waiting=walk.waiting(), answered_late=walk.answered_late)
    assert "1 were answered" in CHECKS["people-answered"].answer(done).seen
    assert walk.waiting() == ()
