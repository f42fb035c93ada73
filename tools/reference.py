"""Write the pages of the reference that reality dictates.

    python tools/reference.py          writes docs/reference/
    python tools/reference.py --check  exits 1 if any file would change

Each page is made from what it describes: commands, error classes, settings, records, routes. Nobody
edits them; `docs/reference/formats.md` is the one page here that is written by hand.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "docs" / "reference"
WRITTEN_BY_HAND: Final = frozenset({"formats.md"})

sys.path.insert(0, str(ROOT))  # so that this runs as a file, without being installed


def files() -> dict[str, str]:
    """Return the content of every generated file by its path below `docs/reference`."""
    from tools.reference_api import api_page
    from tools.reference_cli import cli_page
    from tools.reference_errors import errors_page
    from tools.reference_http import http_page, openapi_document
    from tools.reference_settings import settings_page
    from tools.reference_statements import schema_files, statements_page

    return {
        "api.md": api_page(),
        "cli.md": cli_page(),
        "errors.md": errors_page(),
        "http.md": http_page(),
        "openapi.json": openapi_document(),
        "settings.md": settings_page(),
        "statements.md": statements_page(),
        **schema_files(),
    }


def differences(made: dict[str, str], folder: Path = FOLDER) -> Iterator[str]:
    """Find files that are missing, differ, or that nothing makes any more."""
    for name, content in made.items():
        path = folder / name
        if not path.exists():
            yield f"{name} is missing"
        elif path.read_text() != content:
            yield f"{name} differs"
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    for name in sorted(there - made.keys() - WRITTEN_BY_HAND):
        yield f"{name} is made by nothing"


def write(made: dict[str, str], folder: Path = FOLDER) -> None:
    """Write all files and remove those that nothing makes any more."""
    for name, content in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_file() and name not in made and name not in WRITTEN_BY_HAND:
            path.unlink()


def main() -> int:
    """Write, or check."""
    made = files()
    if "--check" not in sys.argv[1:]:
        write(made)
        return 0
    found = list(differences(made))
    for difference in found:
        print(f"docs/reference/{difference}: run `python tools/reference.py`")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
