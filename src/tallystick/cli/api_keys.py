"""`tally keys api`: keys for callers, each standing for a registered originator."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

import click

from tallystick.cli.acts import record
from tallystick.cli.allowances import budget_data, budget_words, known_spending, scope_words
from tallystick.cli.arguments import check_did, find_id
from tallystick.cli.printing import readable
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError, NotFoundError, RefusedError

if TYPE_CHECKING:
    from tallystick.capture import ApiKey, ApiKeys
    from tallystick.capture.budgets import Period, Spending
    from tallystick.ledger import LedgerReader

_COUNT: Final = click.IntRange(min=1, max=2**53)
_DAY: Final = 86_400
LABEL_MAX: Final = 200


@click.group()
def api() -> None:
    """Make, list and revoke API keys for the gateway and for writing over HTTP."""


@api.command("create")
@click.argument("originator", metavar="NAME|DID")
@click.option("--label", default="", help="For people; stays in the file of keys.")
@click.option("--days", type=click.IntRange(min=1), help="How long it is valid [for ever].")
@click.option(
    "--model", "models", multiple=True, metavar="PATTERN",
    help="A model it may ask for, such as 'gpt-*'; may be given again [every model].",
)  # fmt: skip
@click.option(
    "--role", type=click.Choice(["reader", "auditor", "originator", "operator", "admin"]),
    default="originator", show_default=True,
    help="What its holder may do, see the guide on access.",
)  # fmt: skip
@click.option(
    "--only", type=click.Choice(["gateway", "register"]),
    help="The one thing it is good for: calling models, or writing over HTTP [both].",
)  # fmt: skip
@click.option(
    "--acting-for", metavar="DID|ID",
    help="Whom ORIGINATOR acts for, or the delegation by which; then calls name both.",
)  # fmt: skip
@click.option("--tokens-max", type=_COUNT, help="Most tokens, in and out together, per period.")
@click.option("--calls-max", type=_COUNT, help="Most calls per period.")
@click.option(
    "--per", type=click.Choice(["day", "month", "ever"]),
    help="Period of the budget, of UTC [ever].",
)  # fmt: skip
@pass_session
def create_api_key(
    session: Session,
    /,
    originator: str,
    label: str,
    days: int | None,
    acting_for: str | None,
    **limits: Any,
) -> None:
    """Make an API key for ORIGINATOR: a DID, or the name of a key made here.

    The key is shown once. Calls made with it are recorded as made for that originator; with
    --acting-for, as made by it for somebody else, as long as the delegation holds. Calls that
    are under way at the same time may overshoot a budget by what they use together.
    """
    from tallystick.capture import originator_of
    from tallystick.statement.administration import Act

    session.need_ledger()
    if len(label) > LABEL_MAX or not label.isprintable():
        raise InputError(f"a label has at most {LABEL_MAX} printable letters, got {label[:80]!r}")
    did = (
        check_did(originator) or ""
        if originator.startswith("did:")
        else session.signer(originator).issuer
    )
    now, limits = int(time.time()), _limits(**limits)
    with session.reader(with_keys=True) as ledger:
        known = originator_of(ledger, did)
        keys = _keys(session, ledger.api_secret)
        if acting_for is not None:
            limits |= _acting(ledger, did, acting_for, limits["only"])
    ends = now + days * _DAY if days else None
    token, key = keys.draft(known, now=now, label=label, expires_at=ends, **limits)
    record(session, Act.KEY_MADE, key.id, role=str(key.role))
    keys.add(key)
    whom = f"{did}, acting for {key.principal}" if key.principal else did
    session.say(f"API key {key.id} stands for {whom}; it is not shown again")
    data = {"token": token, "id": key.id, "issuer": did}
    session.give({**data, "principal": key.principal, "delegation": key.delegation}, token)


@api.command("list")
@pass_session
def list_api_keys(session: Session) -> None:
    """List all API keys, also those that expired or were revoked, and what is used of budgets."""
    now = int(time.time())
    known = _keys(session, b"").known()
    spending = known_spending(session, _day(now))
    session.give_all((_as_data(key, now, spending), _line(key, now, spending)) for key in known)


@api.command("revoke")
@click.argument("key_id", metavar="ID")
@pass_session
def revoke_api_key(session: Session, key_id: str) -> None:
    """Refuse the API key ID from now on; a running service learns of it within a second.

    It is revoked also where that cannot be recorded, such as without the passphrase; run it again.
    """
    from tallystick.statement.administration import Act

    key = _keys(session, b"").revoke(key_id, now=int(time.time()))
    record(session, Act.KEY_REVOKED, key.id)
    session.say(f"revoked {key.id}")
    session.give({"id": key.id, "revoked_at": key.revoked_at}, key.id)


def _limits(
    models: tuple[str, ...],
    only: str | None,
    tokens_max: int | None,
    calls_max: int | None,
    per: str | None,
    role: str,
) -> dict[str, Any]:
    """Return scope, role and budget as `ApiKeys.draft` takes them."""
    from tallystick.capture.budgets import Budget
    from tallystick.capture.roles import Role

    scope = {"models": models, "only": only, "role": Role(role)}
    if tokens_max is None and calls_max is None:
        if per is not None:
            raise InputError(
                f"--per {per} limits nothing", advice="add --tokens-max or --calls-max"
            )
        return scope
    budget = Budget(per=cast("Period", per or "ever"), tokens_max=tokens_max, calls_max=calls_max)
    return {**scope, "budget": budget}


def _acting(ledger: "LedgerReader", agent: str, named: str, only: str | None) -> dict[str, Any]:
    """Find the delegation by which a key is to act: by its id, or by the DID of the principal."""
    from tallystick.ledger.acting import find_acting, read_acting

    if only == "register":
        raise InputError(
            "a key with --acting-for calls models only, got --only register",
            advice="statements name their delegation themselves: `tally register --acting-for`",
        )
    now = int(time.time())
    if named.startswith("did:"):
        check_did(named)
        acting = find_acting(ledger, named, agent, "inference", now)
    else:
        found = read_acting(ledger, find_id(ledger, named))
        if found is None:
            raise NotFoundError(f"statement {named:.80} is no delegation")
        acting, size = found, ledger.snapshot.checkpoint.size
        if (fault := acting.fault(agent, "inference", now, size)) is not None:
            raise RefusedError(
                f"the delegation does not allow this: {fault.words}",
                reason=f"delegation.{fault.reason}",
            )
    leaf = acting.leaf.id.hex()
    return {"delegation": leaf, "principal": acting.principal, "only": "gateway"}


def _keys(session: Session, secret: bytes) -> "ApiKeys":
    from tallystick.capture import ApiKeys

    session.need_ledger()
    return ApiKeys(session.home.api_keys, secret)


def _state(key: "ApiKey", now: int) -> str:
    if key.revoked_at is not None:
        return "revoked"
    expired = key.expires_at is not None and now >= key.expires_at
    return "expired" if expired else "valid"


def _as_data(key: "ApiKey", now: int, spending: "Spending | None") -> dict[str, Any]:
    return {
        "id": key.id,
        "state": _state(key, now),
        "issuer": key.issuer,
        "label": key.label,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "models": list(key.models),
        "role": str(key.role),
        "only": key.only,
        "principal": key.principal,
        "delegation": key.delegation,
        "budget": budget_data(key, spending, _day(now)),
    }


def _line(key: "ApiKey", now: int, spending: "Spending | None") -> str:
    made = _day(key.created_at)
    ends = f"until {_day(key.expires_at)}" if key.expires_at is not None else "for ever"
    parts = [f"{key.id}  {_state(key, now):<8} made {made}, {ends}", readable(key.issuer)]
    parts += [f"acting for {readable(key.principal)}" if key.principal else ""]
    parts += [readable(key.label), scope_words(key), budget_words(key, spending, _day(now))]
    return "  ".join(part for part in parts if part)


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
