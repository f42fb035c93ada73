"""`tally credentials`: roles and qualifications, issued, shown in part, verified offline."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.arguments import check_did
from tallystick.cli.session import Session, pass_session
from tallystick.cli.status_lists import give_place, read_tokens, status_list
from tallystick.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tallystick.identity.credentials import VerifiedCredential
    from tallystick.statement import PublicKey

_DAY: Final = 86_400
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT: Final = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File [standard output]."
)
_ASKED: Final = (
    click.option("--audience", required=True, help="Who is to see it, such as a URL."),
    click.option("--nonce", required=True, help="What they gave out for this one time."),
)


@click.group()
def credentials() -> None:
    """Issue, show in part and verify credentials (SD-JWT VC), offline.

    A credential says of its holder, a key, what they are: a radiologist, a specialist for
    contracts. The holder shows as much of it as is needed, to one audience, once.
    """


credentials.add_command(status_list)


@credentials.command("issue")
@click.option("--as", "issuer", required=True, metavar="NAME", help="Key that signs.")
@click.option("--to", "holder", required=True, metavar="NAME|DID", help="Who it is about.")
@click.option("--type", "kind", required=True, metavar="URN", help="Name of its type.")
@click.option(
    "--claim", "claims", multiple=True, required=True, metavar="NAME=VALUE",
    help="What it says; the holder may leave out each.",
)  # fmt: skip
@click.option("--days", type=click.IntRange(min=1), help="How long it is valid [for ever].")
@click.option("--list", "listed", type=_FILE, help="List that may revoke it later, see `list new`.")
@_OUT
@pass_session
def issue(
    session: Session, /, issuer: str, holder: str, kind: str, claims: tuple[str, ...],
    days: int | None, listed: Path | None, output: Path | None,
) -> None:  # fmt: skip
    """Issue a credential to the holder of a key: one that was made here, or a did:key."""
    from tallystick.identity import credentials as made

    now = int(time.time())
    content = made.Content(
        type=kind, claims=_pairs(claims), holder=_key(session, holder), issued_at=now,
        expires_at=now + days * _DAY if days else None,
        status=None if listed is None else give_place(listed),
    )  # fmt: skip
    _write(session, output, made.issue(content, session.signer(issuer), os.urandom))


@credentials.command("show")
@click.argument("file", type=_FILE)
@pass_session
def show(session: Session, file: Path) -> None:
    """Show what stands in a credential or a presentation; nothing of it is verified."""
    from tallystick.identity import jws, sd_jwt

    parsed = sd_jwt.parse(_read(file))
    _, payload = jws.peek(parsed.token)
    disclosed = {one.name or "…": one.value for one in parsed.disclosures}
    bound = jws.peek(parsed.binding)[1] if parsed.binding else None
    session.say("nothing of this is verified")
    lines = [f"{name} = {value}" for name, value in {**payload, **disclosed}.items()
             if not name.startswith("_sd")]  # fmt: skip
    session.give({"open": payload, "disclosed": disclosed, "binding": bound}, "\n".join(lines))


@credentials.command("present")
@click.argument("file", type=_FILE)
@click.option("--as", "holder", required=True, metavar="NAME", help="Key it was issued to.")
@click.option("--reveal", multiple=True, metavar="NAME", help="A claim to show; others stay out.")
@_ASKED[0]
@_ASKED[1]
@_OUT
@pass_session
def present(
    session: Session, /, file: Path, holder: str, reveal: tuple[str, ...], audience: str,
    nonce: str, output: Path | None,
) -> None:  # fmt: skip
    """Show some claims of a credential to one audience, once."""
    from tallystick.identity import credentials as made

    signer, now = session.signer(holder), int(time.time())
    _write(session, output, made.present(_read(file), reveal, signer, audience, nonce, now))


@credentials.command("verify")
@click.argument("file", type=_FILE)
@click.option(
    "--issuer", "issuers", multiple=True, required=True, metavar="DID",
    help="Whose credentials count; may be given again.",
)  # fmt: skip
@_ASKED[0]
@_ASKED[1]
@click.option("--type", "kinds", multiple=True, metavar="URN", help="Types that count [any].")
@click.option("--claim", "claims", multiple=True, metavar="NAME", help="Claims that must be shown.")
@click.option(
    "--list", "lists", multiple=True, type=_FILE,
    help="List of revoked credentials, or the bundle in which one is registered.",
)  # fmt: skip
@click.option("--policy", type=_FILE, help="Trust policy for a bundle [that of this ledger].")
@click.option("--only", is_flag=True, help="Refuse what shows more than these claims.")
@pass_session
def verify(
    session: Session, /, file: Path, issuers: tuple[str, ...], audience: str, nonce: str,
    kinds: tuple[str, ...], claims: tuple[str, ...], lists: tuple[Path, ...], policy: Path | None,
    *, only: bool,
) -> None:  # fmt: skip
    """Verify a presentation offline: who issued it, that its holder shows it, to us, just now.

    Ends with 0 if it holds, 1 with the reason if not, 3 if it names a list of revoked credentials
    that is not given. That the list is the newest one is for you to see to.
    That a nonce is used once is for you to see to.
    """
    from tallystick.identity import credentials as made
    from tallystick.statement import parse_did_key

    keys = {did: parse_did_key(did) for did in filter(check_did, issuers)}
    expected = made.Expected(
        issuers=keys, audience=audience, nonce=nonce, types=kinds or None, claims=claims,
        only=only, status_lists=[one.strip() for one in read_tokens(session, lists, policy)],
    )  # fmt: skip
    _tell(session, made.verify(_read(file), expected, int(time.time())))


def _tell(session: Session, found: "VerifiedCredential") -> None:
    data: dict[str, Any] = {
        "verdict": "verified",
        "issuer": found.issuer,
        "type": found.type,
        "holder": found.holder.did(),
        "claims": dict(found.claims),
        "hidden": found.hidden,
        "expires_at": found.expires_at,
        "status_at": found.status_at,
    }
    shown = ", ".join(f"{name} = {value}" for name, value in found.claims.items()) or "nothing"
    text = f"verified: {shown}; {found.hidden} more not shown\nholder {data['holder']}"
    session.give(data, f"{text}\nissuer {found.issuer}")


def _pairs(claims: "Iterable[str]") -> dict[str, str]:
    pairs = {}
    for claim in claims:
        name, equals, value = claim.partition("=")
        if not equals or not name or name in pairs:
            raise InputError(f"expected --claim NAME=VALUE, each name once, got {claim[:80]!r}")
        pairs[name] = value
    return pairs


def _key(session: Session, who: str) -> "PublicKey":
    from tallystick.statement import parse_did_key

    if who.startswith("did:"):
        check_did(who)
        return parse_did_key(who)
    return session.signer(who).public


def _read(file: Path) -> str:
    from tallystick.identity.sd_jwt import BYTES_MAX

    with file.open("rb") as opened:
        return opened.read(BYTES_MAX + 2).decode("latin-1").strip()


def _write(session: Session, output: Path | None, text: str) -> None:
    if output is None:
        session.give({"credential": text}, text)
        return
    output.touch(0o600)
    output.write_text(f"{text}\n")
    session.give({"file": str(output)}, str(output))
