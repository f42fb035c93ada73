"""The law map: which duties a law names, and what a running ledger does about each, with evidence.

    from tallystick.lawmap import laws, make_report
    report = make_report(laws(["EU"]), seen)

`laws` reads dated data that ship with the package; `Seen` is what was looked at on one ledger; each
check is a small function from it to an answer. Nothing here says whether a law is met: a check says
what this installation does, what it does not, and what cannot be seen from here.
"""

from tallystick.lawmap.answer import Answer, Evidence, Verdict
from tallystick.lawmap.articles import Article, Deadline, Law, jurisdictions, laws
from tallystick.lawmap.checks import CHECKS, Check
from tallystick.lawmap.impact import draft_assessment
from tallystick.lawmap.page import as_page
from tallystick.lawmap.report import Answered, Report, make_report
from tallystick.lawmap.seen import Configured, Kind, Place, Seen, Stored, Upstream
from tallystick.lawmap.text import as_markdown
from tallystick.lawmap.walk import Walk

__all__ = [
    "CHECKS",
    "Answer",
    "Answered",
    "Article",
    "Check",
    "Configured",
    "Deadline",
    "Evidence",
    "Kind",
    "Law",
    "Place",
    "Report",
    "Seen",
    "Stored",
    "Upstream",
    "Verdict",
    "Walk",
    "as_markdown",
    "as_page",
    "draft_assessment",
    "jurisdictions",
    "laws",
    "make_report",
]
