"""README and guides run: every command ends as they say and writes what they show."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.runner import Page

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted(
    [ROOT / "README.md", ROOT / "docs" / "index.md"]
    + [p for folder in ("guides", "start") for p in (ROOT / "docs" / folder).rglob("*.md")]
)


@contextmanager
def _in(page: Page) -> Iterator[None]:
    """Let Python blocks see the folder and environment that the shell sees."""
    here, before = Path.cwd(), dict(os.environ)
    os.environ.update(page.environment)
    os.chdir(page.folder)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page_does_what_it_says(path: Path, tmp_path: Path) -> None:
    with Page(path, tmp_path) as page, _in(page):
        left_out = page.run()

    for reason in left_out:
        print(f"{path.name}, not run, {reason}")  # noqa: T201 - shown with -rP
