"""One thing that was looked at: how it is, what was seen, what was expected, what mends it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from tallystick.cli.printing import short
from tallystick.errors import TallystickError

NAME_LETTERS: Final = 16
"""Width of the column of names."""


class State(StrEnum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was looked at.
        state: How it is.
        seen: What was seen.
        expected: What should have been seen; empty where it was.
        mend: Command or step that mends it; empty where nothing needs to be.
    """

    name: str
    state: State
    seen: str
    expected: str = ""
    mend: str = ""

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    def text(self) -> str:
        """Return it for a person: a line, and where it is not ok, one or two more."""
        import click

        colour = {State.OK: "green", State.WARNING: "yellow", State.PROBLEM: "red"}[self.state]
        mark = click.style(f"{self.state:<8}", fg=colour)
        lines = [f"{mark} {self.name:<{NAME_LETTERS}} {short(self.seen)}"]
        indent = " " * (NAME_LETTERS + 10)
        lines += [f"{indent}expected {short(self.expected)}"] if self.expected else []
        lines += [f"{indent}→ {short(self.mend)}"] if self.mend else []
        return "\n".join(lines)


def ok(name: str, seen: str) -> Finding:
    """Return a finding that nothing is wrong."""
    return Finding(name, State.OK, seen)


def warning(name: str, seen: str, expected: str = "", mend: str = "") -> Finding:
    """Return a finding that will matter later, or could not be looked at."""
    return Finding(name, State.WARNING, seen, expected, mend)


def problem(name: str, seen: str, expected: str = "", mend: str = "") -> Finding:
    """Return a finding that something does not work."""
    return Finding(name, State.PROBLEM, seen, expected, mend)


Check = Callable[[], Iterable[Finding]]


def findings(checks: Sequence[tuple[str, Check]]) -> Iterator[Finding]:
    """Run checks in order; one that breaks off becomes a finding of its name.

    Args:
        checks: Name and function of each.
    """
    for name, check in checks:
        try:
            yield from check()
        except TallystickError as error:
            yield problem(name, str(error), mend=error.advice or "")
        except Exception as error:  # noqa: BLE001 - whoever asks what is wrong gets an answer
            yield problem(name, f"could not be looked at: {type(error).__name__}: {error}")


def worst(found: Iterable[Finding]) -> State:
    """Return the worst state of several findings."""
    states = {one.state for one in found}
    return next((s for s in (State.PROBLEM, State.WARNING) if s in states), State.OK)
