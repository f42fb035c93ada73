"""Who signs in is a person by a private binding, until that ends or the name is erased."""

import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.impostor import CLIENT, Impostor, lying
from tests.surfer import Page, Surfer
from tests.unit.cli.running import Command, keep_passphrase, serving
from tests.unit.cli.test_person_commands import labelled

TOML = """\
oidc_issuer = "{}"
oidc_client_id = "{}"
oidc_loopback = true
require_key = true
small_lm = false
oidc_roles = [{{ value = "audit", role = "auditor" }}]
"""


@pytest.fixture
def impostor() -> Iterator[Impostor]:
    with lying() as impostor:
        yield impostor


@dataclass
class Ward:
    """A ledger whose documents are for their parties, and one that Ada signed."""

    tally: Command
    did: str
    statement: str


@pytest.fixture
def ward(made: Command, impostor: Impostor, monkeypatch: pytest.MonkeyPatch) -> Ward:
    made("policy", "allow", "document=person")
    made("policy", "visibility", "document=parties")
    ada = made.json("persons", "add", "Ada Lovelace", "--about", "p-1", "--for", "ward")
    key = made.json("keys", "api", "create", "clinic", "--role", "admin")
    monkeypatch.setenv("TALLYSTICK_API_KEY", key["token"])  # for commands beside the service
    words = made("register", "--as", ada["key"], "--type", "document", "--field", "a=b")
    (made.home / "tallystick.toml").write_text(TOML.format(impostor.issuer, CLIENT))
    keep_passphrase(made)
    return Ward(made, ada["did"], words.split()[0])


def signed_in(base: str, impostor: Impostor) -> Surfer:
    surfer = Surfer()
    asked = dict(parse_qsl(urlsplit(surfer.ask(f"{base}/login/begin").location).query))
    impostor.nonce = asked["nonce"]
    done = surfer.ask(f"{base}/login/callback?code=c&state={asked['state']}")
    assert done.status == 303, done
    return surfer


def acts(ward: Ward) -> list[tuple[str, str]]:
    rows = map(json.loads, ward.tally("access", "--json").splitlines())
    return [(one["act"], one["target"]) for one in rows if one["act"].startswith("sign-in")]


def files_with(folder: Path, *words: bytes) -> list[str]:
    return [
        file.name for file in folder.rglob("*")
        if file.is_file() and any(word in file.read_bytes() for word in words)
    ]  # fmt: skip


def test_who_signs_in_sees_what_is_their_own_until_their_name_is_erased(
    ward: Ward, impostor: Impostor
) -> None:
    def content() -> Page:
        return surfer.ask(f"{base}/bundles/{ward.statement}?content=true")

    with serving(ward.tally.home, "up", "--port", "0") as where:
        base = str(where["url"]).replace("127.0.0.1", "localhost")
        surfer = signed_in(base, impostor)
        before = content()
        made = ward.tally.json("persons", "sign-in", ward.did, "ada-1")
        until = time.monotonic() + 20
        while ward.did not in (page := surfer.ask(f"{base}/login").text):
            assert time.monotonic() < until, page  # the service looks once a second
            time.sleep(0.1)
        seen = content()
        [listed] = map(json.loads, ward.tally("persons", "sign-ins", "--json").splitlines())
        ward.tally("persons", "erase", ward.did, "--reason", "consent-withdrawn")
        after = content()

    assert (before.status, json.loads(before.text)["reason"]) == (403, "content.caller")
    assert (listed["id"], listed["did"]) == (made["id"], ward.did)
    assert "ada-1" in page  # to themselves
    assert seen.status == 200, seen
    assert (after.status, json.loads(after.text)["reason"]) == (403, "content.caller")
    assert "1 of them signed in here, and that is forgotten, too" in ward.tally.words
    assert ward.tally("persons", "sign-ins") == ""
    assert acts(ward) == [("sign-in.bound", made["id"]), ("sign-in.roles", "oidc")]
    assert files_with(ward.tally.home / "data", b"ada-1", b'audit"') == []


def test_a_binding_ends_when_the_operator_says_so(ward: Ward, impostor: Impostor) -> None:
    first = ward.tally.json("persons", "sign-in", ward.did, "ada-1")
    again = ward.tally("persons", "sign-in", ward.did, "ada-1", code=4)
    assert "bound to a DID already" in ward.tally.words
    ward.tally("persons", "end-sign-in", ward.did)
    ward.tally("persons", "end-sign-in", ward.did, code=2)
    second = ward.tally.json("persons", "sign-in", ward.did, "ada-1")

    assert again == ""
    assert first["id"] != second["id"]
    bound = [("sign-in.unbound", first["id"]), ("sign-in.bound", first["id"])]
    assert [one for one in acts(ward) if one[1] == first["id"]] == bound
    assert [one for one, _ in acts(ward)].count("sign-in.bound") == 2  # none of what was refused


def test_that_a_binding_ended_is_said_later_where_it_cannot_be_said_now(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ward.tally.json("persons", "sign-in", ward.did, "ada-1")
    with monkeypatch.context() as patch:
        patch.setenv("TALLYSTICK_PASSPHRASE_FILE", str(ward.tally.home / "nowhere"))
        ward.tally("persons", "end-sign-in", ward.did)
    assert "not registered yet" in ward.tally.words
    assert ward.tally("persons", "sign-ins") == ""
    ward.tally("backup", ward.tally.home.with_name("saved"))

    assert ("sign-in.unbound", made["id"]) in acts(ward)


def test_erasing_a_name_ends_the_binding_whatever_else_the_operator_said(ward: Ward) -> None:
    other = labelled(ward.tally, ward.did)
    ward.tally("persons", "sign-in", ward.did, "ada-1")
    ward.tally("persons", "erase", ward.did, "--reason", "objection")

    assert ward.tally("persons", "sign-ins") == ""
    assert other in ward.tally("find", "--type", "label", "--json")


def test_who_had_no_name_yet_is_forgotten_with_the_name(ward: Ward) -> None:
    ward.tally("persons", "sign-in", ward.did, "ada-1")
    file = ward.tally.home / "data/bindings.json"
    known = json.loads(file.read_bytes())
    known["bindings"][0]["label"] = None  # as if it had been bound before the name was
    file.write_text(json.dumps(known))
    ward.tally("persons", "erase", ward.did, "--reason", "objection")

    assert ward.tally("persons", "sign-ins") == ""


def test_what_cannot_be_bound_is_refused(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ward.tally("persons", "sign-in", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
               "ada-1", code=2)  # fmt: skip
    assert "is not registered here" in ward.tally.words
    ward.tally("persons", "sign-in", ward.did, "x" * 256, code=2)
    ward.tally("persons", "sign-in", ward.did, "", code=2)
    monkeypatch.setattr("sys.stdin", io.StringIO("ada-2\n"))
    ward.tally("persons", "sign-in", ward.did, "-")
    (ward.tally.home / "tallystick.toml").write_text("")
    ward.tally("persons", "sign-in", ward.did, "ada-3", code=2)
    assert "oidc_issuer is not set" in ward.tally.words


def test_a_file_that_is_damaged_is_named_and_gives_nobody_anything(
    ward: Ward, impostor: Impostor
) -> None:
    ward.tally("persons", "sign-in", ward.did, "ada-1")
    well = ward.tally("doctor", code=1)  # this provider knows no redirect URI
    file = ward.tally.home / "data/bindings.json"
    file.write_bytes(file.read_bytes()[:-1])
    ill, damage = ward.tally("doctor", code=1), ward.tally("fsck", "--deep", code=1)

    with serving(ward.tally.home, "up", "--port", "0") as where:
        base = str(where["url"]).replace("127.0.0.1", "localhost")
        page = signed_in(base, impostor).ask(f"{base}/bundles/{ward.statement}?content=true")

    assert "1 people are bound to a DID" in well
    assert "bindings.json is damaged" in ill
    assert "bindings.json: it is not readable" in damage
    assert (page.status, page.headers["retry-after"]) == (503, "1")


def test_no_backup_has_it_so_that_restoring_one_brings_nothing_back(
    ward: Ward, tmp_path: Path
) -> None:
    ward.tally("persons", "sign-in", ward.did, "ada-1")
    ward.tally("backup", tmp_path / "saved")

    assert (ward.tally.home / "data/bindings.json").stat().st_mode & 0o777 == 0o600
    assert not list((tmp_path / "saved").rglob("bindings.json"))


def test_an_erasure_elsewhere_ends_it_though_the_file_is_the_old_one(
    ward: Ward, impostor: Impostor
) -> None:
    ward.tally("persons", "sign-in", ward.did, "ada-1")
    file = ward.tally.home / "data/bindings.json"
    kept = file.read_bytes()
    ward.tally("persons", "erase", ward.did, "--reason", "objection")
    file.write_bytes(kept)

    with serving(ward.tally.home, "up", "--port", "0") as where:
        base = str(where["url"]).replace("127.0.0.1", "localhost")
        surfer = signed_in(base, impostor)
        page = surfer.ask(f"{base}/bundles/{ward.statement}?content=true")

    assert (page.status, json.loads(page.text)["reason"]) == (403, "content.caller")
