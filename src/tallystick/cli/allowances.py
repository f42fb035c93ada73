"""What a key may ask for and what is left of its budget, in words and as data."""

from typing import TYPE_CHECKING, Any

from tallystick.cli.printing import readable
from tallystick.cli.session import Session
from tallystick.errors import DamagedError, UnavailableError, VersionError

if TYPE_CHECKING:
    from tallystick.capture import ApiKey
    from tallystick.capture.budgets import Budget, Spending, Spent

_PERIODS = {"day": "today", "month": "this month", "ever": "ever"}


def scope_words(key: "ApiKey") -> str:
    """Return what a key is good for: its role, and what narrows that."""
    words = [str(key.role)]
    words += [f"only for `{key.only}`"] if key.only else []
    words += [f"models {', '.join(map(readable, key.models))}"] if key.models else []
    return "; ".join(words)


def known_spending(session: Session, day: str) -> "Spending | None":
    """Return what every key used; None, and a word about it, where nobody knows."""
    from tallystick.capture.usage_file import read_spending

    try:
        return read_spending(session.home.usage, day)
    except (DamagedError, VersionError, UnavailableError) as error:
        session.say(f"what is used of budgets is not known: {error}")
        return None


def budget_words(key: "ApiKey", spending: "Spending | None", day: str) -> str:
    """Return what is used of a budget; nothing where a key has none."""
    from tallystick.capture.budgets import Spent

    if key.budget is None:
        return ""
    if spending is None:
        most = ", ".join(f"{most} {unit}" for unit, _, most in _limits(key.budget, Spent("")))
        return f"{most} {_PERIODS[key.budget.per]}; what is used of them is not known"
    shares = [
        f"{used} of {most} {unit} ({100 * used // most} %)"
        for unit, used, most in _limits(key.budget, spending.of(key.id, key.budget.per, day))
    ]
    return f"{', '.join(shares)} {_PERIODS[key.budget.per]}"


def budget_data(key: "ApiKey", spending: "Spending | None", day: str) -> dict[str, Any] | None:
    """Return a budget with what is used of it; None where a key has none."""
    if key.budget is None:
        return None
    spent = None if spending is None else spending.of(key.id, key.budget.per, day)
    return {
        "per": key.budget.per,
        "tokens_max": key.budget.tokens_max,
        "tokens_used": spent and spent.tokens,
        "calls_max": key.budget.calls_max,
        "calls_used": spent and spent.calls,
    }


def _limits(budget: "Budget", spent: "Spent") -> list[tuple[str, int, int]]:
    pairs = (
        ("tokens", spent.tokens, budget.tokens_max),
        ("calls", spent.calls, budget.calls_max),
    )
    return [(unit, used, most) for unit, used, most in pairs if most is not None]
