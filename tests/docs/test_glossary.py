"""The glossary has every word that the project uses in one meaning, once."""

import re

import pytest

from tests.docs.test_pages import ROOT

PAGE = (ROOT / "docs" / "explanation" / "glossary.md").read_text()
HEADINGS = [
    word.strip().lower()
    for heading in re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
    for word in heading.split(",")
]
WORDS = """
signed statement, issuer, subject, receipt, transparent statement, registration policy,
relying party, transparency service, log, origin, entry, checkpoint, tile, entry bundle, witness,
cosignature, mirror, inclusion proof, consistency proof, root, size, index, artifact, predicate,
originator, emitter, vault, evidence bundle, batch statement
"""
VERBS = (
    "parse_",
    "verify_",
    "open_",
    "encode_",
    "sign_",
    "append",
    "publish",
    "resolve_",
    "unsafe_",
)


@pytest.mark.parametrize("word", [" ".join(w.split()) for w in WORDS.split(",")])
def test_every_word_has_a_heading(word: str) -> None:
    assert HEADINGS.count(word) == 1


def test_no_word_stands_twice_and_each_is_explained() -> None:
    sections = re.split(r"^#+ .+$", PAGE, flags=re.MULTILINE)[1:]

    assert len(HEADINGS) == len(set(HEADINGS))
    assert all(section.strip() for section in sections)


def test_every_verb_is_there() -> None:
    table = PAGE.partition("\n## Verbs\n")[2]

    assert all(f"`{verb}" in table for verb in VERBS)
