"""What laws ask for: dated files that ship with the package, one per law, read by a strict schema.

Every article names who watches over it, by when something is due, where that was read, and when.
What could not be verified says so in `doubt`. Nothing here is legal advice, and none of it replaces
the text of the law.
"""

import tomllib
from collections.abc import Iterable
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Final

import msgspec

from tallystick.errors import EncodingError, InputError

FORMAT: Final = 1
MONTHS_MAX: Final = 6
"""Data that were checked longer ago are called old in every report."""

Words = Annotated[str, msgspec.Meta(min_length=3, max_length=600)]
Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]


class Deadline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By when something is due.

    Attributes:
        case: What of.
        within: How long after, or how long it must be kept, such as `15 days`.
    """

    case: Words
    within: Annotated[
        str,
        msgspec.Meta(
            pattern="^(at least )?[0-9]+ (hours|days|month|months|years)$|^as soon as possible$"
        ),
    ]


class Article(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One article of a law.

    Attributes:
        article: Its number, as the law writes it.
        title: What it is about.
        duty: What it asks for, in one plain sentence.
        who: Whom it binds.
        in_force: From when it applies.
        authority: Who watches over it.
        deadlines: By when something is due; none where the article names none.
        sources: Where that was read.
        checked: When that was; the law's own date by default.
        doubt: What could not be verified; empty where all was.
        checks: Names of the checks that say what is done here.
    """

    article: Words
    title: Words
    duty: Words
    who: Words
    in_force: date
    authority: Words
    sources: Annotated[tuple[Words, ...], msgspec.Meta(min_length=1)]
    checks: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]
    deadlines: tuple[Deadline, ...] = ()
    checked: date | None = None
    doubt: str = ""


class Law(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One law, with the articles that matter here.

    Attributes:
        format: Version of the file's form.
        id: Its name in commands and links.
        jurisdiction: Whose law it is: `EU`, `GB`, `CH`, `US-CO`.
        name: Its name.
        checked: When its articles were last compared with their sources.
        note: What a reader must know of all of it.
        articles: In the order of the law.
    """

    format: Annotated[int, msgspec.Meta(ge=FORMAT, le=FORMAT)]
    id: Name
    jurisdiction: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}(-[A-Z]{2})?$")]
    name: Words
    checked: date
    note: Words
    articles: Annotated[tuple[Article, ...], msgspec.Meta(min_length=1)]

    def checked_on(self, article: Article) -> date:
        """Return when an article was last compared with its sources."""
        return article.checked or self.checked


@cache
def _all_laws() -> tuple[Law, ...]:
    folder = files("tallystick.lawmap") / "data"
    names = [one.name for one in folder.iterdir() if one.name.endswith(".toml")]
    found = [parse_law((folder / name).read_text("utf-8"), name) for name in names]
    return tuple(sorted(found, key=lambda law: (law.jurisdiction != "EU", law.id)))


def parse_law(text: str, name: str) -> Law:
    """Read one file of the map.

    Raises:
        EncodingError: It is not of the form that is asked for; the message says where.
    """
    try:
        return msgspec.convert(tomllib.loads(text), Law)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise EncodingError(f"{name} is no law of the map: {error}") from error


def jurisdictions() -> list[str]:
    """Return whose laws are on the map."""
    return sorted({law.jurisdiction for law in _all_laws()})


def laws(wanted: Iterable[str] = ()) -> tuple[Law, ...]:
    """Return the laws of some jurisdictions, or of all.

    Raises:
        InputError: There is none of one of them.
    """
    asked = list(dict.fromkeys(wanted))
    if unknown := sorted(set(asked) - set(jurisdictions())):
        raise InputError(
            f"the law map knows nothing of {', '.join(unknown)!s:.80}",
            advice=f"it knows {', '.join(jurisdictions())}",
        )
    return tuple(law for law in _all_laws() if not asked or law.jurisdiction in asked)


def months_between(earlier: date, later: date) -> int:
    """Return how many whole months lie between two dates."""
    months = (later.year - earlier.year) * 12 + later.month - earlier.month
    return max(0, months - (later.day < earlier.day))
