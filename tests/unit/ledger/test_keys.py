"""Keys are registered once, as their holder asked, under names that can be shown."""

from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.errors import EncodingError, RefusedError
from tallystick.statement.governance import IssuerKind, KeyRecord, parse_key_record
from tests.ledgers import ORIGIN, Issuer, ledger_in


def test_a_key_keeps_the_name_and_kind_that_it_was_registered_under(tmp_path: Path) -> None:
    bot = Issuer("Test bot", IssuerKind.AI)
    other = KeyRecord.signed(
        ORIGIN, bot.signer.public, IssuerKind.ORGANISATION, "Ministry", bot.signer.sign
    )

    with ledger_in(tmp_path, bot) as ledger:
        with pytest.raises(RefusedError, match="registered already, as ai Test bot") as refused:
            ledger.register_key(other)

        assert refused.value.reason == "key.known"
        assert [record.name for _, record in ledger.state.keys.values()][1:] == ["Test bot"]


@pytest.mark.parametrize("changed", [{"name": "Ministry"}, {"kind": IssuerKind.ORGANISATION}])
def test_what_its_holder_did_not_sign_is_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    record = replace(Issuer("Test bot", IssuerKind.AI).record(), **changed)  # type: ignore[arg-type]

    with ledger_in(tmp_path) as ledger, pytest.raises(RefusedError) as refused:
        ledger.register_key(record)

    assert refused.value.reason == "payload"


@pytest.mark.parametrize(
    "name", ["", " x", "x\n  trust  fake", "E\x1b[31mvil", "x" * 201, "a\u202eb"]
)
def test_a_name_that_could_forge_lines_is_none(name: str) -> None:
    record = Issuer(name, IssuerKind.ORGANISATION).record()

    with pytest.raises(EncodingError, match="name"):
        parse_key_record(record.encode())
