"""Checks of documents that a law asks for: there is one under that name, and its text is kept."""

from collections.abc import Callable
from typing import Final

from tallystick.lawmap.answer import Answer, Evidence, does, does_not
from tallystick.lawmap.checks.check import Check
from tallystick.lawmap.papers import PAPERS
from tallystick.lawmap.seen import Seen, day


def _paper(name: str) -> Callable[[Seen], Answer]:
    """Return a check that a document of that name is registered."""

    def registered(seen: Seen) -> Answer:
        found = seen.documents.get(name)
        if found is None:
            return does_not(f"no document {name} is registered", Evidence(f"documents {name}", "0"))
        when = f", the newest of {day(found.last_at)}" if found.last_at is not None else ""
        return does(
            f"{found.number} registered{when}; what stands in it is not judged here",
            found.evidence(f"documents {name}"),
        )

    return registered


CHECKS: Final = tuple(
    Check(f"paper-{name}", f"There is {what}, registered", _paper(name),
          f"register it: `tally register --type document --subject {name} …`")
    for name, what in PAPERS.items()
)  # fmt: skip
