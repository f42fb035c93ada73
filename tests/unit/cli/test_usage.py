"""`tally usage` and the limits of API keys, beside a service that runs."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tallystick.capture.usage import Counts, Place
from tallystick.capture.usage_file import UsageFile, read_usage
from tallystick.ledger import Home
from tests.unit.capture.model_api import MODEL, ModelApi, model_api
from tests.unit.capture.waiting import eventually
from tests.unit.cli.running import Command, post, serving

NAMED = MODEL + "-0613"
UP = ("up", "--port", "0", "--workers", "0")
ASKED: Any = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
COSE = {"Content-Type": "application/cose"}
HEAD = "day,model,requests,prompt_tokens,completion_tokens\n"


@pytest.fixture
def api() -> Iterator[ModelApi]:
    with model_api() as running:
        yield running


@pytest.fixture
def opened(made: Command) -> Command:
    """A ledger that a service can open by itself."""
    (made.home / "passphrase").write_text("correct horse\n")
    return made


def counted(command: Command, *rows: tuple[str, str, str, Counts]) -> None:
    """Write counts as a gateway does."""
    with UsageFile(Home(command.home).usage) as file:
        file.add({Place(*row[:3]): row[3] for row in rows}, (0, 1))


def lines(command: Command, *arguments: object, code: int = 0) -> list[Any]:
    return [json.loads(line) for line in command(*arguments, "--json", code=code).splitlines()]


def status(url: str, body: object, **headers: str) -> int:
    """Send something and return the status of the answer."""
    try:
        post(url, body, **headers)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    return 200


def today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def settled(command: Command, calls: int) -> None:
    """Wait until so many calls and refusals are in the file."""

    def look() -> bool | None:
        rows = read_usage(Home(command.home).usage)
        return sum(row.counts.calls + row.counts.refused for row in rows) == calls or None

    eventually(look, f"{calls} calls in the file")


# --- beside a service


def test_usage_is_shown_compared_and_counted_anew(opened: Command, api: ModelApi) -> None:
    token = opened.json("keys", "api", "create", "clinic", "--label", "night", "--model", "par*",
                      "--tokens-max", 15, "--per", "month")["token"]  # fmt: skip
    bearer = {"Authorization": f"Bearer {token}"}
    with serving(opened.home, *UP, "--upstream", f"{api.url}/v1") as where:
        url = f"{where['gateway']}/chat/completions"
        headers = [post(url, ASKED, **bearer)[1] for _ in range(2)]
        assert status(url, ASKED, **bearer) == 429
        assert status(url, {**ASKED, "model": "x"}, **bearer) == 403
        post(url, ASKED)
        settled(opened, 5)
        [key, free] = sorted(lines(opened, "usage"), key=lambda row: row["key"] == "asserted")
        [listed] = lines(opened, "keys", "api", "list")
        with urllib.request.urlopen(f"{where['url']}/metrics") as response:  # noqa: S310
            metrics = response.read().decode()
        opened("usage", "--rebuild", code=4)
        assert "end the service first" in opened.words

    assert [seen["x-tallystick-budget-left"] for seen in headers] == ["5", "0"]
    assert (key["calls"], key["prompt_tokens"], key["refused"], key["label"]) == (2, 14, 2, "night")
    assert (free["key"], free["calls"], free["budget"]) == ("asserted", 1, None)
    assert key["budget"] == listed["budget"] == {
        "per": "month", "tokens_max": 15, "tokens_used": 20, "calls_max": None, "calls_used": 2,
    }  # fmt: skip
    for code in ("budget_exhausted", "model_not_allowed"):
        assert f'tallystick_gateway_refused_total{{code="{code}"}} 1' in metrics

    Path("right.csv").write_text(f"{HEAD}{today()},{NAMED},3,21,9\n")
    opened("usage", "--against", "right.csv")
    home = Home(opened.home)
    before = read_usage(home.usage)
    home.usage.write_bytes(b"damaged")
    opened("usage", code=1)
    assert "--rebuild" in opened.words
    opened("usage", "--rebuild")
    assert "counted 5 calls from the ledger" in opened.words
    assert read_usage(home.usage) == before


def test_a_key_is_good_for_what_it_was_made_for(opened: Command, api: ModelApi) -> None:
    only = {
        use: opened.json("keys", "api", "create", "clinic", "--only", use)["token"]
        for use in ("gateway", "register")
    }
    bearer = {use: {"Authorization": f"Bearer {token}"} for use, token in only.items()}
    with serving(opened.home, *UP, "--upstream", f"{api.url}/v1", "--require-key") as where:
        calls, entries = f"{where['gateway']}/chat/completions", f"{where['url']}/statements"
        assert status(calls, ASKED, **bearer["gateway"]) == 200
        assert status(calls, ASKED, **bearer["register"]) == 403
        assert status(entries, {}, **COSE, **bearer["gateway"]) == 403
        # What is sent is no statement; that is looked at because the key is good for this.
        assert status(entries, {}, **COSE, **bearer["register"]) == 400

    assert len(api.seen) == 1


# --- the table


def test_nothing_was_counted_yet(made: Command) -> None:
    assert made("usage") == ""
    assert "nothing was counted" in made.words


def test_a_table_is_read_by_key_model_or_day(made: Command) -> None:
    counted(
        made,
        ("asserted", "m", "2026-11-26", Counts(2, 1, 7, 3, 1, 0)),
        ("asserted", "", "2026-11-27", Counts(0, 0, 0, 0, 0, 4)),
        ("feedfeedfeedfeed", "m", "2026-11-27", Counts(1, 0, 1, 0, 0, 0)),
    )

    by_key, by_day = made("usage"), made("usage", "--by", "day")
    assert [line.split()[:2] for line in by_key.splitlines()] == [
        ["key", "calls"], ["asserted", "2"], ["feedfeedfeedfeed", "1"],
    ]  # fmt: skip
    assert [line.split()[:2] for line in by_day.splitlines()[1:]] == [
        ["2026-11-26", "2"], ["2026-11-27", "1"],
    ]  # fmt: skip
    assert "(none named)" in made("usage", "--by", "model")
    [row] = lines(made, "usage", "--by", "model", "--until", "2026-11-26")
    assert row == {
        "model": "m", "calls": 2, "uncounted": 1, "prompt_tokens": 7, "completion_tokens": 3,
        "errors": 1, "refused": 0,
    }  # fmt: skip
    assert len(lines(made, "usage", "--since", "2026-11-27")) == 2


def test_a_budget_and_a_scope_are_listed_in_words(made: Command) -> None:
    key = made.json("keys", "api", "create", "clinic", "--only", "gateway", "--model", "gpt-*",
                    "--model", "small", "--calls-max", 4, "--per", "day")  # fmt: skip
    counted(made, (key["id"], "m", today(), Counts(1, 0, 5, 5)))

    line = made("keys", "api", "list")

    assert "only for `gateway`; models gpt-*, small" in line
    assert "1 of 4 calls (25 %) today" in line
    assert "1 of 4 calls (25 %) today" in made("usage")


def test_keys_are_listed_beside_a_damaged_usage_file(made: Command) -> None:
    made("keys", "api", "create", "clinic", "--calls-max", 4, "--tokens-max", 9)
    Home(made.home).usage.write_bytes(b"damaged")

    assert made("keys", "api", "list").endswith(
        "9 tokens, 4 calls ever; what is used of them is not known"
    )
    assert "usage.sqlite is damaged" in made.words
    [key] = lines(made, "keys", "api", "list")
    assert (key["budget"]["calls_max"], key["budget"]["calls_used"]) == (4, None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("keys", "api", "create", "clinic", "--per", "day"), "--per day limits nothing"),
        (("keys", "api", "create", "clinic", "--tokens-max", 0), "tokens-max"),
        (("keys", "api", "create", "clinic", "--model", ""), "pattern of models"),
        (("usage", "--since", "27.11.2026"), "since"),
        (("usage", "--since", "2026-11-27", "--until", "2026-11-26"), "lies before"),
        (("usage", "--against", "nowhere.csv"), "nowhere.csv"),
        (("usage", "--rebuild"), "no key"),
    ],
)
def test_what_cannot_be_meant_is_said(
    made: Command, arguments: tuple[object, ...], said: str
) -> None:
    made(*arguments, code=2)

    assert said in made.words


# --- the upstream's account


def test_an_account_that_does_not_agree_ends_with_one(made: Command) -> None:
    counted(
        made,
        ("asserted", "m", "2026-11-26", Counts(2, 1, 7, 3)),
        ("k", "m", "2026-11-26", Counts(1, 0, 7, 3)),
        ("k", "", "2026-11-26", Counts(2, 2, 0, 0, 2)),
        ("k", "mine", "2026-11-26", Counts(1, 0, 1, 1)),
        ("k", "m", "2026-11-27", Counts(9, 0, 9, 9)),
    )
    Path("there.csv").write_text(
        f"{HEAD}2026-11-26,m,3,15,6\n2026-11-26,theirs,1,1,1\n2026-11-25,m,1,1,1\n"
    )

    found = lines(made, "usage", "--against", "there.csv", "--since", "2026-11-26", code=1)
    words = made("usage", "--against", "there.csv", code=1)

    assert [(row["model"], row["verdict"]) for row in found] == [
        ("m", "differs"), ("mine", "only here"), ("theirs", "only there"),
    ]  # fmt: skip
    assert found[0]["here"] == {"requests": 3, "prompt_tokens": 14, "completion_tokens": 6}
    assert "differs: prompt_tokens 14 here, 15 there (-1)" in words
    assert "only there: requests 1" in words
    assert "2 calls were not compared" in made.words
    assert "1 calls were compared without tokens" in made.words
    assert "4 of 4 days and models" in made.words


def test_a_tolerance_is_in_percent(made: Command) -> None:
    counted(made, ("asserted", "m", "2026-11-26", Counts(100, 0, 995, 1000)))
    Path("there.csv").write_text(f"{HEAD}2026-11-26,m,100,1000,1000\n")

    made("usage", "--against", "there.csv", code=1)
    made("usage", "--against", "there.csv", "--tolerance", "0.4", code=1)
    assert "equal" in made("usage", "--against", "there.csv", "--tolerance", "0.5")
