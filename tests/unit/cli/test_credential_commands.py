"""`tally credentials`: what a person does with a role that somebody else has certified."""

import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from tallystick.cli.status_lists import give_place
from tallystick.errors import ConflictError
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


# --- revocation


def held(made: Command) -> tuple[Path, Path, str]:
    """Issue a credential with a place in a list, and let its holder show it."""
    made("keys", "create", "ada", "--kind", "person")
    folder = made.home.parent
    listed, role, shown = folder / "list.json", folder / "role.sd-jwt", folder / "shown.sd-jwt"
    made("credentials", "list", "new", listed, "--uri", "https://clinic.example/s/1", "--size", 100)
    made("credentials", "issue", "--as", "clinic", "--to", "ada", "--type", "urn:example:role",
         "--claim", "role=radiologist", "--list", listed, "-o", role)  # fmt: skip
    made("credentials", "present", role, "--as", "ada", "--reveal", "role", *ASKED, "-o", shown)
    issuer = made.json("credentials", "show", shown)["open"]["iss"]
    return listed, role, issuer


def test_a_revoked_credential_is_refused_by_the_list_as_registered(made: Command) -> None:
    listed, role, issuer = held(made)
    shown, token = role.with_name("shown.sd-jwt"), role.with_name("list.jwt")
    verify = ("credentials", "verify", shown, "--issuer", issuer, *ASKED)
    publish = ("credentials", "list", "publish", listed, "--as", "clinic", "-o", token)

    made(*verify, code=3)
    assert "https://clinic.example/s/1, which is not at hand" in made.words
    made(*publish)
    assert made.json(*verify, "--list", token)["status_at"]
    bundle = role.with_name("list.tally.json")
    for status, word in (("suspended", "is suspended"), ("revoked", "was revoked")):
        made("credentials", "list", "set", listed, role, status)
        registered = made(*publish, "--register")
        made(*verify, "--list", token, code=1)
        assert word in made.words
        made("export", registered, "--field", "status_list", "-o", bundle)
        made(*verify, "--list", bundle, code=1)
        assert word in made.words
    made("credentials", "list", "set", listed, role, "valid")
    time.sleep(1)  # of two lists of one second, the one that says less good counts
    made(*publish)
    made(*verify, "--list", token, "--list", bundle)
    made("export", "1", "-o", bundle)
    made(*verify, "--list", bundle, code=3)
    assert "shows no status list" in made.words


def test_mistakes_about_lists_are_said(made: Command) -> None:
    listed, role, _ = held(made)
    change = ("credentials", "list", "set", listed)
    made("credentials", "list", "new", listed, "--uri", "https://x.example", code=2)
    assert "is there already" in made.words
    made("credentials", "list", "new", listed.with_name("x"), "--uri", "x", code=2)
    assert "named by a URI" in made.words
    made(*change, "100", "revoked", code=1)
    assert "has 100 places, and not 100" in made.words
    other = listed.with_name("other.json")
    made("credentials", "list", "new", other, "--uri", "https://x.example/2", "--size", "4")
    made("credentials", "list", "set", other, role, "revoked", code=2)
    assert "names the list https://clinic.example/s/1" in made.words
    made("credentials", "list", "set", other, "1", "revoked", code=2)
    assert "no credential has place 1" in made.words
    issue = (
        "credentials",
        "issue",
        "--as",
        "clinic",
        "--to",
        "ada",
        "--type",
        "x",
        "--claim",
        "a=b",
    )
    places = {made(*issue, "--list", other) for _ in range(4)}
    assert len(places) == 4
    made(*issue, "--list", other, code=2)
    assert "all 4 places" in made.words


def test_places_are_given_by_one_command_at_a_time(made: Command, tmp_path: Path) -> None:
    listed = tmp_path / "list.json"
    made("credentials", "list", "new", listed, "--uri", "https://clinic.example/s/1")
    given: list[int] = []

    def give() -> None:
        while len(given) < 60:
            with suppress(ConflictError):
                given.append(give_place(listed).index)

    threads = [Thread(target=give) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(given) == len(set(given)) >= 60
