"""Budgets and scopes by themselves: periods, limits, and names that could be read in two ways."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tallystick.capture.budgets import BUDGET_MAX, Budget, Period, Spending, Spent, resets_at
from tallystick.capture.request import MODEL_LETTERS_MAX, PARAMETER_BYTES_MAX, parse_request
from tallystick.capture.roles import Grant, Role
from tallystick.capture.scope import (
    MODELS_MAX,
    PATTERN_LETTERS_MAX,
    check_patterns,
    names_model_twice,
    out_of_scope,
)
from tallystick.errors import InputError


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("per", "now", "resets"),
    [
        ("day", at(2026, 11, 27, 23, 59, 59), at(2026, 11, 28)),
        ("day", at(2026, 11, 28), at(2026, 11, 29)),
        ("day", at(2026, 12, 31, 12), at(2027, 1, 1)),
        ("month", at(2026, 1, 31, 23, 59, 59), at(2026, 2, 1)),
        ("month", at(2026, 2, 1), at(2026, 3, 1)),
        ("month", at(2026, 12, 1), at(2027, 1, 1)),
        ("month", at(2028, 2, 29), at(2028, 3, 1)),
        ("ever", at(2026, 11, 27), None),
    ],
)
def test_a_period_ends_at_midnight_utc(per: Period, now: int, resets: int | None) -> None:
    assert resets_at(per, now) == resets


@pytest.mark.parametrize(("per", "used"), [("day", (1, 10)), ("month", (3, 30)), ("ever", (7, 70))])
def test_each_period_counts_its_own_days(per: Period, used: tuple[int, int]) -> None:
    spending = Spending()
    for day, calls in (("2025-12-31", 4), ("2026-11-01", 2), ("2026-11-27", 1)):
        spending.add("a", day, calls, 10 * calls)
    spending.add("b", "2026-11-27", 5, 50)

    spent = spending.of("a", per, "2026-11-27")

    assert (spent.calls, spent.tokens) == used


def test_a_clock_that_goes_back_gives_nothing_back() -> None:
    spending = Spending()
    spending.add("a", "2026-11-28", 1, 10)
    spending.add("a", "2026-11-27", 1, 10)

    assert spending.of("a", "day", "2026-11-27").calls == 2
    assert spending.of("a", "day", "2026-11-29").calls == 0


@pytest.mark.parametrize(
    ("spent", "said"),
    [((9, 99), None), ((9, 100), "100 of 100 tokens"), ((10, 99), "10 of 10 calls"),
     ((0, 200), "200 of 100 tokens")],
)  # fmt: skip
def test_a_budget_is_used_up_when_nothing_is_left(spent: tuple[int, int], said: str | None) -> None:
    budget = Budget(per="day", tokens_max=100, calls_max=10)

    problem = budget.refusal(Spent("", *spent), at(2026, 11, 27, 23, 59, 0))

    assert (problem is None) == (said is None)
    if problem is not None and said is not None:
        assert said in problem.message
        assert "2026-11-28 00:00 UTC" in problem.message
        assert (problem.status, problem.code, problem.retry_after_s) == (
            429, "budget_exhausted", 60,
        )  # fmt: skip


def test_a_budget_for_ever_names_no_time() -> None:
    problem = Budget(calls_max=1).refusal(Spent("", 1), at(2026, 11, 27))

    assert problem is not None
    assert problem.retry_after_s is None
    assert "does not reset" in problem.message
    assert (b"x-should-retry", b"false") in problem.headers()


@pytest.mark.parametrize(
    ("members", "fits"),
    [({}, False), ({"calls_max": 0}, False), ({"tokens_max": -1}, False),
     ({"tokens_max": BUDGET_MAX + 1}, False), ({"tokens_max": BUDGET_MAX}, True)],
)  # fmt: skip
def test_a_budget_that_limits_nothing_is_none(members: dict[str, Any], *, fits: bool) -> None:
    if fits:
        Budget(**members).check()
        return
    with pytest.raises(InputError, match="max"):
        Budget(**members).check()


def code(patterns: tuple[str, ...], body: bytes, only: Any = None) -> str | None:
    problem = out_of_scope(patterns, Grant(Role.ORIGINATOR, only), parse_request(body))
    return None if problem is None else problem.code


@pytest.mark.parametrize(
    ("model", "allowed"),
    [("gpt-4o", True), ("gpt-", True), ("small-lm", True), ("small-lm2", False), ("GPT-4o", False),
     ("", False), ("x\ngpt-4o", False), (7, False), (None, False), (["gpt-4o"], False)],
)  # fmt: skip
def test_a_key_is_for_the_models_of_its_patterns(model: object, *, allowed: bool) -> None:
    body = json.dumps({"model": model, "messages": []}).encode()

    assert code(("gpt-*", "small-lm"), body) == (None if allowed else "model_not_allowed")
    assert code((), body) is None


def test_a_request_without_a_model_asks_for_none_that_is_allowed() -> None:
    assert code(("gpt-*",), b"{}") == "model_not_allowed"


def test_the_end_of_a_long_name_counts_although_it_is_not_recorded() -> None:
    name = "a-mini".rjust(MODEL_LETTERS_MAX, "x") + "-large"

    assert code(("*-mini",), json.dumps({"model": name}).encode()) == "model_not_allowed"


def test_a_scope_holds_for_large_parameters_too() -> None:
    body = json.dumps({"model": "small", "tools": ["x" * PARAMETER_BYTES_MAX]}).encode()

    assert code(("small",), body) is None
    assert code(("large",), body) == "model_not_allowed"


@pytest.mark.parametrize(
    ("body", "twice"),
    [
        (b'{"model":"a","model":"b"}', True),
        (b'{"mod\\u0065l":"a","model":"b"}', True),
        (b'{"\\u006D\\u006fdel":"a","model":"b"}', True),
        (b'{"model":"a","tools":[{"model":"b"}]}', False),
        (b'{"tools":[{"model":"b","model":"c"}],"model":"a"}', False),
        (b'{"model":"model"}', False),
        (b'{"model":"\\u006dodel"}', False),
        (b'{"messages":[{"content":"n\\u00e9"}],"model":"a"}', False),
        (b'{"model":"a","x":"model","y":' + b"[" * 100_000 + b"]" * 100_000 + b"}", True),
    ],
)
def test_a_model_that_is_named_twice_is_noticed_in_any_spelling(
    body: bytes, *, twice: bool
) -> None:
    assert names_model_twice(body) == twice


def test_a_key_with_models_is_not_for_a_request_that_names_two() -> None:
    body = b'{"model":"large","model":"small"}'

    assert code(("small",), body) == "model_not_allowed"
    assert code((), body) is None


def test_a_key_for_writing_calls_no_model() -> None:
    assert code((), b'{"model":"a"}', "register") == "key_not_for_this"
    assert code((), b'{"model":"a"}', "gateway") is None


@pytest.mark.parametrize(
    ("patterns", "fit"),
    [(["a"] * MODELS_MAX, True), (["a"] * (MODELS_MAX + 1), False), (["x" * 256], True),
     (["x" * (PATTERN_LETTERS_MAX + 1)], False), ([""], False), (["a\nb"], False)],
)  # fmt: skip
def test_patterns_have_limits(patterns: list[str], *, fit: bool) -> None:
    if fit:
        check_patterns(patterns)
        return
    with pytest.raises(InputError, match="pattern"):
        check_patterns(patterns)
