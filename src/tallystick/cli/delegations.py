"""`tally delegate` and `tally delegations`: who may act for whom, on the ledger."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.arguments import check_did, check_type, find_id
from tallystick.cli.printing import readable
from tallystick.cli.reading import moment, seconds_of
from tallystick.cli.registering import submit
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from tallystick.identity import Signer
    from tallystick.ledger import Found, Reads, Submission
    from tallystick.statement.delegation import Granted


@click.command()
@click.argument("agent", metavar="NAME|DID")
@click.option("--as", "principal", metavar="NAME", required=True, help="Key that signs it.")
@click.option("--types", required=True, metavar="TYPE,...", help="What the agent may register.")
@click.option("--until", required=True, metavar="TIME", help="End, such as 2027-01-01.")
@click.option(
    "--may-delegate", "depth", type=click.IntRange(0, 8), default=0, show_default=True,
    help="How often it may be passed on.",
)  # fmt: skip
@click.option("--purpose", metavar="CODE", help="Code that both sides know; public for ever.")
@click.option("--passing-on", metavar="ID", help="The delegation that is passed on with this.")
@pass_session
def delegate(
    session: Session,
    /,
    agent: str,
    principal: str,
    passing_on: str | None,
    **wanted: Any,
) -> None:
    """Let AGENT act for the holder of a key: a DID, or the name of a key made here."""
    signer = session.signer(principal)
    payload = _payload(session, signer, agent, **wanted)
    links = {}
    if passing_on is not None:
        with session.reader() as ledger:
            links = {"acted_for": (find_id(ledger, passing_on),)}
    submit(session, [_signed(signer, payload, links=links)])


@click.group()
def delegations() -> None:
    """List, show and revoke delegations."""


@delegations.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@pass_session
def list_delegations(session: Session, limit: int) -> None:
    """List delegations, newest first: index, state, agent, principal, types."""
    from tallystick.ledger import Query

    with session.reader() as ledger:
        found = ledger.find(Query(type="delegation", limit=limit)).found
        session.give_all(_rows(ledger, found))


@delegations.command("show")
@click.argument("delegation", metavar="ID|INDEX")
@pass_session
def show_delegation(session: Session, delegation: str) -> None:
    """Show one delegation."""
    with session.reader() as ledger:
        rows = list(_rows(ledger, (ledger.get(find_id(ledger, delegation)),)))
    if not rows:
        raise NotFoundError(f"statement {delegation:.80} is no delegation")
    session.give(*rows[0])


@delegations.command("revoke")
@click.argument("delegation", metavar="ID|INDEX")
@click.option("--as", "principal", metavar="NAME", required=True, help="Key of its principal.")
@pass_session
def revoke_delegation(session: Session, delegation: str, principal: str) -> None:
    """End a delegation, and all that passes it on, from now on."""
    from tallystick.statement.delegation import Revocation, revocation_subject

    with session.reader() as ledger:
        id_ = find_id(ledger, delegation)
    payload = Revocation(id_).encode()
    submit(session, [_signed(session.signer(principal), payload, subject=revocation_subject(id_))])


def _payload(session: Session, signer: "Signer", agent: str, **wanted: Any) -> bytes:
    from tallystick.statement.delegation import DELEGABLE, Delegation, parse_delegation

    types = frozenset(check_type(one.strip()) or "" for one in wanted["types"].split(","))
    if foreign := types - DELEGABLE:
        raise InputError(f"statements of type {min(foreign)!r} cannot be delegated")
    is_did = agent.startswith("did:")
    payload = Delegation(
        principal=signer.issuer,
        agent=(check_did(agent) or "") if is_did else session.signer(agent).issuer,
        types=types,
        not_after=seconds_of(wanted["until"]) or 0,
        depth=wanted["depth"],
        purpose=wanted["purpose"],
    ).encode()
    parse_delegation(payload)  # what is wrong shows before it is signed
    return payload


def _signed(signer: "Signer", payload: bytes, **members: Any) -> "Submission":
    from tallystick.ledger import Submission
    from tallystick.ledger.operator import inline_header
    from tallystick.statement import sign_statement
    from tallystick.statement.governance import StatementType

    header = inline_header(signer, StatementType.DELEGATION, int(time.time()), **members)
    return Submission(sign_statement(header, payload, signer.sign).entry)


def _rows(ledger: "Reads", found: "tuple[Found, ...]") -> Iterator[tuple[dict[str, Any], str]]:
    from tallystick.ledger.assembly import read_state

    state = read_state(ledger.index, ledger.snapshot)
    for one in found:
        grant = state.delegation(one.statement.id)
        if grant is not None:
            yield _as_data(grant, state.now), _line(grant, state.now)


def _state(grant: "Granted", now: int) -> str:
    if grant.revoked is not None:
        return "revoked"
    return "expired" if now >= grant.delegation.not_after else "valid"


def _as_data(grant: "Granted", now: int) -> dict[str, Any]:
    said = grant.delegation
    return {
        "id": grant.id.hex(),
        "index": grant.index,
        "state": _state(grant, now),
        "principal": said.principal,
        "agent": said.agent,
        "types": sorted(said.types),
        "not_after": said.not_after,
        "may_delegate": said.depth,
        "purpose": said.purpose,
        "passes_on": grant.parent.hex() if grant.parent else None,
        "revoked_at_index": grant.revoked,
    }


def _line(grant: "Granted", now: int) -> str:
    said = grant.delegation
    return (
        f"{grant.index:>8}  {_state(grant, now):<8} {grant.id.hex()[:16]}…  "
        f"{readable(said.agent)} for {readable(said.principal)}: {','.join(sorted(said.types))} "
        f"until {moment(said.not_after)}"
    )
