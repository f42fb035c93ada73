"""Print at the end of a test run which oracles were heard, and what they said.

A pytest plugin. Under pytest-xdist each worker hands its counts to the controller.
"""

from typing import Any, Final

import pytest

from tests.oracles import kit

_WORKER_KEY: Final = "tallystick_oracles"


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_WORKER_KEY] = [[*verdict, count] for verdict, count in kit.tally.items()]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for oracle, version, accepted, count in getattr(node, "workeroutput", {}).get(_WORKER_KEY, []):
        kit.tally[oracle, version, accepted] += count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not kit.tally:
        return
    rows = [("oracle", "version", "accepted", "rejected")]
    for oracle, version in sorted({(oracle, version) for oracle, version, _ in kit.tally}):
        yes, no = (kit.tally[oracle, version, accepted] for accepted in (True, False))
        rows.append((oracle, version, str(yes), str(no)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    terminalreporter.section("oracles")
    for oracle, version, accepted, rejected in rows:
        terminalreporter.line(
            f"{oracle:<{widths[0]}}  {version:<{widths[1]}}"
            f"  {accepted:>{widths[2]}}  {rejected:>{widths[3]}}"
        )
