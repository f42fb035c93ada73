"""An answer to one person's access request holds nothing that is kept about another."""

import tempfile
import zipfile
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tallystick.evidence import encode_row
from tallystick.evidence.access import AccessRequest
from tallystick.evidence.access_archive import AccessArchive
from tallystick.ledger import Ledger, RegistrationPolicy, Rows, Rule, Submission
from tallystick.statement import Relation
from tallystick.statement.governance import IssuerKind
from tallystick.vault import About
from tests.ledgers import START, Issuer, ledger_in

POLICY = RegistrationPolicy((Rule(frozenset("*"), kinds=frozenset(IssuerKind)),))
WORDS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=10, max_size=30)
PERSONS = st.lists(st.sampled_from(["jane", "bob"]), min_size=2, max_size=6)


def said(
    ledger: Ledger, clinic: Issuer, about: str, words: str, links: dict[str, tuple[bytes, ...]]
) -> bytes:
    statement, content = clinic.content({"text": words}, type="decision", links=links)
    return ledger.register_one(Submission(statement.entry, content, about=About(about))).id


def everything(ledger: Ledger, folder: Path) -> bytes:
    """Return all bytes of Jane's archive, unpacked."""
    path = folder / "jane.zip"
    with AccessArchive(ledger, AccessRequest(reference="jane"), path, START) as archive:
        archive.write()
    with zipfile.ZipFile(path) as written:
        return b"\n".join(written.read(name) for name in written.namelist())


@given(jane=WORDS, bob=WORDS, persons=PERSONS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_of_another_person_is_in_it(jane: str, bob: str, persons: list[str]) -> None:
    assume(jane not in bob and bob not in jane and "jane" in persons)
    texts, clinic = {"jane": jane, "bob": bob}, Issuer()
    with (
        tempfile.TemporaryDirectory() as folder,
        ledger_in(Path(folder) / "ledger", clinic, policy=POLICY) as ledger,
    ):
        last: tuple[bytes, ...] = ()
        for whose in persons:  # each decides on the one before, whosever that is
            links: dict[str, tuple[bytes, ...]] = {Relation.DECIDED_ON: last} if last else {}
            last = (said(ledger, clinic, whose, texts[whose], links),)
        records = [encode_row({"text": texts[whose]}) for whose in persons]
        batch, salts, leaves = clinic.batch(records)
        rows = Rows(salts, records, persons)
        ledger.register_one(Submission(batch.entry, leaves=leaves, rows=rows))

        found = everything(ledger, Path(folder))

    assert jane.encode() in found
    assert bob.encode() not in found
    assert b"bob" not in found.replace(clinic.did.encode(), b"")
