"""A report: for each article what is done here, with evidence, and what is not.

It adds nothing up: there is no score, and no word that a law is met. What the data do not know, and
how old they are, stands in it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from tallystick.lawmap.answer import Answer, Verdict
from tallystick.lawmap.articles import MONTHS_MAX, Article, Law, months_between
from tallystick.lawmap.checks import CHECKS, Check
from tallystick.lawmap.seen import Seen

TITLE: Final = "What this ledger does about each article, and what it does not"
CAUTION: Final = (
    "This report compares what a ledger holds and how it is set up with what laws ask for. It is "
    "no legal advice and no finding that a law is met: whether a law applies, and whether what is "
    "done is enough, a person must judge. What happened beside the ledger cannot be seen here."
)
REPORT_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Answered:
    """One article, and what the checks that it asks for found.

    Attributes:
        article: The article.
        months: Age of its data.
        applies: Its date has come.
        answers: Each check with its answer, in the order of the data.
    """

    article: Article
    months: int
    applies: bool
    answers: tuple[tuple[Check, Answer], ...]

    def counts(self) -> dict[Verdict, int]:
        """Return how often each verdict was found."""
        found = [answer.verdict for _, answer in self.answers]
        return {verdict: found.count(verdict) for verdict in Verdict if verdict in found}

    def in_words(self) -> str:
        """Return those counts in words."""
        return ", ".join(f"{verdict}: {number}" for verdict, number in self.counts().items())


@dataclass(frozen=True, slots=True)
class Report:
    """What was found of one ledger at one time.

    Attributes:
        seen: What was looked at.
        laws: Each law with its articles.
    """

    seen: Seen
    laws: tuple[tuple[Law, tuple[Answered, ...]], ...]

    @property
    def when(self) -> str:
        """When it was made."""
        return f"{datetime.fromtimestamp(self.seen.at, UTC):%Y-%m-%d %H:%M} UTC"

    def warnings(self) -> Iterator[str]:
        """Yield what a reader must know of the data themselves."""
        for law, articles in self.laws:
            oldest = max(one.months for one in articles)
            if oldest > MONTHS_MAX:
                yield (
                    f"{law.name}: data are {oldest} months old, compared with their sources before "
                    f"{law.checked}; laws change"
                )

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        seen = self.seen
        return {
            "format": REPORT_FORMAT,
            "title": TITLE,
            "caution": CAUTION,
            "made_at": seen.at,
            "ledger": {"origin": seen.origin, "size": seen.size, "root": seen.root},
            "warnings": list(self.warnings()),
            "laws": [_law_data(law, articles) for law, articles in self.laws],
        }


def make_report(laws: Iterable[Law], seen: Seen) -> Report:
    """Run every check that the articles ask for; each runs once.

    Args:
        laws: From `tallystick.lawmap.laws`.
        seen: What was looked at.

    Raises:
        KeyError: The data name a check that there is none of; a test sees to that.
    """
    answers = {name: check.answer(seen) for name, check in CHECKS.items()}
    today = datetime.fromtimestamp(seen.at, UTC).date()
    return Report(
        seen,
        tuple(
            (law, tuple(_answered(law, one, answers, today) for one in law.articles))
            for law in laws
        ),
    )


def _answered(law: Law, article: Article, answers: dict[str, Answer], today: date) -> Answered:
    return Answered(
        article,
        months_between(law.checked_on(article), today),
        article.in_force <= today,
        tuple((CHECKS[name], answers[name]) for name in article.checks),
    )


def _law_data(law: Law, articles: tuple[Answered, ...]) -> dict[str, Any]:
    return {
        "id": law.id,
        "jurisdiction": law.jurisdiction,
        "name": law.name,
        "checked": law.checked.isoformat(),
        "note": law.note,
        "articles": [_article_data(one) for one in articles],
    }


def _article_data(one: Answered) -> dict[str, Any]:
    return article_data(one.article) | {
        "applies": one.applies,
        "months_old": one.months,
        "answers": [
            {
                "check": check.name,
                "question": check.question,
                "verdict": str(answer.verdict),
                "seen": answer.seen,
                "evidence": [evidence.data() for evidence in answer.evidence],
                "step": check.step if answer.verdict is Verdict.DOES_NOT else None,
            }
            for check, answer in one.answers
        ],
    }


def article_data(article: Article) -> dict[str, Any]:
    """Return an article for JSON."""
    return {
        "article": article.article,
        "title": article.title,
        "duty": article.duty,
        "who": article.who,
        "in_force": article.in_force.isoformat(),
        "authority": article.authority,
        "deadlines": [{"case": one.case, "within": one.within} for one in article.deadlines],
        "sources": list(article.sources),
        "doubt": article.doubt or None,
    }
