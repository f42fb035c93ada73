"""The text that the small model learns from: shipped with Python, and with this project.

Docstrings of the standard library and the language reference that `help()` shows (PSF licence), and
this project's own pages (Apache-2.0). Everything is sorted and without doubles, so that one Python
version and one commit give one text. A document stands wholly in one part, learned from or held
out, with all questions that are made of it.
"""

import ast
import inspect
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from pydoc_data.topics import topics
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LEFT_OUT: Final = frozenset(
    {"test", "tests", "site-packages", "dist-packages", "idlelib", "lib2to3", "turtledemo",
     "ensurepip", "pydoc_data"}
)  # fmt: skip
"""Folders of the standard library that are no library, or not Python's own."""
HELD_OUT: Final = 13
"""Of 256 documents, how many are held out, on average."""
ANSWER_LETTERS_MAX: Final = 400
ANSWER_LETTERS_MIN: Final = 20
PSF: Final = "PSF-2.0"
APACHE: Final = "Apache-2.0"
ASKED: Final = ("What is {}?", "Explain {}.", "Tell me about {}.", "{}", "What does {} do?")
RULE: Final = "You are a small model. Answer in a sentence or two."
"""What stands before every fourth conversation, so that the mark for it is learned."""


@dataclass(frozen=True)
class Document:
    """One text, and what it is called where it answers a question.

    Attributes:
        source: Which part of the text it belongs to.
        name: What a question asks for.
        text: The whole of it.
    """

    source: str
    name: str
    text: str

    @property
    def held_out(self) -> bool:
        """Whether it is only tested on: decided by its text alone."""
        return sha256(self.text.encode()).digest()[0] < HELD_OUT

    def conversation(self) -> tuple[str | None, str, str] | None:
        """Return rule, question and answer made of it, None where it begins with no sentence."""
        first = re.sub(r"\s+", " ", self.text.split("\n\n")[0]).strip()
        if not ANSWER_LETTERS_MIN <= len(first) <= ANSWER_LETTERS_MAX or not first[0].isalpha():
            return None
        asked = ASKED if self.source == "docstrings" else ASKED[:-1]  # a page does nothing
        if self.source == "pages" and not first.endswith("."):
            return None
        chance = sha256(self.name.encode() + b"\0" + self.text.encode()).digest()
        rule = RULE if chance[1] < 64 else None
        return rule, asked[chance[2] % len(asked)].format(self.name), first


SOURCES: Final = {
    "docstrings": ("docstrings of the Python standard library", PSF),
    "topics": ("language reference, pydoc_data.topics", PSF),
    "pages": ("pages of this project: README.md, CONTRIBUTING.md, SECURITY.md, docs/", APACHE),
}


def documents() -> list[Document]:
    """Return all documents, each text once."""
    found: dict[str, Document] = {}
    for document in (*_pages(), *_topics(), *_docstrings()):
        found.setdefault(document.text, document)
    return list(found.values())


def _docstrings() -> Iterator[Document]:
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).with_suffix("").parts
        if not LEFT_OUT & set(parts):
            module = ".".join(part for part in parts if part != "__init__")
            yield from _docstrings_in(ast.parse(path.read_bytes()), module)


def _docstrings_in(node: ast.AST, name: str) -> Iterator[Document]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        text = ast.get_docstring(node)
        if text and text.strip():
            yield Document("docstrings", name, text.strip())
    for child in ast.iter_child_nodes(node):
        inner = getattr(child, "name", None)
        yield from _docstrings_in(child, f"{name}.{inner}" if isinstance(inner, str) else name)


def _topics() -> Iterator[Document]:
    for name, text in sorted(topics.items()):
        yield from _sections(
            "topics", name.lower(), inspect.cleandoc(text), r"\n(?=[^\n]+\n[*=-]{4,}\n)"
        )


def _pages() -> Iterator[Document]:
    for path in sorted({ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"}
                       | {*(ROOT / "docs").rglob("*.md")}):  # fmt: skip
        if path.parent.name != "reference":  # generated
            text = path.read_text()
            title = text.partition("\n")[0].lstrip("# ")
            yield from _sections("pages", title, text, r"\n(?=## )")


def _sections(source: str, name: str, text: str, cut: str) -> Iterator[Document]:
    """Yield the sections of a longer text: title line first, then what stands below it."""
    for at, section in enumerate(re.split(cut, text)):
        title, _, body = section.strip().partition("\n")
        body = re.sub(r"^[*=-]{4,}\n", "", body.strip()).strip()
        called = name if at == 0 else f"{title.lstrip('# ').strip()} ({name})"
        if body:
            yield Document(source, called, body)
