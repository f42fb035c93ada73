"""`tally keys`: rotate, revoke, recover and history, also for keys that are held elsewhere."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.gateways import GATEWAY
from tallystick.cli.key_life import SERVICE_KEYS
from tallystick.cli.small_model import ISSUER
from tests.unit.cli.running import Command, get, keep_passphrase, serving

DOCUMENT = ("register", "--type", "document", "--field", "title=A title", "--field", "body=Text")


@pytest.fixture
def policy(made: Command, tmp_path: Path) -> Path:
    path = tmp_path / "trust.policy"
    path.write_text(made("policy", "trust"))
    return path


def say(made: Command, who: str = "clinic", code: int = 0) -> str:
    return made(*DOCUMENT, "--as", who, code=code).strip()


def verdict(made: Command, statement: str, policy: Path, code: int = 0) -> str:
    made("export", statement, "-o", "x.tally.json")
    out = made("verify", "x.tally.json", "--policy", policy, "--all", code=code)
    Path("x.tally.json").unlink()
    return out


def lives(made: Command, whose: str = "clinic") -> list[dict[str, Any]]:
    return [json.loads(line) for line in made("keys", "history", whose, "--json").splitlines()]


def test_a_rotated_issuer_goes_on_and_old_statements_verify(made: Command, policy: Path) -> None:
    said = [say(made)]

    for algorithm in ("es256", "ed25519"):
        made("keys", "rotate", "clinic", "--algorithm", algorithm)
        said.append(say(made))

    assert "it ended at index" in verdict(made, said[0], policy)
    for later in said[1:]:
        assert "with the agreement of a key before it" in verdict(made, later, policy)
    assert [life["state"] for life in lives(made)] == ["rotated", "rotated", "valid"]
    assert [life["what"] for life in lives(made)] == ["ed25519", "p256", "ed25519"]
    assert len({life["issuer"] for life in lives(made)}) == 1
    listed = [json.loads(line) for line in made("keys", "list", "--json").splitlines()]
    assert [key["here"] for key in listed[1:]] == ["clinic~1", "clinic~2", "clinic"]
    say(made, "clinic~1", code=5)
    assert "ended at index" in made.words


def test_a_rotation_that_broke_off_is_finished(made: Command) -> None:
    made("keys", "rotate", "clinic")
    path = made.home / "keys/issuers.key"
    after = path.read_bytes()
    made("keys", "rotate", "clinic")
    finished = lives(made)

    from tallystick.identity import KeyFile

    file = KeyFile(path, b"correct horse")  # as before the last step of the second rotation
    file.rename("clinic", "clinic~next")
    file.rename("clinic~2", "clinic")
    file.save()
    made("keys", "rotate", "clinic")

    assert lives(made) == finished
    assert path.read_bytes() != after
    say(made)


def test_a_compromised_key_is_not_trusted_after_an_entry(made: Command, policy: Path) -> None:
    good, bad = say(made), say(made)
    index = json.loads(made("show", good, "--json"))["index"]

    made("keys", "revoke", "clinic", "--reason", "compromised", "--until", str(index))

    assert "compromised" in verdict(made, good, policy)
    assert "after revocation" in verdict(made, bad, policy, code=1)
    say(made, code=5)
    made("keys", "revoke", "clinic", "--reason", "ceased", code=5)
    made("keys", "revoke", "clinic", "--reason", "ceased", "--as-operator", code=5)
    assert "ended at index" in made.words


def test_until_is_for_compromised_keys_and_for_the_past(made: Command) -> None:
    made("keys", "revoke", "clinic", "--reason", "ceased", "--until", "1", code=2)
    made("keys", "revoke", "clinic", "--reason", "compromised", "--until", "9999", code=5)
    assert "before its revocation" in made.words


def test_a_lost_key_is_recovered(made: Command, policy: Path) -> None:
    before = say(made)
    made("keys", "recovery", "create", "clinic", "-o", "safe.key")
    made("keys", "recovery", "create", "clinic", "-o", "other.key", code=5)
    assert "only that one agrees" in made.words
    (made.home / "keys/issuers.key").unlink()

    made("keys", "recover", "clinic", "safe.key")

    verdict(made, before, policy)
    assert "with the agreement" in verdict(made, say(made), policy)
    assert [life["what"] for life in lives(made)] == ["ed25519", "ed25519", "recovery, ed25519"]
    made("keys", "recovery", "create", "clinic", "-o", "new.key", "--with", "safe.key")
    made("keys", "recover", "clinic", "safe.key", code=5)
    made("keys", "revoke", "clinic", "--reason", "ceased", "--with", "new.key")
    say(made, code=5)


def test_a_key_held_elsewhere_is_rotated_by_a_request(made: Command, tmp_path: Path) -> None:
    far = Command(tmp_path / "far", made.capsys)
    who = ("--kind", "organisation", "--public-name", "Far")
    origin = json.loads((made.home / "data/ledger.json").read_text())["origin"]
    Path("first.json").write_text(
        far("keys", "request", "f", *who, "--origin", origin, "--algorithm", "es256")
    )
    made("keys", "register", "first.json")
    did = json.loads(Path("first.json").read_text())["issuer"]

    Path("next.json").write_text(far("keys", "rotate", "f", *who, "--for", origin))
    made("keys", "register", "next.json")
    far("keys", "rotate", "f", "--finish")
    Path("end.json").write_text(far("keys", "revoke", "f", "--reason", "ceased", "--for", origin))
    made("keys", "register", "end.json")

    assert [life["state"] for life in lives(made, did)] == ["rotated", "ceased"]
    time.sleep(1.1)  # within a second the operator would say the very same, which is a retry
    made("keys", "register", "next.json", code=5)


def test_a_key_is_rotated_and_revoked_beside_a_running_service(made: Command) -> None:
    keep_passphrase(made)
    with serving(made.home, "up", "--port", "0") as where:
        made("keys", "rotate", "clinic", "--algorithm", "es256")
        say(made)
        shown = [key for key in get(f"{where['url']}/keys")["keys"] if key["index"] > 1]
        say(made, "clinic~1", code=5)
        assert {GATEWAY, ISSUER} == SERVICE_KEYS
        made("keys", "rotate", GATEWAY, code=4)
        assert "end `tally up` first" in made.words

    old, new = (key for key in shown if key["issuer"] == shown[0]["issuer"])
    assert (old["state"], old["valid_until"], old["ended_by"]) == (
        "rotated",
        new["index"],
        new["index"],
    )
    assert (new["state"], new["valid_until"], new["agreed"]) == ("valid", None, old["key_id"])


def test_the_recovery_file_is_not_written_over(made: Command) -> None:
    made("keys", "recovery", "create", "clinic", "-o", "safe.key")
    made("keys", "recovery", "create", "clinic", "-o", "safe.key", code=2)
    made("keys", "create", "other", "--kind", "organisation")
    made("keys", "recover", "other", "safe.key", code=2)
    assert "of another issuer" in made.words
    made("keys", "recover", "clinic", made.home / "keys/issuers.key", code=2)
    made("keys", "recover", "clinic", "safe.key", "--for", "localhost/x", code=2)


def test_a_thiefs_key_is_named(made: Command) -> None:
    good = say(made)
    index = json.loads(made("show", good, "--json"))["index"]
    made("keys", "recovery", "create", "clinic", "-o", "safe.key")
    made("keys", "rotate", "clinic")  # the thief, who has the file
    stolen, theirs = (life["key_id"] for life in lives(made)[:2])

    made(
        "keys", "revoke", "clinic", "--key", stolen, "--with", "safe.key",
        "--reason", "compromised", "--until", index,
    )  # fmt: skip

    assert f"it agreed to the key {theirs}" in made.words
    made("keys", "revoke", "clinic", "--key", theirs, "--with", "safe.key",
         "--reason", "compromised", "--until", index)  # fmt: skip
    made("keys", "recover", "clinic", "safe.key")
    assert [life["state"] for life in lives(made)] == [
        "compromised",
        "compromised",
        "valid",
        "valid",
    ]
