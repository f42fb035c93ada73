"""All checks by name. Each is a pure function of what was seen, and each can fail.

To add one: write a function `Seen` → `Answer` in the module it belongs to, list it there in
`CHECKS` with the question it answers, and name it in the data of the articles that ask it.
"""

from collections.abc import Mapping
from typing import Final

from tallystick.lawmap.checks import calls, documents, people, safety, traces
from tallystick.lawmap.checks.check import Check

CHECKS: Final[Mapping[str, Check]] = {
    check.name: check
    for module in (calls, traces, documents, people, safety)
    for check in module.CHECKS
}

__all__ = ["CHECKS", "Check"]
