"""The command: what a user types, what comes back, and the exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.cli.app import COMMANDS, SUMMARIES
from tests.unit.cli.running import Command


@pytest.fixture
def ready(bare: Command) -> Command:
    """A ledger with a clinic that may register decisions and data sets."""
    bare("init", "--origin", "localhost/cli", "--allow", "decision=organisation",
          "--allow", "dataset=organisation", "--allow", "model=organisation",
          "--allow", "document=organisation")  # fmt: skip
    bare("keys", "create", "clinic", "--kind", "organisation", "--public-name", "Clinic North")
    return bare


def test_from_an_empty_folder_to_a_verified_bundle(ready: Command, tmp_path: Path) -> None:
    id_ = ready("register", "--as", "clinic", "--type", "decision",
                "--field", "outcome=accept", "--field", "reason=plausible",
                "--field", 'shown="the answer"')  # fmt: skip
    assert len(id_) == 64

    bundle = ready("export", id_, "-o", tmp_path / "d.tally.json")
    verdict = ready("verify", bundle, "--policy", ready.home / "trust.policy")
    assert verdict.startswith("VERIFIED")
    assert "Clinic North" in verdict
    assert "not proven" in ready.words
    shown = ready.json("show", id_)
    assert shown["content"]["reason"] == "plausible"
    assert ready.json("show", 0)["type"] == "genesis"
    assert len([line for line in ready("show", bundle).splitlines() if "did:key" in line]) == 3


def test_a_changed_bundle_fails_and_names_the_field(ready: Command, tmp_path: Path) -> None:
    id_ = ready("register", "--as", "clinic", "--type", "document", "--field", "reason=abc")
    path = Path(ready("export", id_))
    text = path.read_text().replace('"value": "Y2FiYw"', '"value": "Y2FiZA"')
    path.write_text(text.replace("Y2FiY", "Y2FiZ") if "Y2FiZA" not in text else text)

    out = ready("verify", path, code=1)
    assert "'reason' does not match its commitment" in out
    checks = ready.json("verify", path, code=1)["checks"]
    assert [c["code"] for c in checks if c["verdict"] == "failed"] == ["verification.commitment"]


def test_verify_without_trust_is_indeterminate(ready: Command, tmp_path: Path) -> None:
    id_ = ready("register", "--as", "clinic", "--type", "document", "--field", "reason=x")
    path = Path(ready("export", id_)).resolve()
    vkey = (ready.home / "trust.policy").read_text().split()[1]
    ready.home = tmp_path / "elsewhere"

    ready("verify", path, code=3)
    assert "whose checkpoints to believe" in ready.words
    assert "VERIFIED" in ready("verify", path, "--log", vkey)
    other = vkey.replace("localhost/cli", "localhost/other")
    ready("verify", path, "--log", other, code=2)


def test_rows_of_a_file_are_registered_selected_and_loaded(ready: Command, tmp_path: Path) -> None:
    csv = tmp_path / "rows.csv"
    csv.write_text("case,size\na,1.5\nb,2\nc,x\n")
    batch = ready("batch", "--as", "clinic", csv)
    rows = [json.loads(line) for line in ready("rows", batch).splitlines()]
    assert rows == [
        {"case": "a", "size": 1.5},
        {"case": "b", "size": 2},
        {"case": "c", "size": "x"},
    ]

    chosen = ready("batch", "--as", "clinic", "--select", f"{batch}:0,2")
    bundle = ready("export", chosen, "--rows")
    checks = ready.json("verify", bundle)["checks"]
    assert any("each of its 2 rows is a row of dataset" in c["detail"] for c in checks)
    ready("batch", "--as", "clinic", "--select", f"{batch}:7", code=2)
    assert "below 3" in ready.words


def test_who_may_not_register_is_refused_and_the_refusal_replays(ready: Command) -> None:
    ready("keys", "create", "robot", "--kind", "machine")
    ready("register", "--as", "robot", "--type", "document", "--field", "a=1", code=5)
    assert "does not let" in ready.words
    [refusal] = [json.loads(line) for line in
                 ready("find", "--type", "refusal", "--json").splitlines()]  # fmt: skip
    assert ready("policy", "replay", refusal["id"]) == "policy"

    ready("policy", "allow", "document=machine")
    ready("register", "--as", "robot", "--type", "document", "--field", "a=1")
    assert ready("policy", "replay", refusal["id"]) == "policy"  # the policy of then counts
    rules = ready.json("policy", "show")["rules"]
    assert {"types": ["document"], "kinds": ["machine"]} in rules


def test_keys_are_made_requested_and_listed(ready: Command, tmp_path: Path) -> None:
    ready("keys", "create", "p", "--kind", "person", "--public-name", "Ada", code=2)
    assert "must not be named" in ready.words
    ready("keys", "create", "clinic", "--kind", "organisation", code=2)

    here, ready.home = ready.home, tmp_path / "other"
    request = ready("keys", "request", "far", "--kind", "machine", "--origin", "localhost/cli")
    ready.home = here
    (tmp_path / "request.json").write_text(request)
    ready("keys", "register", tmp_path / "request.json")
    (tmp_path / "bad.json").write_text("{}")
    ready("keys", "register", tmp_path / "bad.json", code=2)
    listed = [json.loads(line)["name"] for line in ready("keys", "list", "--json").splitlines()]
    assert listed == ["the operator of the log", "Clinic North", None]


def test_search_and_proofs(ready: Command, tmp_path: Path) -> None:
    ids = [ready("register", "--as", "clinic", "--type", "document", "--field", f"n={n}")
           for n in range(3)]  # fmt: skip
    lines = [json.loads(line) for line in
             ready("find", "--type", "document", "--limit", 2, "--json").splitlines()]  # fmt: skip
    assert [line["id"] for line in lines] == [ids[2], ids[1]]
    assert "more with --before" in ready.words
    ready("find", "--since", "yesterday", code=2)
    linked = ready("register", "--as", "clinic", "--type", "document", "--field", "n=9",
                   "--link", f"supersedes={ids[0]}")  # fmt: skip
    assert json.loads(ready("find", "--link", ids[0], "--json"))["id"] == linked

    assert (tmp_path / ready("prove", ids[0])).read_bytes()[:1] == b"\xd2"
    proof = ready("prove", ids[0], "--format", "tlog-proof")
    assert Path(proof).read_text().startswith("c2sp.org/tlog-proof@v1\n")
    ready("prove", "0" * 64, code=2)
    ready("prove", "zz", code=2)


def test_files_with_signed_statements_are_registered(ready: Command, tmp_path: Path) -> None:
    id_ = ready("register", "--as", "clinic", "--type", "document", "--field", "n=1")
    content = json.loads(Path(ready("export", id_)).read_text())
    from tallystick.statement import b64

    entry = b64.decode_url(content["statements"][-1]["entry"], "entry")
    (tmp_path / "s.cose").write_bytes(entry)
    again = ready.json("register", tmp_path / "s.cose")
    assert (again["id"], again["existed"]) == (id_, True)
    (tmp_path / "junk.cose").write_bytes(b"junk")
    ready("register", tmp_path / "junk.cose", code=2)
    ready("register", code=2)


def test_fsck_backup_restore(ready: Command, tmp_path: Path) -> None:
    id_ = ready("register", "--as", "clinic", "--type", "document", "--field", "n=1")
    ready("fsck", "--deep")
    assert "every published file agrees" in ready.words
    ready("backup", tmp_path / "backup")
    ready("register", "--as", "clinic", "--type", "document", "--field", "n=2")

    old, ready.home = ready.home, tmp_path / "restored"
    ready("restore", tmp_path / "backup", code=2)
    assert "nobody says how far" in ready.words
    newer = old / "data/log/checkpoint"
    ready("restore", tmp_path / "backup", "--checkpoint", newer, code=4)
    assert "would fork the log" in ready.words
    ready("restore", tmp_path / "backup", "--unsafe-alone")
    ready("find")
    assert ready.json("fsck")["damage"] == []

    ready.home = old
    ready("backup", tmp_path / "backup")
    ready.home = tmp_path / "again"
    ready("restore", tmp_path / "backup", "--checkpoint", newer)
    (ready.home / "keys").mkdir(exist_ok=True)
    (ready.home / "keys/service.key").write_bytes((old / "keys/service.key").read_bytes())
    (ready.home / "keys/issuers.key").write_bytes((old / "keys/issuers.key").read_bytes())
    assert ready.json("show", id_)["content"] == {"n": 1}
    ready("register", "--as", "clinic", "--type", "document", "--field", "n=3")
    ready("rebuild-index")

    bundle = next((ready.home / "data/log/tile/entries").rglob("0*/*"))
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"x")
    assert "damaged" in ready("fsck", code=1)


def test_errors_say_what_was_seen_and_what_to_do(
    bare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare("find", code=2)
    assert "no ledger in" in bare.words
    assert "tally init" in bare.words
    bare("nonsense", code=2)
    bare("init", "--allow", "decision=robots", code=2)
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE")
    bare("init", code=5)
    assert "nobody to ask" in bare.words
    bare("find", "--json", code=2)
    assert json.loads(bare.words)["error"] == "input.not-found"


def test_every_command_is_listed_once_and_can_be_asked_for_help(bare: Command) -> None:
    assert list(COMMANDS) == list(SUMMARIES)
    for command in COMMANDS:
        assert command in bare(command, "--help")


def test_help_and_version_start_without_anything_heavy() -> None:
    heavy = ("cryptography", "cbor2", "msgspec", "sqlite3", "starlette", "httptools", "sklearn")
    program = (
        "import sys; from tallystick.cli.app import run; run(['--help']);"
        f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True, timeout=30)  # fmt: skip

    assert done.stderr.strip() == "[]"


def test_fields_that_are_no_record_of_their_type_are_refused_before_signing(ready: Command) -> None:
    say = ("register", "--as", "clinic", "--type", "decision", "--field", "reason=x")

    ready(*say, "--field", "outcome=perhaps", "--field", "shown=x", code=2)
    assert "outcome" in ready.words
    ready(*say, "--field", "outcome=stop", code=2)
    assert "shown" in ready.words
    assert ready.json("show", 2)["type"] == "key"
