"""`tally passkeys`: people who approve, invited to make a passkey; what they made, and its end."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from tallystick.cli.arguments import check_did, find_id
from tallystick.cli.key_life import read_chains
from tallystick.cli.key_requests import register
from tallystick.cli.printing import readable
from tallystick.cli.remote import find_service
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from tallystick.statement.keychain import End, KeyChains
    from tallystick.statement.passkey import Passkey

_HOUR: Final = 3600


@click.group()
def passkeys() -> None:
    """Invite people to make passkeys, with which they approve; list and revoke them."""


@passkeys.command("invite")
@click.argument("who", metavar="NAME|DID")
@click.option(
    "--hours", type=click.IntRange(1, 168), default=24, show_default=True,
    help="How long the code counts.",
)  # fmt: skip
@click.option(
    "--agreement", is_flag=True,
    help="Register the passkey only once the person's key agrees: `tally passkeys agree`.",
)  # fmt: skip
@pass_session
def invite(session: Session, who: str, hours: int, *, agreement: bool) -> None:
    """Let a person make one passkey: write the address that you give to them alone.

    WHO is registered as a person. Whoever opens the address first makes the passkey; hand it over
    in a way that nobody else reads.
    """
    import time

    from tallystick.approvals import Waiting
    from tallystick.approvals.enrolling import invite as make_code
    from tallystick.ledger.assembly import read_state

    issuer, now = issuer_of(session, who), int(time.time())
    with session.reader(with_keys=True) as ledger:
        state = read_state(ledger.index, ledger.snapshot)
        waiting = Waiting(session.home.asked, ledger.api_secret)
        try:
            code = make_code(waiting, state, issuer, now, hours * _HOUR, agreement=agreement)
        finally:
            waiting.close()
    url = f"{pages_url(session)}/passkeys#{code}"
    session.say(f"for {readable(issuer)}, once, within {hours} hours; the service must run then")
    session.give(
        {"issuer": issuer, "url": url, "code": code, "expires_at": now + hours * _HOUR}, url
    )


@passkeys.command("agree")
@click.argument("code")
@click.option("--as", "name", metavar="NAME", required=True, help="Key of the person.")
@pass_session
def agree(session: Session, code: str, name: str) -> None:
    """Agree with a person's key to the passkey that was made with CODE, and register it.

    Then nobody has to believe the operator that it is theirs.
    """
    from tallystick.approvals import Waiting
    from tallystick.approvals.enrolling import agree as agreed

    signer = session.signer(name)
    with session.reader(with_keys=True) as ledger:
        waiting = Waiting(session.home.asked, ledger.api_secret)
        try:
            passkey = agreed(waiting, code.rpartition("#")[2], ledger.card.origin, signer)
        finally:
            waiting.close()
    register(session, passkey, "the passkey was registered")


@passkeys.command("list")
@pass_session
def list_passkeys(session: Session) -> None:
    """List passkeys: index, state, whose, for which pages."""
    chains = read_chains(session)
    known = sorted(chains.passkeys.items(), key=lambda found: found[1][0])
    session.give_all(_rows(chains, [(index, passkey) for _, (index, passkey) in known]))


@passkeys.command("revoke")
@click.argument("passkey", metavar="ID|INDEX")
@click.option(
    "--reason", type=click.Choice(["superseded", "compromised", "lost", "ceased", "unspecified"]),
    required=True,
)  # fmt: skip
@click.option(
    "--until", type=click.IntRange(min=0), metavar="INDEX",
    help="Last entry to be believed, for a compromised passkey; else it ends with the revocation.",
)  # fmt: skip
@pass_session
def revoke(session: Session, passkey: str, reason: str, until: int | None) -> None:
    """End a passkey for ever: it approves nothing more, and what it approved before stays valid."""
    from tallystick.statement.keylife import Reason, Revocation, parse_key_statement
    from tallystick.statement.passkey import Passkey

    if until is not None and reason != "compromised":
        raise InputError("--until is for a compromised passkey: give --reason compromised, too")
    with session.reader() as ledger:
        found = ledger.get(find_id(ledger, passkey)).statement
    said = parse_key_statement(found.payload) if found.header.type == "key" else None
    if not isinstance(said, Passkey):
        raise NotFoundError(f"statement {passkey:.80} registered no passkey")
    end = Revocation(
        issuer=said.issuer, key_id=said.key.thumbprint(), reason=Reason(reason), until=until
    )
    register(session, end, "the passkey was revoked")


def issuer_of(session: Session, who: str) -> str:
    """Return whom somebody meant: a DID, or the name of a key that was made here."""
    if who.startswith("did:"):
        return check_did(who) or ""
    return session.signer(who).issuer


def pages_url(session: Session) -> str:
    """Return where people find the pages of the service: as it is called, or on this machine.

    Raises:
        InputError: Browsers do not let pages at that address use passkeys.
    """
    from tallystick.approvals import local_party, party_of

    settings = session.sources().settings()
    if settings.public_url is not None:
        party_of(settings.public_url)
        return settings.public_url.rstrip("/")
    parts = urlsplit(find_service(session.home) or f"http://localhost:{settings.port}")
    return local_party(parts.port or settings.port).origin + parts.path


def _rows(
    chains: "KeyChains", known: "list[tuple[int, Passkey]]"
) -> Iterator[tuple[dict[str, Any], str]]:
    for index, passkey in known:
        end = chains.end_of(passkey.issuer, passkey.key.thumbprint())
        state = "valid" if end is None else end.reason
        data = {
            "index": index,
            "state": state,
            "issuer": passkey.issuer,
            "key_id": passkey.key.thumbprint().hex(),
            "origins": list(passkey.origins),
            "agreed": None if passkey.by is None else passkey.by.hex(),
            "valid_until": None if end is None else end.last,
        }
        yield data, _line(index, passkey, end, state)


def _line(index: int, passkey: "Passkey", end: "End | None", state: str) -> str:
    until = "" if end is None else f", until index {end.last}"
    pages = ", ".join(passkey.origins)
    agreed = "" if passkey.by is None else ", agreed to by the person's key"
    return f"{index:>8}  {state:<8} {readable(passkey.issuer)} at {readable(pages)}{agreed}{until}"
