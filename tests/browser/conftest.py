"""A real browser with a virtual authenticator, before a real service.

Where Chromium or playwright is missing, these tests are skipped and say so; with
TALLYSTICK_BROWSER=required that is a failure. `make browser` installs what can be installed.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

CHROMIUM = os.environ.get("TALLYSTICK_CHROMIUM") or shutil.which("chromium")
REQUIRED = os.environ.get("TALLYSTICK_BROWSER") == "required"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(180))


def _missing(what: str) -> NoReturn:
    words = f"{what} is not here; `make browser` installs it"
    if REQUIRED:
        pytest.fail(words)
    pytest.skip(words)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium with a fresh user's folder, for all tests."""
    if CHROMIUM is None:
        _missing("Chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        _missing("playwright")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder, executable_path=CHROMIUM, headless=True, args=FLAGS
        )
        yield context
        context.close()
