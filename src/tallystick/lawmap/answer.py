"""What a check answers: does, does not, does not apply, cannot be seen; always with evidence."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What was found. None of them says that a law is met."""

    DOES = "does"
    DOES_NOT = "does not"
    NOT_APPLICABLE = "does not apply here"
    UNSEEN = "cannot be seen here"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an answer rests on, so that a reader can look for themselves.

    Attributes:
        what: A setting, a type of statement, a file.
        value: What it is; of statements, their index and the beginning of their id.
    """

    what: str
    value: str

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"what": self.what, "value": self.value}

    def text(self) -> str:
        """Return it for a person."""
        return f"{self.what}: {self.value}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one check found.

    Attributes:
        verdict: In one of four words.
        seen: What was seen, in a sentence.
        evidence: What it rests on.
    """

    verdict: Verdict
    seen: str
    evidence: tuple[Evidence, ...] = ()


def does(seen: str, *evidence: Evidence) -> Answer:
    """Say that it is done here."""
    return Answer(Verdict.DOES, seen, evidence)


def does_not(seen: str, *evidence: Evidence) -> Answer:
    """Say that it is not done here."""
    return Answer(Verdict.DOES_NOT, seen, evidence)


def not_applicable(seen: str, *evidence: Evidence) -> Answer:
    """Say that there is nothing here that it could be asked of."""
    return Answer(Verdict.NOT_APPLICABLE, seen, evidence)


def unseen(seen: str, *evidence: Evidence) -> Answer:
    """Say that it may be done, and cannot be seen from here."""
    return Answer(Verdict.UNSEEN, seen, evidence)


def either(yes: object, when: str, when_not: str, *evidence: Evidence) -> Answer:
    """Say that it is done, or that it is not."""
    return does(when, *evidence) if yes else does_not(when_not, *evidence)


def setting(name: str, value: object) -> Evidence:
    """Name a setting and its value."""
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return Evidence(f"setting {name}", shown)


def listed(words: Iterable[str], most: int = 5) -> str:
    """Return some words in a row, and how many more there are."""
    every = list(words)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
