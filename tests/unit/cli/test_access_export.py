"""`tally persons export`: one archive that answers an access request, and what checks it."""

import json
import re
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from tests.unit.cli.running import Command, keep_passphrase, serving

FIELDS = ("--type", "decision", "--as", "clinic", "--field", "outcome=accept", "--field",
          "shown=scan")  # fmt: skip


@pytest.fixture
def jane(made: Command) -> Command:
    """A ledger that keeps a decision, an answer, rows and a name of Jane's, and one of Bob's."""
    made("policy", "allow", "inference=organisation", "model=organisation")
    Path("model.bin").write_bytes(b"weights")
    made("register", "--as", "clinic", "--type", "model", "--model",
         "4" * 64, "--field", "name=triage", "--field", "digest=@model.bin", "--field",
         "algorithm=tree", "--field", "parameters={}", "--field", "rows=2", "--field",
         "row_root=@model.bin", "--field", "software={}")  # fmt: skip
    answer = made("register", "--as", "clinic", "--type", "document", "--model", "4" * 64,
                  "--field", "text=the answer of the model")  # fmt: skip
    made("register", *FIELDS, "--field", "reason=tumour <b>14</b> mm", "--about", "case-1",
         "--purpose", "care", "--link", f"decided_on={answer}")  # fmt: skip
    made("register", *FIELDS, "--field", "reason=nothing of Bob", "--about", "case-2")
    Path("rows.jsonl").write_text(
        '{"case": "case-1", "size": 14}\n{"case": "case-2", "size": 987654}\n'
        '{"case": "case-1", "size": 15}\n'
    )
    made("batch", "rows.jsonl", "--as", "clinic", "--subject-column", "case")
    made("persons", "add", "Jane Doe", "--about", "case-1", "--for", "clinic")
    return made


def decision_of(jane: Command) -> str:
    """Return Jane's decision, which is the older one."""
    lines = jane("find", "--type", "decision", "--json").splitlines()
    return str(json.loads(lines[-1])["id"])


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_person_gets_all_that_is_kept_about_them_and_nothing_of_others(jane: Command) -> None:
    jane("show", "8")
    path = Path(jane("persons", "export", "case-1", "--to", "a.zip", "--purpose", "care"))
    assert "hand it to nobody else" in jane.words
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    files = files_of(path)
    summary = json.loads(files["access.json"])
    piece = json.loads(files["records/00001.json"])
    texts = b"".join(files.values())

    assert [one["type"] for one in summary["records"]] == ["decision", "dataset", "label"]
    [decision, batch, label] = piece["records"]
    assert decision["content"]["reason"] == "tumour <b>14</b> mm"
    assert decision["purpose"] == "care"
    assert [row["row"]["size"] for row in batch["rows"]] == [14, 15]
    assert label["content"]["name"] == "Jane Doe"
    assert {one["type"] for one in piece["context"]} == {"document", "model"}
    assert [m["content"]["name"] for m in summary["models"]] == ["triage"]
    assert summary["pseudonyms"][0]["name"] == "Jane Doe"
    assert summary["controller"]["kind"] == "organisation"
    assert b"nothing of Bob" not in texts
    assert b"987654" not in texts
    assert b"case-2" not in texts
    assert b"tumour &lt;b&gt;14&lt;/b&gt; mm" in files["records/00001.html"]
    for name in ("index.html", "records/00001.html"):
        assert not re.search(rb'(src|href)="(?!#|records/|\.\./)', files[name])


def test_a_stranger_verifies_it_and_sees_every_change(jane: Command, tmp_path: Path) -> None:
    jane("persons", "export", "case-1", "--to", "a.zip")
    trust = tmp_path / "trust.policy"
    shutil.copy(jane.home / "trust.policy", trust)
    shown = jane("verify", "a.zip", "--policy", trust)
    assert "VERIFIED" in shown
    assert "records 3 about the person verify" in shown
    assert "that this is all that is kept" in jane.words
    assert jane.json("verify", "a.zip", "--policy", trust)["records"] == 3

    files = files_of(Path("a.zip"))
    files["index.html"] += b"<p>more</p>"
    with zipfile.ZipFile("b.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    assert "is not the file that was signed for" in jane("verify", "b.zip", code=1)


def test_reads_holds_times_and_erasures_are_in_it_and_the_export_is_a_read(jane: Command) -> None:
    jane("retention", "set", "decision", "--least", "1d", "--most", "2y")
    hers = decision_of(jane)
    jane("show", hers)
    jane("holds", "place", hers, "--reason", "audit")
    jane("restrict", hers, "--reason", "accuracy-contested")
    more = jane("register", *FIELDS, "--field", "reason=old", "--about", "case-1",
                "--purpose", "care")  # fmt: skip
    jane("erase", more, "--reason", "objection")
    jane("persons", "export", "case-1", "--to", "a.zip", "--withhold", f"{hers}:shown")

    files = files_of(Path("a.zip"))
    summary = json.loads(files["access.json"])
    record = json.loads(files["records/00001.json"])["records"][0]
    assert [one["purpose"] for one in summary["reads"]] == ["tally show"]
    assert [one["record"] for one in summary["erasures"]] == [more]
    assert [one["reason"] for one in record["holds"]] == ["audit"]
    assert [one["reason"] for one in record["restrictions"]] == ["accuracy-contested"]
    assert record["kept_at_most_until"] - record["kept_at_least_until"] == 729 * 86_400
    assert record["withheld"] == ["shown"]
    assert summary["withheld"] == {hers: ["shown"]}
    assert "access request" in jane("reads", "--about", "case-1")
    [line] = jane("find", "--type", "access-answer").splitlines()
    assert "access-answer" in line


def test_beside_a_running_service_it_is_the_same(jane: Command) -> None:
    keep_passphrase(jane)
    with serving(jane.home, "up", "--port", "0"):
        jane("persons", "export", "case-1", "--to", "a.zip")
    assert "VERIFIED" in jane("verify", "a.zip")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nobody", "--to", "x.zip"], 2, "nothing is kept about that"),
        ([" ", "--to", "x.zip"], 2, "REF is empty"),
        (["case-1", "--to", "passphrase"], 4, "is there already"),
        (["case-1", "--to", "x.zip", "--withhold", "0"], 2, "is not about them"),
        (["case-1", "--to", "x.zip", "--withhold", "HERS:no"], 2, "has no field 'no'"),
    ],
)
def test_mistakes_are_named_and_leave_no_file(
    jane: Command, arguments: list[str], code: int, message: str
) -> None:
    hers = decision_of(jane)
    jane("persons", "export", *(one.replace("HERS", hers) for one in arguments), code=code)

    assert message in jane.words
    assert not list(Path().glob("x.zip*"))
