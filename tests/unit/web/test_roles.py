"""Every role at every route: the table decides, and nothing else."""

from pathlib import Path

import pytest

from tallystick.capture.roles import MAY, Grant, Right, Role, RoleError
from tallystick.errors import RefusedError
from tallystick.ledger import operator_says
from tallystick.ledger.creation import OPERATOR
from tallystick.ledger.policy import RegistrationPolicy
from tallystick.statement.governance import StatementType
from tallystick.web.routes import OPERATIONS
from tests.ledgers import Issuer, ledger_in
from tests.unit.web.served import COSE, Client, served, serving

CLINIC = Issuer()
STREAMS = {"stream"}
"""They do not end; what they need is looked at before, as for all others."""


def authorize(key: str) -> Grant:
    """Know one key for each role, and with a scope behind a slash."""
    role, _, only = key.partition("/")
    if role not in set(Role):
        raise RefusedError("this API key is not known", reason="api-key.unknown")
    return Grant(Role(role), only or None)  # type: ignore[arg-type]


def test_each_role_allows_at_least_to_read_and_only_an_admin_all() -> None:
    assert all(Right.READ in rights for rights in MAY.values())
    assert [role for role, rights in MAY.items() if rights == set(Right)] == [Role.ADMIN]
    assert set(MAY) == set(Role)
    assert Right.REGISTER not in MAY[Role.AUDITOR]
    assert Right.CONTENT not in MAY[Role.ORIGINATOR]
    assert [role for role, rights in MAY.items() if Right.ADMINISTER in rights] == [Role.ADMIN]


@pytest.mark.parametrize("role", Role)
def test_every_route_answers_a_role_as_the_table_says(tmp_path: Path, role: Role) -> None:
    seen, expected = {}, {}
    with served(tmp_path, CLINIC, authorize=authorize, require_key=True) as client:
        for operation in OPERATIONS:
            if operation.name in STREAMS:
                continue
            path = operation.path.replace(":path}", "}").format(id="0", kid="0", level=0, number=0)
            body = b"" if operation.takes else None
            media = next(iter(operation.takes), None)
            bearer = {"authorization": f"Bearer {role}"}
            answer = client.ask(operation.method, path, body, media, **bearer)
            denied = b"does not allow" in answer.body
            seen[operation.name] = "denied" if denied else "passed"
            expected[operation.name] = "passed" if operation.access in MAY[role] else "denied"
            assert answer.status != 401
        counted = client.get("/metrics", authorization="Bearer admin").body.decode()

    assert seen == expected
    denials = list(seen.values()).count("denied")
    sample = f'tallystick_denied_total{{reason="api-key.role"}} {denials}'
    assert (sample in counted) is (denials > 0)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("only", ["gateway", "register"])
def test_a_scope_narrows_a_role_and_never_widens_it(role: Role, only: str) -> None:
    narrow = Grant(role, only).rights  # type: ignore[arg-type]

    assert narrow <= MAY[role]
    assert (Right.REGISTER in narrow) is (only == "register" and Right.REGISTER in MAY[role])
    assert (Right.CALL in narrow) is (only == "gateway" and Right.CALL in MAY[role])


def test_the_reason_says_whether_role_or_scope_stands_against_it() -> None:
    with pytest.raises(RoleError, match="role `reader` does not allow `register`") as role:
        Grant(Role.READER).check(Right.REGISTER)
    with pytest.raises(RoleError, match="for `gateway` only") as scope:
        Grant(Role.ADMIN, "gateway").check(Right.REGISTER)

    assert (role.value.reason, scope.value.reason) == ("api-key.role", "api-key.not-for-this")
    assert role.value.advice == "roles that allow it: originator, operator, admin"
    assert (role.value.exit_code, role.value.http_status) == (5, 403)


def test_a_key_counts_also_for_whoever_is_on_this_machine(tmp_path: Path) -> None:
    with served(tmp_path, CLINIC, authorize=authorize) as client:
        bare = client.get("/metrics")
        reader = client.get("/metrics", authorization="Bearer reader")
        public = client.get("/statements", authorization="Bearer reader")

    assert (bare.status, reader.status, public.status) == (200, 403, 200)
    assert reader.code == "refused.role"


def test_details_of_readiness_are_for_those_who_observe(tmp_path: Path) -> None:
    def detailed(client: Client, role: Role) -> bool:
        parts = client.get("/readyz", authorization=f"Bearer {role}").json["parts"]
        return any("detail" in part for part in parts.values())

    with served(tmp_path, CLINIC, authorize=authorize, disk_free_bytes_min=2**60) as client:
        assert [role for role in Role if detailed(client, role)] == [
            role for role in Role if Right.OBSERVE in MAY[role]
        ]


@pytest.mark.parametrize("role", [Role.ORIGINATOR, Role.OPERATOR, Role.ADMIN])
def test_what_the_operator_signed_is_taken_from_an_admin_only(
    tmp_path: Path, role: Role, caplog: pytest.LogCaptureFixture
) -> None:
    with ledger_in(tmp_path, CLINIC) as ledger, serving(ledger, authorize=authorize) as client:
        signer = ledger.keys.signer(OPERATOR)
        policy = RegistrationPolicy(()).encode()
        said = operator_says(
            signer, StatementType.POLICY, policy, subject=ledger.card.origin, now=ledger.clock()
        )
        bearer = {"authorization": f"Bearer {role}"}
        own = client.post("/statements", CLINIC.sign().entry, COSE, **bearer)
        answer = client.post("/statements", said.entry, COSE, **bearer)
        again = client.post("/statements", said.entry, COSE, **bearer)
        scrapi = client.post("/entries", said.entry, COSE, **bearer)
        counted = client.get("/metrics").body.decode()

    assert own.status == 201
    if role is Role.ADMIN:
        assert (answer.status, again.status, scrapi.status) == (201, 200, 201)
        return
    assert (answer.status, answer.code) == (403, "refused.role")
    assert scrapi.status == 400
    assert 'tallystick_denied_total{reason="api-key.role"} 3' in counted
    assert "an administrative statement was refused" in caplog.text


def test_an_issuer_may_name_the_operator_and_damage_is_said_as_ever(tmp_path: Path) -> None:
    with ledger_in(tmp_path, CLINIC) as ledger, serving(ledger, authorize=authorize) as client:
        assert ledger.state.genesis is not None
        operator = ledger.state.genesis.operator
        bearer = {"authorization": "Bearer originator"}
        about = CLINIC.sign(subject=operator)
        damaged = client.post("/statements", operator.encode(), COSE, **bearer)
        named = client.post("/statements", about.entry, COSE, **bearer)

    assert (damaged.status, damaged.code) == (400, "input.encoding")
    assert named.status == 201
