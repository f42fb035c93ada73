"""`tally keys account`: accounts of Ethereum and its kin that belong to an issuer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.arguments import parse_id
from tallystick.cli.key_life import read_chains, target_issuer
from tallystick.cli.key_requests import FOR, hand_in
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError, SignatureError

if TYPE_CHECKING:
    from tallystick.statement.keychain import KeyChains

_GENESIS = click.option(
    "--genesis", metavar="ID", help="With --for: id of that log's first entry, in hex."
)


@click.group()
def account() -> None:
    """Bind accounts (secp256k1) to issuers, by agreement of both."""


@account.command("text")
@click.argument("target", metavar="NAME|DID")
@FOR
@_GENESIS
@pass_session
def text(session: Session, target: str, origin: str | None, genesis: str | None) -> None:
    """Write the text that the account's wallet signs (personal_sign, EIP-191)."""
    from tallystick.statement.account import account_text

    issuer = target_issuer(session, target)
    log, first = _log(session, origin, genesis)
    words = account_text(log, first, issuer)
    session.give({"text": words, "issuer": issuer}, words)


@account.command("bind")
@click.argument("name")
@click.argument("address")
@click.option("--signature", required=True, help="What the wallet returned, 65 bytes in hex.")
@FOR
@_GENESIS
@pass_session
def bind(
    session: Session,
    name: str,
    address: str,
    signature: str,
    origin: str | None,
    genesis: str | None,
) -> None:
    """Bind the account ADDRESS to the issuer of the key NAME, which agrees.

    An account belongs to one issuer, an issuer has one account at a time, and an account that was
    unbound is never bound again.
    """
    from tallystick.identity.secp256k1 import parse_wallet_signature, recover
    from tallystick.statement.account import Account, account_text, parse_address, write_address

    expected = parse_address(address)
    signer = session.signer(name)
    log, first = _log(session, origin, genesis)
    signed, bit = parse_wallet_signature(signature)
    public = recover(signed, bit, account_text(log, first, signer.issuer))
    said = Account(issuer=signer.issuer, public=public, signature=signed)
    if said.address != expected:
        raise SignatureError(
            f"the signature is by {write_address(said.address)}, expected {address}",
            advice=f"let the wallet sign exactly what `tally keys account text {name}` writes",
        )
    said = said.signed_by(log, signer.public, signer.sign)
    hand_in(session, said, origin, f"the account {write_address(expected)} was bound")


@account.command("unbind")
@click.argument("target", metavar="NAME|DID")
@click.argument("address")
@click.option("--as-operator", is_flag=True, help="Say so as the operator, without the issuer.")
@FOR
@pass_session
def unbind(
    session: Session, target: str, address: str, origin: str | None, *, as_operator: bool
) -> None:
    """Say that the account ADDRESS belongs to its issuer no more.

    The key NAME says so itself; for a DID the operator does.
    """
    from tallystick.statement.account import AccountEnd, parse_address, write_address

    said = AccountEnd(issuer=target_issuer(session, target), address=parse_address(address))
    if not as_operator and not target.startswith("did:"):
        signer = session.signer(target)
        log = origin or read_chains(session).origin
        said = said.signed_by(log, signer.public, signer.sign)
    elif origin:
        raise InputError("--for needs a key that says so: give NAME")
    hand_in(session, said, origin, f"the account {write_address(said.address)} was unbound")


@account.command("list")
@click.argument("target", metavar="[NAME|DID]", required=False)
@pass_session
def list_accounts(session: Session, target: str | None) -> None:
    """List accounts: address, issuer, and from and until which entry it belongs to it."""
    issuer = None if target is None else target_issuer(session, target)
    session.give_all(_listed(read_chains(session), issuer))


def _listed(chains: "KeyChains", issuer: str | None) -> Iterator[tuple[dict[str, Any], str]]:
    from tallystick.statement.account import write_address

    for address, bound in chains.accounts.items():
        if issuer is None or bound.issuer == issuer:
            name = write_address(address)
            until = "now" if bound.ended is None else str(bound.ended)
            data = {"address": name, "issuer": bound.issuer, "from": bound.index}
            yield (
                {**data, "until": bound.ended},
                (f"{name}  {bound.issuer}  from {bound.index} until {until}"),
            )


def _log(session: Session, origin: str | None, genesis: str | None) -> tuple[str, bytes]:
    """Return the log's name and the id of its first entry."""
    if (origin is None) != (genesis is None):
        raise InputError("--for and --genesis go together: both name the other log")
    if origin is not None and genesis is not None:
        return origin, parse_id(genesis)
    chains = read_chains(session)
    return chains.origin, chains.genesis
