"""`tally credentials`: what a person does with a role that somebody else has certified."""

from pathlib import Path

import pytest

from tests.unit.cli.running import Command

ASKED = ("--audience", "https://clinic.example", "--nonce", "n-1")


@pytest.fixture
def issued(made: Command) -> Path:
    made("keys", "create", "ada", "--kind", "person")
    file = made.home.parent / "role.sd-jwt"
    made("credentials", "issue", "--as", "clinic", "--to", "ada", "--type", "urn:example:role",
         "--claim", "role=radiologist", "--claim", "ward=3", "--days", "30",
         "-o", file)  # fmt: skip
    return file


def test_a_role_is_shown_without_the_rest_and_verified_offline(made: Command, issued: Path) -> None:
    shown = issued.with_name("shown.sd-jwt")
    made("credentials", "present", issued, "--as", "ada", "--reveal", "role", *ASKED, "-o", shown)
    issuer = made.json("credentials", "show", shown)["open"]["iss"]

    found = made.json("credentials", "verify", shown, "--issuer", issuer, *ASKED,
                      "--type", "urn:example:role", "--claim", "role")  # fmt: skip

    assert (found["claims"], found["hidden"]) == ({"role": "radiologist"}, 1)
    assert found["verdict"] == "verified"
    assert issued.stat().st_mode & 0o077 == 0
    made("credentials", "verify", shown, "--issuer", issuer, "--audience", "https://other.example",
         "--nonce", "n-1", code=1)  # fmt: skip
    assert "presented to 'https://clinic.example'" in made.words
    made("credentials", "verify", issued, "--issuer", issuer, *ASKED, code=1)
    assert "did not sign" in made.words


def test_somebody_else_cannot_present_it(made: Command, issued: Path) -> None:
    made("credentials", "present", issued, "--as", "clinic", *ASKED, code=1)

    assert "bound to another key" in made.words


def test_mistakes_are_said(made: Command, issued: Path) -> None:
    role = ("credentials", "issue", "--as", "clinic", "--to", "ada", "--type", "x", "--claim")
    made(*role, "role", code=2)
    assert "NAME=VALUE" in made.words
    made(*role, "exp=1", code=2)
    made("credentials", "present", issued, "--as", "ada", "--reveal", "age", *ASKED, code=2)
    assert "there are: role, ward" in made.words
    made("credentials", "verify", issued, "--issuer", "clinic", *ASKED, code=2)
    assert "expected a DID" in made.words
