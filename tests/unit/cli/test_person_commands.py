"""`tally persons`: names in the vault, pseudonyms in the ledger, and a proof between them."""

import io
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tallystick.evidence import sign_fields
from tallystick.ledger import Home, Ledger, LedgerReader, Registered, read_card
from tallystick.ledger.creation import OPERATOR
from tallystick.statement import dcbor
from tests.ledgers import PASSPHRASE
from tests.unit.cli.running import Command

ADA = "Ada Lovelace"


@pytest.fixture
def ledger(made: Command) -> Command:
    """A ledger in which people may register documents."""
    made("policy", "allow", "document=person")
    Path("trust.policy").write_text(made("policy", "trust") + "\n")
    return made


def pseudonym(made: Command, relation: str, name: str = ADA, ref: str = "p-1") -> tuple[str, str]:
    """Make one; return the DID and the name of its key."""
    data = made.json("persons", "add", name, "--about", ref, "--for", relation)
    return data["did"], data["key"]


def signed(made: Command, key: str) -> str:
    return made("register", "--as", key, "--type", "document", "--field", "a=b").split()[0]


def verified(made: Command, statement: str, code: int = 0) -> list[dict[str, Any]]:
    made("export", statement, "-o", "one.json")
    report = made.json("verify", "one.json", "--policy", "trust.policy", code=code)
    checks: list[dict[str, Any]] = report["checks"]
    return checks


def binding_check(made: Command, file: str) -> dict[str, Any]:
    report = made.json("verify", file, "--policy", "trust.policy")
    [check] = [one for one in report["checks"] if one["what"] == "pseudonym"]
    return dict(check)


def test_a_person_is_somebody_else_in_each_relation(ledger: Command) -> None:
    clinic, court = pseudonym(ledger, "clinic"), pseudonym(ledger, "court")

    shown = [json.loads(line) for line in ledger("persons", "list", "--json").splitlines()]

    assert clinic[0] != court[0]
    assert {one["did"]: one["relation"] for one in shown} == {
        clinic[0]: "clinic", court[0]: "court"
    }  # fmt: skip
    assert {one["name"] for one in shown} == {ADA}
    assert "Lovelace" not in Home(ledger.home).issuer_keys.read_text()


def test_a_name_can_come_from_standard_input(
    ledger: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Grace Hopper\n"))

    did, _ = pseudonym(ledger, "navy", "-")

    assert "Grace Hopper, navy" in ledger("persons", "show", did)


def test_a_stranger_sees_who_one_pseudonym_is_and_that_its_key_agreed(ledger: Command) -> None:
    clinic, court = pseudonym(ledger, "clinic"), pseudonym(ledger, "court")

    ledger("persons", "prove", clinic[0], "-o", "ada.json")

    check = binding_check(ledger, "ada.json")
    assert check["verdict"] == "verified"
    assert f"{clinic[0]} is {ADA}, says the operator, and its key agreed" in check["detail"]
    data = Path("ada.json").read_text()
    assert court[0] not in data
    assert '"relation"' not in data.split('"shown"')[1]
    ledger("persons", "prove", clinic[0], "-o", "ada.json", "--relation")
    assert '"relation"' in Path("ada.json").read_text().split('"shown"')[1]


def test_a_pseudonym_whose_key_is_elsewhere_is_bound_on_the_operators_word(
    ledger: Command, tmp_path: Path
) -> None:
    far = Command(tmp_path / "far", ledger.capsys)
    origin = read_card(Home(ledger.home)).origin
    request = far("keys", "request", "me", "--kind", "person", "--origin", origin)
    Path("me.json").write_text(request)
    did = ledger("keys", "register", "me.json")

    ledger("persons", "add", ADA, "--about", "p-1", "--for", "clinic", "--did", did)

    ledger("persons", "prove", did, "-o", "ada.json")
    assert "alone: the key did not have to agree" in binding_check(ledger, "ada.json")["detail"]


def test_what_is_erased_leaves_statements_that_verify_and_no_name(ledger: Command) -> None:
    clinic, court = pseudonym(ledger, "clinic"), pseudonym(ledger, "court")
    statement = signed(ledger, clinic[1])

    ledger("persons", "erase", clinic[0], "--reason", "consent-withdrawn")

    assert "what remains for ever: the DID, its key, and when it signed" in ledger.words
    assert all(one["verdict"] != "failed" for one in verified(ledger, statement))
    assert "(erased)" in ledger("persons", "show", clinic[0])
    assert "what remains for ever" in ledger.words
    assert ADA in ledger("persons", "show", court[0])
    assert "erased" in _words(ledger, "persons", "prove", clinic[0], "-o", "no.json", code=2)
    assert not Path("no.json").exists()
    assert "was erased already" in _words(
        ledger, "persons", "erase", clinic[0], "--reason", "other", code=4)  # fmt: skip
    label = ledger.json("find", "--type", "label", "--subject", clinic[0])["id"]
    content = [one for one in verified(ledger, label) if one["what"] == "content"]
    assert "erased (consent-withdrawn)" in content[0]["detail"]
    signed(ledger, clinic[1])


def labelled(made: Command, did: str) -> str:
    """Let the operator say something else about a pseudonym; return the id."""
    with Ledger.open(Home(made.home), PASSPHRASE) as ledger:
        signer = ledger.keys.signer(OPERATOR)
        said = sign_fields(
            signer, "label", {"note": "pays late"}, issued_at=ledger.clock(), subject=did
        )
        [answer] = ledger.register([said])
    assert isinstance(answer, Registered)
    return answer.id.hex()


def test_other_labels_of_the_operator_are_not_taken_for_names(ledger: Command) -> None:
    before, _ = pseudonym(ledger, "clinic")
    other = labelled(ledger, before)
    after, _ = pseudonym(ledger, "court")

    shown = [json.loads(line) for line in ledger("persons", "list", "--json").splitlines()]

    assert [one["did"] for one in shown] == [before, after]
    ledger("persons", "prove", before, "-o", "ada.json")
    assert binding_check(ledger, "ada.json")["verdict"] == "verified"
    ledger("persons", "erase", before, "--reason", "objection")
    assert "(erased)" in ledger("persons", "show", before)
    assert "pays late" in ledger("show", other)
    assert "was erased already" in _words(
        ledger, "persons", "erase", before, "--reason", "other", code=4)  # fmt: skip


def test_a_pseudonym_with_other_labels_only_has_no_name_to_erase(ledger: Command) -> None:
    signer = ledger("keys", "create", "x", "--kind", "person").split()[-1]
    other = labelled(ledger, signer)

    for words in (("show",), ("erase", "--reason", "other"), ("prove", "-o", "no.json")):
        command, *rest = words
        assert "no name was ever bound" in _words(
            ledger, "persons", command, signer, *rest, code=2)  # fmt: skip

    assert "pays late" in ledger("show", other)


def test_erasing_all_about_a_person_links_no_pseudonyms(ledger: Command) -> None:
    both = [pseudonym(ledger, "clinic"), pseudonym(ledger, "court")]
    pseudonym(ledger, "clinic", "Grace Hopper", "p-2")
    ledger("register", "--as", both[0][1], "--type", "document", "--field", "a=b",
           "--about", "p-1")  # fmt: skip

    ledger("erase", "--about", "p-1", "--reason", "objection")

    erasing = [
        json.loads(line) for line in ledger("find", "--type", "erasure", "--json").splitlines()
    ]
    assert len(erasing) == 3
    shown = ledger("persons", "list")
    assert shown.count("(erased)") == 2
    assert "Grace Hopper" in shown


def _words(made: Command, *arguments: object, code: int) -> str:
    made(*arguments, code=code)
    return made.words


def test_what_is_no_person_is_refused(ledger: Command) -> None:
    did = ledger("keys", "list").split()[-1]

    assert "no name was ever bound" in _words(ledger, "persons", "show", did, code=2)
    about = ("--about", "p", "--for", "c")
    assert "not registered as a person" in _words(
        ledger, "persons", "add", ADA, *about, "--did", did, code=2)  # fmt: skip
    assert "printable letters" in _words(ledger, "persons", "add", "A\nB", *about, code=2)
    hers, _ = pseudonym(ledger, "x")
    assert "--reason must be one of" in _words(
        ledger, "persons", "erase", hers, "--reason", "why", code=2)  # fmt: skip


# --- nothing public that two pseudonyms of one person share


def public_values(home: Path, did: str) -> set[Any]:
    """Return every value of eight bytes or more in entries about or by a pseudonym."""
    found: set[Any] = set()
    with LedgerReader(Home(home), None) as ledger:
        for index in range(ledger.snapshot.checkpoint.size):
            statement = ledger.at(index).statement
            if did in {statement.header.subject, statement.header.issuer}:
                header = dcbor.decode(statement.protected, "header")
                parts = [header, statement.signature, statement.payload]
                if not statement.header.hashed:
                    parts.append(dcbor.decode(statement.payload, "payload"))
                found |= set(_leaves(parts))
    return {value for value in found if len(value) >= 8}


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for pair in value.items() for part in pair for leaf in _leaves(part)]
    if isinstance(value, list | tuple):
        return [leaf for one in value for leaf in _leaves(one)]
    return [value] if isinstance(value, bytes | str) else []


def test_two_pseudonyms_of_one_person_share_nothing_that_those_of_two_do_not(
    ledger: Command,
) -> None:
    one, same, other = (
        pseudonym(ledger, "clinic"), pseudonym(ledger, "clinic"),
        pseudonym(ledger, "clinic", "Grace Hopper", "p-2"),
    )  # fmt: skip
    for _, key in (one, same, other):
        signed(ledger, key)

    values = [public_values(ledger.home, did) for did, _ in (one, same, other)]

    assert all(len(some) > 10 for some in values)
    shared = [a & b for a, b in itertools.combinations(values, 2)]
    assert shared[0] == shared[1] == shared[2]
    assert not any(ADA in str(value) or "clinic" in str(value) for some in values for value in some)
