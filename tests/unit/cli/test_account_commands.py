"""`tally keys account`: bound by both, shown to strangers, unbound by one."""

from pathlib import Path

import pytest

from tallystick.ledger import Home, read_card
from tallystick.statement.account import write_address_of
from tests.unit.cli.running import Command
from tests.wallets import Wallet


def words(made: Command, *arguments: object, code: int) -> str:
    made(*arguments, code=code)
    return made.words


def signature(wallet: Wallet, text: str) -> str:
    """Return what the wallet does, with the bit that tells its key."""
    from tallystick.identity.secp256k1 import recover

    signed = wallet.sign(text)
    bit = next(bit for bit in (0, 1) if recover(signed, bit, text) == wallet.public)
    return "0x" + (signed + bytes([27 + bit])).hex()


def bind(made: Command, wallet: Wallet, name: str = "clinic") -> str:
    text = made.json("keys", "account", "text", name)["text"]
    address = write_address_of(wallet.public)
    made("keys", "account", "bind", name, address, "--signature", signature(wallet, text))
    return address


@pytest.fixture
def wallet() -> Wallet:
    return Wallet()


def test_an_account_is_bound_and_a_stranger_sees_that_both_agreed(
    made: Command, wallet: Wallet
) -> None:
    address = bind(made, wallet)
    Path("trust.policy").write_text(made("policy", "trust") + "\n")
    statement = made("register", "--as", "clinic", "--type", "document", "--field", "a=b").split()
    made("export", statement[0], "-o", "one.json")

    checks = made.json("verify", "one.json", "--policy", "trust.policy")["checks"]

    [check] = [one for one in checks if one["what"] == "account"]
    assert check["verdict"] == "verified"
    assert f"{address} belongs to did:key:" in check["detail"]
    assert "both agreed" in check["detail"]
    assert "until now" in made("keys", "account", "list", "clinic")


def test_an_account_is_unbound_and_not_bound_again(made: Command, wallet: Wallet) -> None:
    address = bind(made, wallet)
    text = made.json("keys", "account", "text", "clinic")["text"]

    made("keys", "account", "unbind", "clinic", address)

    said = words(made, "keys", "account", "bind", "clinic", address,
                 "--signature", signature(wallet, text), code=5)  # fmt: skip
    assert "was bound already" in said
    assert made.json("keys", "account", "list")["until"] is not None
    other = bind(made, Wallet())
    made("keys", "account", "unbind", "clinic", other, "--as-operator")


def test_a_signature_over_something_else_is_refused(made: Command, wallet: Wallet) -> None:
    address = write_address_of(wallet.public)

    said = words(made, "keys", "account", "bind", "clinic", address,
                 "--signature", signature(wallet, "something else"), code=1)  # fmt: skip

    assert f"expected {address}" in said
    assert "exactly what `tally keys account text clinic` writes" in said


def test_an_issuer_elsewhere_asks_for_it(made: Command, wallet: Wallet, tmp_path: Path) -> None:
    card, far = read_card(Home(made.home)), Command(tmp_path / "far", made.capsys)
    Path("key.json").write_text(
        far("keys", "request", "me", "--kind", "machine", "--origin", card.origin)
    )
    did = made("keys", "register", "key.json")
    log = ("--for", card.origin, "--genesis", card.genesis)
    text = far.json("keys", "account", "text", "me", *log)["text"]
    address = write_address_of(wallet.public)
    assert text == made.json("keys", "account", "text", did)["text"]
    Path("account.json").write_text(far("keys", "account", "bind", "me", address, "--signature",
                                        signature(wallet, text), *log))  # fmt: skip

    made("keys", "register", "account.json")

    assert made.json("keys", "account", "list", did)["address"] == address
    Path("end.json").write_text(far("keys", "account", "unbind", "me", address, *log[:2]))
    made("keys", "register", "end.json")
    assert made.json("keys", "account", "list", did)["until"] is not None
    assert "go together" in words(far, "keys", "account", "text", "me", *log[:2], code=2)
    assert "needs a key that says so" in words(
        far, "keys", "account", "unbind", did, address, *log[:2], code=2)  # fmt: skip
