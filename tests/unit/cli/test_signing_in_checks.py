"""What `tally config check` and `tally doctor` say of signing in: what is wrong, what mends it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.capture.roles import Role
from tallystick.cli.checks.address import exposure
from tallystick.cli.checks.finding import Finding, State, findings, worst
from tallystick.cli.checks.signing_in import signing_in
from tallystick.web.settings import RoleRule, Settings
from tests.impostor import CLIENT, Impostor, lying

RULES = (RoleRule(value="audit", role=Role.AUDITOR),)
REDIRECT = "http://localhost:8471/login/callback"


@pytest.fixture
def impostor() -> Iterator[Impostor]:
    with lying() as impostor:
        impostor.answer = (400, {"error": "invalid_grant"})
        impostor.redirects = {"/auth": f"{REDIRECT}?error=login_required"}
        yield impostor


def look(impostor: Impostor, **options: Any) -> list[Finding]:
    settings: dict[str, Any] = {
        "oidc_issuer": impostor.issuer, "oidc_client_id": CLIENT, "oidc_loopback": True,
        "oidc_roles": RULES, **options,
    }  # fmt: skip
    return list(findings([("oidc", lambda: signing_in(Settings(**settings)))]))


def seen(found: list[Finding], state: State) -> str:
    return "\n".join(f"{one.seen}; {one.expected}; {one.mend}" for one in found
                     if one.state is state)  # fmt: skip


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    return path


def test_all_is_well(impostor: Impostor, secret: Path) -> None:
    found = look(impostor, oidc_client_secret_file=secret)

    assert worst(found) is State.OK, found
    words = seen(found, State.OK)
    assert "answers, with 1 keys" in words
    assert f"sends people back to {REDIRECT}" in words
    assert "takes us for tally (client_secret_basic)" in words
    assert "groups: audit → auditor" in words
    [(form, headers)] = impostor.forms
    assert headers["authorization"].startswith("Basic ")
    assert "s3cret" not in str(found) + str(form)


def test_where_nothing_is_set_nothing_is_found() -> None:
    assert list(signing_in(Settings())) == []
    [one] = signing_in(Settings(oidc_roles=RULES, oidc_client_id="x"))
    assert (one.state, one.seen) == (
        State.WARNING, "oidc_client_id, oidc_roles without oidc_issuer",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "options", "state", "words"),
    [
        ({}, {"oidc_roles": ()}, State.WARNING, "whoever signs in is refused"),
        ({}, {"oidc_roles": RULES * 2}, State.WARNING, "audit stands in oidc_roles more than once"),
        ({}, {"oidc_client_id": None}, State.PROBLEM, "oidc_client_id is not"),
        ({}, {"oidc_loopback": False}, State.PROBLEM, "is not https"),
        ({}, {"oidc_issuer": "http://login.example"}, State.PROBLEM, "is not https"),
        ({}, {"oidc_issuer": "https://login.invalid"}, State.WARNING, "has no address"),
        ({}, {}, State.WARNING, "neither a client secret nor a key"),
        ({}, {"oidc_scopes": "openid nothing"}, State.WARNING, "scopes nothing"),
        ({"away": True}, {}, State.WARNING, "answers 500 for its discovery document"),
        ({"keys": []}, {}, State.WARNING, "none of the provider's 0 keys"),
        ({"redirects": {}}, {}, State.PROBLEM, f"refuses our client id or {REDIRECT}"),
        ({"redirects": {"/auth": "/login"}}, {}, State.OK, "it does not say"),
        ({"answer": (401, {"error": "invalid_client"})}, {}, State.PROBLEM, "does not take us for"),
        ({"date": 3650}, {}, State.PROBLEM, "differs from ours by -36"),
        ({"date": -45}, {}, State.WARNING, "differs from ours by +4"),
        ({"metadata": {"code_challenge_methods_supported": ["plain"]}}, {}, State.WARNING, "PKCE"),
        ({"metadata": {"issuer": "https://x.example"}}, {}, State.WARNING, "it is of the issuer"),
    ],
)
def test_what_is_wrong_is_named(
    impostor: Impostor, change: dict[str, Any], options: dict[str, Any], state: State, words: str
) -> None:
    impostor.metadata = {"scopes_supported": ["openid", "profile"]}
    for name, value in change.items():
        setattr(impostor, name, value)

    assert words in seen(look(impostor, **options), state)


def test_a_secret_that_others_read_and_ways_the_provider_does_not_take(
    impostor: Impostor, secret: Path
) -> None:
    secret.chmod(0o644)
    impostor.metadata = {"token_endpoint_auth_methods_supported": ["tls_client_auth"]}
    words = seen(look(impostor, oidc_client_secret_file=secret), State.PROBLEM)

    assert "others than its owner may use it" in words
    assert f"chmod 600 {secret}" in words
    assert "the provider takes tls_client_auth; client_secret_basic or client_secret_post" in words


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ({"oidc_roles": RULES, "oidc_issuer": "https://login.example"}, State.OK),
        ({"oidc_issuer": "https://login.example"}, State.PROBLEM),
        ({"oidc_roles": RULES}, State.PROBLEM),
    ],
)
def test_people_who_sign_in_need_no_api_key(options: dict[str, Any], state: State) -> None:
    options |= {"host": "192.0.2.1", "tls_certificate": Path("a"), "tls_key": Path("b")}
    found = list(exposure(Settings(**options), keys=0))

    assert worst(found) is state
    assert ("and people who sign in" in found[0].seen) is (state is State.OK)
