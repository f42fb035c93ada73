"""`tally appeals`: codes, what is asked, what is answered and by whom."""

import json
import time

import pytest

from tests.unit.cli.running import Command, keep_passphrase, post, serving

FIELDS = ("--type", "decision", "--field", "outcome=accept", "--field", "reason=no", "--field",
          "shown=scan")  # fmt: skip


@pytest.fixture
def desk(made: Command) -> Command:
    """A ledger with a doctor, an AI, and a clinic's decision about somebody."""
    made("policy", "allow", "review=person", "decision=person", "appeal=person",
         "review=ai", "document=ai")  # fmt: skip
    made("keys", "create", "doctor", "--kind", "person")
    made("keys", "create", "triage", "--kind", "ai", "--public-name", "Triage")
    return made


def decide(desk: Command, *more: str) -> str:
    return desk("register", *FIELDS, "--as", "clinic", "--about", "case-1", *more)


def test_each_request_is_listed_shown_and_answered_by_the_right_hand(desk: Command) -> None:
    decision = decide(desk)
    asked = desk("appeals", "ask", "explanation-request", decision, "--words", "How?")
    appeal = desk("appeals", "ask", "appeal", decision, "--words", "It is not so.")
    lines = desk("appeals", "list").splitlines()
    assert ["explanation-request" in lines[0], "appeal" in lines[1]] == [True, True]
    assert all("open" in line and "due 20" in line for line in lines)
    desk("erase", decision, "--reason", "objection", code=5)
    assert "is under appeal, as entry" in desk.words

    desk("appeals", "answer", asked, "--explanation", "The scan.")
    desk("appeals", "answer", appeal, "--outcome", "upheld", "--reason", "so", "--as", "triage",
         code=5)  # fmt: skip
    assert "signed by ai" in desk.words
    new = decide(desk, "--link", f"supersedes={decision}")
    review = desk("appeals", "answer", appeal, "--outcome", "changed", "--reason", "an error",
                  "--decision", new, "--as", "doctor")  # fmt: skip
    assert desk("appeals", "list") == ""
    shown = desk.json("appeals", "show", appeal)
    assert (shown["state"], shown["answer"]) == ("answered", review)
    assert shown["content"]["words"]["words"] == "It is not so."
    assert shown["content"]["answer"]["outcome"] == "changed"
    assert "It is not so." in desk("appeals", "show", appeal)
    assert len(desk("appeals", "list", "--all").splitlines()) == 2
    desk("erase", "--about", "case-1", "--reason", "objection")
    assert desk.json("appeals", "show", appeal)["content"] == {
        "words": None, "decision": None, "answer": None,
    }  # fmt: skip


def test_a_person_with_a_key_asks_and_withdraws(desk: Command) -> None:
    decision = decide(desk)
    appeal = desk("appeals", "ask", "appeal", decision, "--words", "No.", "--as", "doctor")
    desk("appeals", "withdraw", appeal, code=5)
    assert "who asked it" in desk.words
    desk("appeals", "withdraw", appeal, "--as", "doctor")
    assert "withdrawn" in desk("appeals", "list", "--all")
    desk("erase", decision, "--reason", "objection")


def test_erasing_a_decision_about_nobody_says_what_goes_with_it(desk: Command) -> None:
    decision = desk("register", *FIELDS, "--as", "clinic")
    asked = desk("appeals", "ask", "explanation-request", decision, "--words", "How?")
    desk("appeals", "answer", asked, "--explanation", "The scan.")
    desk("erase", decision, "--reason", "objection")
    assert "what was asked of it goes with it, and the answers: " in desk.words
    content = desk.json("appeals", "show", asked)["content"]
    assert (content["words"], content["answer"]) == (None, None)


def test_beside_a_service_the_code_opens_what_the_receipt_alone_does_not(desk: Command) -> None:
    decision = decide(desk)
    code = desk("appeals", "code", decision)
    keep_passphrase(desk)
    with serving(desk.home, "up", "--port", "0") as where:
        url = f"{where['url']}/mine"
        seen, _ = post(url, {"receipt": decision})
        assert seen["content"] is None
        seen, _ = post(url, {"receipt": decision, "code": code})
        assert seen["content"]["shown"] == "scan"
        body = {"receipt": decision, "code": code, "kind": "appeal", "words": "no"}
        seen, _ = post(f"{url}/requests", body)
        appeal = seen["requests"][0]["id"]
        until = time.monotonic() + 10
        while appeal not in desk("appeals", "list", "--json"):  # the service publishes in a moment
            assert time.monotonic() < until
        desk("appeals", "answer", appeal, "--outcome", "upheld", "--reason", "so", "--as", "doctor")
        seen, _ = post(url, {"receipt": decision, "code": code})
        assert seen["requests"][0]["answer"]["content"] == {"outcome": "upheld", "reason": "so"}
    about = [json.loads(line) for line in desk("find", "--type", "review", "--json").splitlines()]
    desk("erase", "--about", "case-1", "--reason", "objection")
    assert "was erased" in desk("show", about[0]["id"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["code", "0"], 2, "nothing can be asked of it"),
        (["show", "0"], 2, "is no request of a person"),
        (["answer", "0", "--explanation", "x"], 2, "is no request of a person"),
        (["answer", "APPEAL", "--explanation", "x"], 2, "with --outcome and --reason"),
        (["answer", "APPEAL", "--outcome", "upheld"], 2, "with --outcome and --reason"),
        (["answer", "APPEAL", "--outcome", "changed", "--reason", "x"], 2, "goes with --decision"),
        (["answer", "APPEAL", "--outcome", "upheld", "--reason", "x"], 2, "--as the key of a"),
        (["answer", "ASKED", "--outcome", "upheld"], 2, "with --explanation alone"),
        (["answer", "ASKED", "--explanation", "x", "--of", "doctor"], 2, "approve a review"),
        (["answer", "APPEAL", "--outcome", "upheld", "--reason", "x", "--of", "doctor"], 5,
         "has no passkey here"),
        (["ask", "appeal", "DECISION", "--words", "again"], 5, "asks that already"),
    ],
)  # fmt: skip
def test_mistakes_are_named(desk: Command, arguments: list[str], code: int, message: str) -> None:
    decision = decide(desk)
    names = {
        "DECISION": decision,
        "APPEAL": desk("appeals", "ask", "appeal", decision, "--words", "no"),
        "ASKED": desk("appeals", "ask", "explanation-request", decision, "--words", "how"),
    }

    desk("appeals", *(names.get(one, one) for one in arguments), code=code)

    assert message in desk.words
