"""A ledger whose keys are kept elsewhere: it is made, registers, and goes on when they are back."""

from pathlib import Path

import pytest

from tallystick.errors import TallystickError, UnavailableError
from tallystick.identity import KeptSigner
from tallystick.ledger import Home, Ledger, create
from tests.custody.places import Place, Token
from tests.custody.test_contract import fresh
from tests.ledgers import (
    ALLOW_ORGANISATIONS,
    ORIGIN,
    PASSPHRASE,
    Clock,
    Issuer,
    many,
    submissions,
)
from tests.unit.cli.running import Command


def made(folder: Path, place: Place) -> Home:
    home = Home(folder / "home")
    create(home, ORIGIN, PASSPHRASE, clock=Clock(), policy=ALLOW_ORGANISATIONS,
           keys_in=place.reference(f"{fresh()}-{{}}"))  # fmt: skip
    return home


def test_all_its_keys_are_kept_there_and_it_registers(place: Place, tmp_path: Path) -> None:
    home, issuer = made(tmp_path, place), Issuer()
    with Ledger.open(home, PASSPHRASE, clock=Clock()) as ledger:
        for name in ("checkpoint", "receipt", "operator"):
            assert isinstance(ledger.keys.signer(name), KeptSigner)
        ledger.register_key(issuer.record())
        [registered] = ledger.register(submissions(*many(issuer, 1)))
        assert not isinstance(registered, TallystickError)
        proof = ledger.prove(registered.id)

    assert proof.receipt
    with Ledger.open(home, PASSPHRASE, clock=Clock()) as ledger:
        assert ledger.get(registered.id).index == registered.index


def test_nothing_is_lost_while_the_token_is_away(token: Token, tmp_path: Path) -> None:
    home, issuer = made(tmp_path, token), Issuer()
    with Ledger.open(home, PASSPHRASE, clock=Clock()) as ledger:
        ledger.register_key(issuer.record())
        first, second = submissions(*many(issuer, 2))
        [before] = ledger.register([first])
        with token.away():
            for _ in range(2):
                with pytest.raises(UnavailableError):
                    ledger.register([second])
            assert ledger.trouble

        [after] = ledger.register([second])
        [again] = ledger.register([first])

    assert not isinstance(before, TallystickError)
    assert not isinstance(after, TallystickError)
    assert not isinstance(again, TallystickError)
    assert again.index == before.index < after.index
    with Ledger.open(home, PASSPHRASE, clock=Clock()) as ledger:
        assert ledger.get(after.id).index == after.index


def test_one_place_for_three_keys_is_refused(bare: Command, token: Token) -> None:
    bare("init", "--keys-in", token.reference("same"), code=2)

    assert "cannot keep three keys" in bare.words
    assert not (bare.home / "data" / "ledger.json").exists()


def test_commands_make_use_and_rotate_keys_that_are_kept_elsewhere(
    bare: Command, place: Place
) -> None:
    bare("init", "--allow", "document=organisation", "--keys-in", place.reference(fresh() + "-{}"))
    bare("keys", "create", "clinic", "--kind", "organisation", "--in", place.reference(fresh()))
    say = ("register", "--type", "document", "--field", "title=A", "--as", "clinic")
    first = bare(*say)
    bare("keys", "rotate", "clinic", "--in", place.reference(fresh()), "--algorithm", "es256")
    second = bare(*say)

    for said in (first, second):
        bare("export", said, "-o", f"{said}.tally.json")
        assert "VERIFIED" in bare("verify", f"{said}.tally.json")
    assert "5 keys that are kept elsewhere" in bare("doctor", code=0)


def test_doctor_names_the_key_that_is_away(bare: Command, token: Token) -> None:
    bare("init", "--keys-in", token.reference(fresh() + "-{}"))

    with token.away():
        words = bare("doctor", code=1)

    assert "custody" in words
    assert "the key 'checkpoint' at pkcs11:" in words


def test_a_key_that_lies_there_is_taken_only_if_one_says_so(bare: Command, place: Place) -> None:
    bare("init")
    reference = place.reference(fresh())
    bare("keys", "create", "a", "--kind", "machine", "--in", reference)
    create_b = ("keys", "create", "b", "--kind", "ai", "--in", reference)

    bare(*create_b, code=4)

    bare(*create_b, "--existing", code=5)  # a key has one holder: it is registered as a's
    bare("keys", "create", "c", "--kind", "machine", "--existing", code=2)
