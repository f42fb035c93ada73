"""How much a key may use, how much it used, and when that begins anew.

    budget = Budget(per="day", tokens_max=1_000_000)
    budget.check(spending.of(key.id, budget.per, day), now)   # None, or why not

Periods are days and months of UTC. A budget is compared before a call with what earlier calls used,
so calls that are under way at the same time may overshoot it by what they use together.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

import msgspec

from tallystick.capture.problems import Problem, budget_exhausted
from tallystick.errors import InputError

Period = Literal["day", "month", "ever"]
PERIODS: Final[tuple[Period, ...]] = ("day", "month", "ever")
BUDGET_MAX: Final = 2**53
"""Largest budget: the largest whole number that every reader of JSON keeps."""

_DAY_SECONDS: Final = 86_400
_TAG_LETTERS: Final[dict[Period, int]] = {"day": 10, "month": 7, "ever": 0}
"""So many letters of a day's name, `2026-11-27`, name its period."""


@dataclass(slots=True)
class Spent:
    """What a key used in one period.

    Attributes:
        tag: Names the period: `2026-11-27`, `2026-11`, or nothing.
        calls: Calls that were made.
        tokens: Tokens in and out, as the upstream counted them.
    """

    tag: str
    calls: int = 0
    tokens: int = 0


class Budget(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The most that a key may use in a period.

    Attributes:
        per: When it begins anew: each day or month of UTC, or never.
        tokens_max: Tokens in and out; None is no limit.
        calls_max: Calls; None is no limit.
    """

    per: Period = "ever"
    tokens_max: int | None = None
    calls_max: int | None = None

    def check(self) -> None:
        """Refuse a budget that limits nothing, or that cannot be kept.

        Raises:
            InputError: The message names the member.
        """
        if self.tokens_max is None and self.calls_max is None:
            raise InputError("a budget has tokens_max, calls_max or both; it has neither")
        for name in ("tokens_max", "calls_max"):
            most = getattr(self, name)
            if most is not None and not 0 < most <= BUDGET_MAX:
                raise InputError(f"{name} must be in 1..{BUDGET_MAX}, got {most}")

    def refusal(self, spent: Spent, now: int) -> Problem | None:
        """Return what a caller is told who has used it up, None while there is something left."""
        for unit, used, most in (
            ("tokens", spent.tokens, self.tokens_max),
            ("calls", spent.calls, self.calls_max),
        ):
            if most is not None and used >= most:
                return budget_exhausted(unit, used, most, resets_at(self.per, now), now)
        return None

    def tokens_left(self, spent: Spent) -> int | None:
        """Return the tokens that are left, None where they have no limit."""
        return None if self.tokens_max is None else max(0, self.tokens_max - spent.tokens)


class Spending:
    """What each key used in the current periods; belongs to one thread."""

    def __init__(self) -> None:
        """Begin with nothing used."""
        self._spent: dict[tuple[str, Period], Spent] = {}

    def of(self, key: str, per: Period, day: str) -> Spent:
        """Return what a key used in the period of a day.

        A clock that goes back begins no period anew: the later one goes on.
        """
        tag = tag_of(per, day)
        spent = self._spent.get((key, per))
        return Spent(tag) if spent is None or spent.tag < tag else spent

    def add(self, key: str, day: str, calls: int, tokens: int) -> None:
        """Count what a key used on a day."""
        for per in PERIODS:
            self.put(key, per, day, calls, tokens)

    def put(self, key: str, per: Period, day: str, calls: int, tokens: int) -> None:
        """Count for one kind of period only."""
        spent = self._spent[key, per] = self.of(key, per, day)
        spent.calls += calls
        spent.tokens += tokens


def tag_of(per: Period, day: str) -> str:
    """Return the name of the period that a day belongs to."""
    return day[: _TAG_LETTERS[per]]


def first_day(per: Period, day: str) -> str:
    """Return the first day of a period; of `ever`, a text before all days."""
    return day[: _TAG_LETTERS[per]] + ("-01" if per == "month" else "")


def day_of(seconds: int) -> str:
    """Return the day of UTC at a time, such as `2026-11-27`."""
    return _day(seconds // _DAY_SECONDS)


@lru_cache(maxsize=8)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * _DAY_SECONDS, UTC).strftime("%Y-%m-%d")


def resets_at(per: Period, now: int) -> int | None:
    """Return when the next period begins, in seconds since 1970; None where none does."""
    if per == "ever":
        return None
    today = datetime.fromtimestamp(now // _DAY_SECONDS * _DAY_SECONDS, UTC)
    if per == "day":
        return int((today + timedelta(days=1)).timestamp())
    return int((today.replace(day=1) + timedelta(days=32)).replace(day=1).timestamp())
