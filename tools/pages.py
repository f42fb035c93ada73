"""Check the pages: every page is in the navigation, every relative link and anchor resolves.

    python tools/pages.py   prints each offence and exits 1 if there is any

Links of the repository's other Markdown files are checked, too.
"""

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
NOT_OURS: Final = frozenset({".venv", ".oracles", "node_modules", "site", "dist"})

_FENCE: Final = re.compile(r"^( *)(`{3,}).*?^\1\2`*\s*$", re.DOTALL | re.MULTILINE)
_CODE: Final = re.compile(r"`[^`\n]*`")
_LINK: Final = re.compile(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:|//")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def pages(root: Path = ROOT) -> list[Path]:
    """Return all Markdown files of the project."""
    found = (p for p in root.rglob("*.md") if not NOT_OURS & set(p.relative_to(root).parts))
    return sorted(p for p in found if not any(part.startswith(".") for part in p.parts[-2:]))


def broken_links(page: Path, root: Path = ROOT) -> Iterator[str]:
    """Find relative links of a page that lead nowhere, and out of the site for a page of it."""
    text = _CODE.sub("", _FENCE.sub("", page.read_text()))
    for target in _LINK.findall(text):
        if _SCHEME.match(target):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        if not found.exists():
            yield f"{page.relative_to(root)}: {target} does not exist"
        elif root / "docs" in page.parents and root / "docs" not in found.parents:
            yield f"{page.relative_to(root)}: {target} is not part of the site"
        elif anchor and found.suffix == ".md" and anchor not in anchors(found):
            yield f"{page.relative_to(root)}: {name or 'this page'} has no heading #{anchor}"


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    slugs: list[str] = []
    for heading in headings:
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\s-]", "", plain).strip().lower()
        slug = re.sub(r"[-\s]+", "-", slug)
        slugs.append(f"{slug}_{slugs.count(slug)}" if slug in slugs else slug)
    return frozenset(slugs)


def navigation(root: Path = ROOT) -> list[str]:
    """Return the pages that `mkdocs.yml` has in its navigation, below `docs/`."""
    _, _, nav = (root / "mkdocs.yml").read_text().partition("\nnav:\n")
    return re.findall(r"^ +- (?:.*: )?(\S+\.md)$", nav, flags=re.MULTILINE)


def navigation_faults(root: Path = ROOT) -> Iterator[str]:
    """Find pages that are not in the navigation, twice in it, or missing."""
    listed = navigation(root)
    there = {str(p.relative_to(root / "docs")) for p in (root / "docs").rglob("*.md")}
    yield from (f"mkdocs.yml: add {name} to nav" for name in sorted(there - set(listed)))
    yield from (f"mkdocs.yml: {name} does not exist" for name in sorted(set(listed) - there))
    yield from (f"mkdocs.yml: {n} stands twice" for n in sorted(set(listed)) if listed.count(n) > 1)


def main() -> int:
    """Print all offences."""
    found = [*navigation_faults(), *(fault for page in pages() for fault in broken_links(page))]
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
