"""`tally issuers webvh`: from a new history to old statements that verify without its host."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.identity import KeyFile
from tallystick.statement.webvh import read_history
from tests.unit.cli.running import Command
from tests.website import JSONL, Site, serving

HISTORY = "/.well-known/did.jsonl"
FILE = "did.jsonl"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serving(tmp_path / "site") as one:
        monkeypatch.setenv("SSL_CERT_FILE", str(one.trust))
        monkeypatch.setenv("TALLYSTICK_ISSUER_LOOPBACK", "true")
        yield one


def publish(site: Site) -> None:
    site.files[HISTORY] = Path(FILE).read_bytes(), JSONL


def register(made: Command, title: str, code: int = 0) -> str:
    words = ("--type", "document", "--field", f"title={title}")
    return made("register", "--as", "desk", *words, code=code).partition(" ")[0]


def entries() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(FILE).read_bytes().splitlines()]


def verdict(made: Command, statement: str) -> str:
    made("export", statement, "-o", f"{statement}.json")
    Path("trust.policy").write_text(made("policy", "trust") + "\n")
    report = made.json("verify", f"{statement}.json", "--policy", "trust.policy")
    return str(report["verdict"])


def test_what_an_old_key_signed_verifies_after_its_rotation_and_without_the_host(
    made: Command, site: Site
) -> None:
    did = made("issuers", "webvh", "create", "desk", site.host)
    publish(site)
    made("issuers", "add", did)
    before = register(made, "before")

    made("issuers", "webvh", "rotate", "desk", FILE)
    register(made, "not yet", code=5)  # the ledger does not know of the new key
    publish(site)
    made("issuers", "refresh")
    after = register(made, "after")
    site.files.clear()

    assert [verdict(made, one) for one in (before, after)] == ["verified", "verified"]
    keys = [made.json("show", one)["key_id"] for one in (before, after)]
    assert keys[0] != keys[1]


def test_a_did_that_is_deactivated_signs_nothing_and_takes_no_entry(
    made: Command, site: Site
) -> None:
    did = made("issuers", "webvh", "create", "desk", site.host)
    publish(site)
    made("issuers", "add", did)
    before = register(made, "before")
    made("issuers", "webvh", "deactivate", "desk", FILE, code=2)
    made("issuers", "webvh", "deactivate", "desk", FILE, "--yes")
    publish(site)
    made("issuers", "refresh")
    site.files.clear()

    register(made, "after", code=5)
    made("issuers", "webvh", "rotate", "desk", FILE, code=1)
    assert "deactivated" in made.words
    assert verdict(made, before) == "verified"


def test_a_document_of_ones_own_and_keys_that_follow_each_other(made: Command) -> None:
    did = made("issuers", "webvh", "create", "desk", "example.com:a", "--algorithm", "es256")
    for number in range(3):
        document = entries()[-1]["state"] | {"alsoKnownAs": [f"https://example.com/{number}"]}
        Path("doc.json").write_text(json.dumps(document))
        made("issuers", "webvh", "update", "desk", FILE, "--document", "doc.json")

    history = read_history(did, None, Path(FILE).read_bytes(), None, 2**31)
    assert len(history.versions) == 4
    assert history.document["alsoKnownAs"] == ["https://example.com/2"]
    signers = [entry["proof"][0]["verificationMethod"] for entry in entries()]
    assert len(set(signers)) == 4
    other = entries()[-1]["state"] | {"id": "did:web:example.com"}
    Path("doc.json").write_text(json.dumps(other))
    before = Path(FILE).read_bytes()
    made("issuers", "webvh", "update", "desk", FILE, "--document", "doc.json", code=1)
    assert Path(FILE).read_bytes() == before


def test_without_pre_rotation_one_key_goes_on(made: Command) -> None:
    made("issuers", "webvh", "create", "desk", "example.com", "--no-pre-rotation")
    made("issuers", "webvh", "rotate", "desk", FILE)
    made("issuers", "webvh", "rotate", "desk", FILE)

    assert len({entry["proof"][0]["verificationMethod"] for entry in entries()}) == 1
    assert "nextKeyHashes" not in entries()[0]["parameters"]


def test_what_was_interrupted_after_the_file_was_written_is_finished(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("issuers", "webvh", "create", "desk", "example.com")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("tallystick.cli.histories._finish", _first_only(killed))
        made("issuers", "webvh", "rotate", "desk", FILE, code=130)
    assert len(entries()) == 2
    made("issuers", "webvh", "rotate", "desk", FILE)
    made("issuers", "webvh", "rotate", "desk", FILE)
    assert len(entries()) == 4


def _first_only(then: Any) -> Any:
    from tallystick.cli.histories import _finish

    calls = iter([_finish])

    def call(*given: Any) -> None:
        next(calls, then)(*given)

    return call


def test_what_was_interrupted_before_leaves_the_history_as_it_was(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("issuers", "webvh", "create", "desk", "example.com")

    def full(*_: object) -> None:
        raise OSError(28, "full")

    with monkeypatch.context() as broken:
        broken.setattr("tallystick.cli.histories._write", full)
        made("issuers", "webvh", "rotate", "desk", FILE, code=4)
    assert len(entries()) == 1
    made("issuers", "webvh", "rotate", "desk", FILE)
    assert len(entries()) == 2


def test_what_is_no_history_of_ours_is_refused(made: Command, tmp_path: Path) -> None:
    made("issuers", "webvh", "create", "desk", "example.com")
    made("issuers", "webvh", "create", "other", "example.com", code=4)
    assert "is there already" in made.words
    made("issuers", "webvh", "create", "desk", "example.com", "-o", "b.jsonl", code=4)
    assert not Path("b.jsonl").exists()
    made("issuers", "webvh", "create", "third", "10.0.0.1", "-o", "b.jsonl", code=2)
    made("issuers", "webvh", "rotate", "clinic", FILE, code=2)
    assert "no key here updates a history" in made.words
    Path("older.jsonl").write_bytes(Path(FILE).read_bytes())
    made("issuers", "webvh", "rotate", "desk", FILE)
    made("issuers", "webvh", "rotate", "desk", "older.jsonl", code=4)
    assert "the keys here have gone on since" in made.words
    Path(FILE).write_bytes(Path(FILE).read_bytes()[:-20])
    made("issuers", "webvh", "rotate", "desk", FILE, code=2)


def test_a_document_without_the_key_is_not_rotated(made: Command) -> None:
    made("issuers", "webvh", "create", "desk", "example.com")
    bare = {k: v for k, v in entries()[0]["state"].items() if k in {"@context", "id"}}
    Path("doc.json").write_text(json.dumps(bare))
    made("issuers", "webvh", "update", "desk", FILE, "--document", "doc.json")
    made("issuers", "webvh", "rotate", "desk", FILE, code=2)
    assert "tally issuers webvh update" in made.words


def test_keys_of_histories_are_in_the_encrypted_file_alone(made: Command) -> None:
    made("issuers", "webvh", "create", "desk", "example.com")
    phrase = Path(made.home / "passphrase")
    assert not phrase.exists() or phrase.stat().st_mode & 0o077 == 0
    import os

    secret = Path(os.environ["TALLYSTICK_PASSPHRASE_FILE"]).read_bytes().strip()
    names = KeyFile(made.home / "keys" / "issuers.key", secret).names()
    assert {"desk", "desk~update", "desk~update-next"} <= set(names)
