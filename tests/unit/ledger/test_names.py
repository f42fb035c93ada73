"""What is registered in somebody's name, and searches that are kept under a name."""

from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.errors import (
    ConflictError,
    EncodingError,
    InputError,
    LimitError,
    NotFoundError,
    VersionError,
)
from tallystick.ledger import Ledger, Query, searches
from tallystick.ledger.searches import Filters, Searches
from tallystick.statement import Relation
from tests.ledgers import Issuer, ledger_in, submissions


def in_name(ledger: Ledger, did: str, **others: object) -> list[int]:
    query = replace(Query(in_name_of=ledger.in_name_of(did)), **others)  # type: ignore[arg-type]
    return [one.index for one in ledger.find(query).found]


def test_in_ones_name_is_what_one_signed_was_acted_for_or_is_about(tmp_path: Path) -> None:
    clinic, ada = Issuer(), Issuer(name="Lab")
    with ledger_in(tmp_path, clinic, ada) as ledger:
        [key] = ledger.find(Query(type="key", subject=ada.did)).found
        acted = {Relation.ACTED_FOR: (key.statement.id,)}
        used = {Relation.USED: (key.statement.id,)}
        made = [
            ada.sign(), clinic.sign(subject=ada.did), clinic.sign(links=acted),
            clinic.sign(), clinic.sign(links=used), ada.sign(subject=ada.did, links=acted),
        ]  # fmt: skip
        at = [one.index for one in ledger.register(submissions(*made))]  # type: ignore[union-attr]
        wanted = [at[5], at[2], at[1], at[0], key.index]

        assert in_name(ledger, ada.did) == wanted
        assert in_name(ledger, ada.did, issuer=clinic.did) == [at[2], at[1]]
        assert in_name(ledger, ada.did, type="inference", before=at[2], limit=1) == [at[1]]
        assert in_name(ledger, Issuer().did) == []
        page = ledger.find(Query(in_name_of=ledger.in_name_of(ada.did), limit=2))
        assert page.next == at[2]


def test_a_key_that_is_registered_later_is_learnt_in_log_order(tmp_path: Path) -> None:
    clinic, ada = Issuer(), Issuer(name="Lab")
    with ledger_in(tmp_path, clinic) as ledger:
        wanted = Query(in_name_of=ledger.in_name_of(ada.did))
        ledger.register_key(ada.record())
        [key] = ledger.find(Query(type="key", subject=ada.did)).found
        later = clinic.sign(links={Relation.ACTED_FOR: (key.statement.id,)})

        assert not wanted.matches(later)
        assert wanted.matches(key.statement)
        assert wanted.matches(later)


def test_searches_are_saved_once_under_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "SEARCHES_MAX", 2)
    known, mine = Searches(tmp_path / "searches.json"), Filters(type="decision")
    known.save("mine", mine)
    known.save("mine", mine)
    known.save("other", Filters(issuer="did:key:z6Mk"))

    assert Searches(tmp_path / "searches.json").get("mine") == mine
    with pytest.raises(ConflictError):
        known.save("mine", Filters())
    with pytest.raises(LimitError):
        known.save("third", mine)
    for name in ("", "Mine", "a b", "../x", "-a", "a" * 65):
        with pytest.raises(InputError):
            known.save(name, mine)
    known.remove("mine")
    for use in (known.get, known.remove):
        with pytest.raises(NotFoundError):
            use("mine")


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"{", EncodingError), (b"[]", EncodingError), (b"\xff", EncodingError),
     (b'{"format":2}', VersionError), (b'{"format":1,"searches":{"a":{"x":1}}}', EncodingError)],
)  # fmt: skip
def test_a_damaged_file_of_searches_is_told(
    tmp_path: Path, data: bytes, error: type[Exception]
) -> None:
    (tmp_path / "searches.json").write_bytes(data)

    with pytest.raises(error, match=r"searches\.json"):
        Searches(tmp_path / "searches.json").all()


def test_values_have_limits_and_a_form(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        longest = "x" * searches.VALUE_LETTERS_MAX
        assert Filters(subject=longest).query(ledger).subject == longest
        with pytest.raises(LimitError):
            Filters(subject=longest + "x").query(ledger)
        with pytest.raises(EncodingError):
            Filters(model="x").query(ledger)
