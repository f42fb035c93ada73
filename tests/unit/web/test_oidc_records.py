"""Which roles people get by signing in is on record: when it changes, and in codes only."""

from pathlib import Path

from tallystick.capture.roles import Role
from tallystick.ledger import Ledger, Query
from tallystick.statement.administration import AdminAct, parse_act
from tallystick.statement.governance import StatementType
from tallystick.web.opening import record_roles
from tallystick.web.settings import RoleRule, Settings
from tests.ledgers import Clock, ledger_in

RULES = (
    RoleRule(value="Board of Directors", role=Role.AUDITOR),
    RoleRule(value="it", role=Role.ADMIN),
    RoleRule(value="ops", role=Role.ADMIN),
)
WITH = Settings(oidc_issuer="https://login.example", oidc_roles=RULES)
WITHOUT = Settings()


def acts(ledger: Ledger) -> list[AdminAct]:
    found = ledger.find(Query(type=StatementType.ACCESS)).found
    return [parse_act(one.statement.payload) for one in reversed(found)]


def test_a_table_is_recorded_when_it_changes_and_when_it_ends(tmp_path: Path) -> None:
    other = Settings(oidc_issuer="https://login.example", oidc_roles=RULES[:2])
    moved = Settings(oidc_issuer="https://another.example", oidc_roles=RULES)
    clock = Clock()
    with ledger_in(tmp_path, clock=clock) as ledger:
        for settings in (WITHOUT, WITH, WITH, other, WITH, moved, WITHOUT, WITHOUT):
            record_roles(ledger, settings)
            clock.now += 1
        said = acts(ledger)

    assert [one.act for one in said] == ["sign-in.roles"] * 5
    tables = [one.details["table"] for one in said]
    assert tables[0] == tables[2] != tables[1]
    assert tables[3] not in tables[:3]
    assert said[-1].details == {"table": "none"}
    assert {k: v for k, v in said[0].details.items() if k != "table"} == {"auditor": 1, "admin": 2}


def test_the_record_holds_no_words_of_the_organisation_and_cannot_be_guessed(
    tmp_path: Path,
) -> None:
    for name in ("first", "second"):
        with ledger_in(tmp_path / name) as ledger:
            record_roles(ledger, WITH)
            entry = ledger.find(Query(type=StatementType.ACCESS)).found[0].statement.entry
            [said] = acts(ledger)
        assert b"Board" not in entry
        assert b"login" not in entry
        (tmp_path / f"{name}.code").write_text(str(said.details["table"]))

    assert (tmp_path / "first.code").read_text() != (tmp_path / "second.code").read_text()


def test_a_table_without_a_provider_gives_nothing(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        record_roles(ledger, Settings(oidc_roles=RULES))
        record_roles(ledger, Settings(oidc_issuer="https://login.example"))

        assert acts(ledger) == []
