"""The runnable blocks of a page, and what the comment before each says about running it.

    <!-- test: skip needs a model -->      not run, for this reason
    <!-- test: needs PROGRAM -->           not run where there is no such program
    <!-- test: service -->                 `tally up` runs in the background from here on
    <!-- test: service --allow x=y -->     the same, with these options
    <!-- test: fails 1 -->                 the block's last command ends with this exit code
    <!-- test: fails ProofError -->        a Python block raises this

Blocks are fenced with ```console or ```python. In a console block `$ ` begins a command and `> `
continues it; the lines below are what it writes, where `…` stands for anything within a line and,
alone on a line, for any number of lines. A command without such lines may write what it likes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(
    r"(?:^<!-- test: (?P<says>.+?) -->\n\n?)?^(?P<fence>`{3,})(?P<kind>console|python)\n"
    r"(?P<body>.*?)^(?P=fence)\s*$",
    re.DOTALL | re.MULTILINE,
)
_COMMENT = re.compile(r"^<!-- test:", re.MULTILINE)
_WORDS = frozenset({"skip", "needs", "service", "fails"})


@dataclass
class Command:
    """One command of a console block, and the lines it is said to write."""

    line: int
    text: str
    expected: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Block:
    """A runnable block: where, what, and how."""

    line: int
    kind: str
    body: str
    word: str = ""
    argument: str = ""

    def commands(self) -> list[Command]:
        """Split a console block; raise ValueError where output comes before any command."""
        found: list[Command] = []
        for number, line in enumerate(self.body.splitlines(), start=self.line + 1):
            if line.startswith("$ "):
                found.append(Command(number, line[2:]))
            elif not found:
                raise ValueError(f"line {number}: output before any command: {line!r}")
            elif line.startswith("> ") and not found[-1].expected:
                found[-1].text += "\n" + line[2:]
            else:
                found[-1].expected.append(line)
        return found


def read_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page; raise ValueError for a comment that nothing obeys."""
    text = page.read_text()
    blocks = list(_blocks(text))
    obeyed = sum(bool(block.word) for block in blocks)
    if obeyed != len(_COMMENT.findall(text)):
        raise ValueError(f"{page.name}: a test comment must stand right before its block")
    return blocks


def _blocks(text: str) -> Iterator[Block]:
    for match in _BLOCK.finditer(text):
        word, _, argument = (match["says"] or "").partition(" ")
        if word and word not in _WORDS:
            raise ValueError(f"test comments begin with {sorted(_WORDS)}, got {word!r}")
        if word in {"skip", "fails"} and not argument:
            raise ValueError(f"{word!r} needs a word more")
        line = text.count("\n", 0, match.start("fence")) + 1
        yield Block(line, match["kind"], match["body"], word, argument)
