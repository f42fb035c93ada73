"""House rules that no linter knows. Prints each offence and exits 1 if there is any.

- functions and files have a largest size, and no file is called utils, helpers, common, manager
- the field's words are used, and no synonyms
- the project speaks of itself alone: no absolute path of a machine
- an unfinished thing names its issue
- every page of the documentation has one title
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 40
BANNED_NAMES = {"utils", "helpers", "common", "manager", "misc"}

# What stands in code and docs, and what the field calls it.
SYNONYMS = {
    r"\bmerkle path\b": "inclusion proof",
    r"\btree head\b": "checkpoint",
    r"\bblock height\b": "size",
    r"\bnotary\b": "transparency service",
}
PRIVATE_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp/sp)/\w")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))")
THIS = Path(__file__).relative_to(ROOT)


def tracked() -> list[Path]:
    """Return the files of the project."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [Path(name) for name in names.stdout.splitlines() if (ROOT / name).is_file()]


def sizes(path: Path, text: str) -> Iterator[str]:
    """Find files and functions that are too long."""
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{path}: {lines} lines, at most {FILE_LINES_MAX}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = _body_lines(node)
            if length > FUNCTION_LINES_MAX:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines of body"


def words(path: Path, text: str) -> Iterator[str]:
    """Find synonyms, private paths and unfinished things."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, better in SYNONYMS.items():
            if re.search(pattern, line, re.IGNORECASE):
                yield f"{path}:{number}: say {better!r}: {line.strip()[:60]}"
        if PRIVATE_PATH.search(line):
            yield f"{path}:{number}: path of a machine: {line.strip()[:60]}"
        if UNFINISHED.search(line):
            yield f"{path}:{number}: unfinished, without an issue: {line.strip()[:60]}"


def titles(path: Path, text: str) -> Iterator[str]:
    """Find pages without exactly one title."""
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    found = len(re.findall(r"^# ", outside, flags=re.MULTILINE))
    if found != 1:
        yield f"{path}: {found} titles, expected one"


def offences() -> Iterator[str]:
    """Find all offences."""
    for path in tracked():
        if path.stem in BANNED_NAMES:
            yield f"{path}: says nothing about what is in it"
        if path.suffix not in {".py", ".md", ".toml", ".sh", ".yml"} or path == THIS:
            continue
        text = (ROOT / path).read_text()
        yield from words(path, text)
        if path.suffix == ".py":
            yield from sizes(path, text)
        if path.parts[0] == "docs" and path.suffix == ".md":
            yield from titles(path, text)


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its docstring and signature."""
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return (node.end_lineno or 0) - first.lineno + 1


def main() -> int:
    """Print all offences."""
    found = list(offences())
    for offence in found:
        print(offence)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
