"""What a key may ask for and what is left of its budget, in words and as data."""

from typing import TYPE_CHECKING, Any

from tallystick.cli.printing import readable

if TYPE_CHECKING:
    from tallystick.capture import ApiKey
    from tallystick.capture.budgets import Budget, Spending, Spent

_PERIODS = {"day": "today", "month": "this month", "ever": "ever"}


def scope_words(key: "ApiKey") -> str:
    """Return what a key is good for; nothing where it is good for everything."""
    words = [f"only for `{key.only}`"] if key.only else []
    words += [f"models {', '.join(map(readable, key.models))}"] if key.models else []
    return "; ".join(words)


def budget_words(key: "ApiKey", spending: "Spending", day: str) -> str:
    """Return what is used of a budget; nothing where a key has none."""
    if key.budget is None:
        return ""
    shares = [
        f"{used} of {most} {unit} ({100 * used // most} %)"
        for unit, used, most in _limits(key.budget, spending.of(key.id, key.budget.per, day))
    ]
    return f"{', '.join(shares)} {_PERIODS[key.budget.per]}"


def budget_data(key: "ApiKey", spending: "Spending", day: str) -> dict[str, Any] | None:
    """Return a budget with what is used of it; None where a key has none."""
    if key.budget is None:
        return None
    spent = spending.of(key.id, key.budget.per, day)
    return {
        "per": key.budget.per,
        "tokens_max": key.budget.tokens_max,
        "tokens_used": spent.tokens,
        "calls_max": key.budget.calls_max,
        "calls_used": spent.calls,
    }


def _limits(budget: "Budget", spent: "Spent") -> list[tuple[str, int, int]]:
    pairs = (
        ("tokens", spent.tokens, budget.tokens_max),
        ("calls", spent.calls, budget.calls_max),
    )
    return [(unit, used, most) for unit, used, most in pairs if most is not None]
