"""Look at one ledger for the law map: settings, what lies in its folder, and its whole log.

Reads only, and needs no passphrase: what is public, and counts. Nothing is judged here.
"""

import time
from collections import Counter
from typing import TYPE_CHECKING

from tallystick.cli.session import Session
from tallystick.errors import NotFoundError

if TYPE_CHECKING:
    from tallystick.lawmap import Configured, Seen, Stored, Upstream, Walk
    from tallystick.ledger import LedgerReader, LedgerState, Rule
    from tallystick.statement import SignedStatement
    from tallystick.web import Settings


def look(session: Session) -> "Seen":
    """Look at a ledger.

    Raises:
        NotFoundError: There is none.
        DamagedError: Its log or vault is damaged.
    """
    from tallystick.lawmap import Seen
    from tallystick.ledger.assembly import read_state

    settings = session.sources().settings()
    with session.reader() as ledger:
        walk = _walk(session, ledger)
        state = read_state(ledger.index, ledger.snapshot)
        claim = ledger.snapshot.checkpoint
        stored = _stored(session, state)
        calls, waiting = walk.calls()
        operator = state.genesis.operator if state.genesis else ""
        return Seen(
            at=int(time.time()),
            origin=claim.origin,
            size=claim.size,
            root=claim.root.hex(),
            configured=_configured(session, settings, stored.location),
            stored=stored,
            types=walk.types,
            documents=walk.documents(),
            calls=calls,
            open_calls=waiting,
            modelless=walk.modelless,
            faults=walk.faults(),
            emitters=walk.emitters(operator),
            decided_by=_by_kind(walk.deciders, state),
            undecided_on=walk.undecided_on,
            rowless=walk.rowless,
            open_payloads=walk.open_payloads,
            named_subjects=walk.named_subjects,
            nameless=walk.nameless,
            superseded=walk.superseded,
            early=walk.early(lambda id_: _find(ledger, id_)),
            reported=walk.reported(),
            last_erasure=walk.last_erasure,
            asked=walk.asked,
            waiting=walk.waiting(),
            answered_late=walk.answered_late,
        )


def _walk(session: Session, ledger: "LedgerReader") -> "Walk":
    from tallystick.lawmap import Walk
    from tallystick.ledger.entries import read_statement
    from tallystick.vault.census import nameless_in

    size = ledger.snapshot.checkpoint.size
    with (
        nameless_in(session.home.vault) as is_nameless,
        session.progress("Reading statements") as step,
    ):
        walk = Walk(is_nameless)
        for index in range(size):
            walk.add(index, read_statement(ledger.snapshot.reader, index))
            if index % 1024 == 0 or index == size - 1:
                step(index + 1, size)
    return walk


def _find(ledger: "LedgerReader", statement_id: bytes) -> "SignedStatement | None":
    try:
        return ledger.get(statement_id).statement
    except NotFoundError:
        return None


def _by_kind(deciders: Counter[str], state: "LedgerState") -> dict[str, int]:
    kinds = {record.issuer: str(record.kind) for _, record in state.keys.values()}
    found: Counter[str] = Counter()
    for issuer, number in deciders.items():
        found[kinds.get(issuer, "unknown")] += number
    return dict(found)


def _configured(session: Session, settings: "Settings", kept_in: str | None) -> "Configured":
    from tallystick.capture import ApiKeys
    from tallystick.lawmap import Configured
    from tallystick.webhooks.store import Webhooks

    now = int(time.time())
    known = ApiKeys(session.home.api_keys, b"").known()
    valid = [key for key in known if not any(
        at is not None and at <= now for at in (key.revoked_at, key.expires_at))]  # fmt: skip
    upstreams = _upstreams(settings, kept_in)
    return Configured(
        place=settings.data_location,
        gateway=bool(upstreams),
        upstreams=upstreams,
        fail_open=settings.fail_open,
        require_key=settings.require_key,
        show_content=settings.show_content,
        head_apart=settings.head is not None,
        open_host=None if settings.loopback else settings.host,
        encrypted=settings.tls_certificate is not None,
        webhooks=tuple((one.name, one.url) for one in Webhooks(session.home.webhooks).all()),
        api_keys=len(valid),
        endless_keys=sum(key.expires_at is None for key in valid),
    )


def _upstreams(settings: "Settings", kept_in: str | None) -> "tuple[Upstream, ...]":
    """Return whom the gateway would ask; the small model that ships with it is this machine."""
    from dataclasses import replace

    from tallystick.cli.gateways import gateway_settings
    from tallystick.cli.small_model import installed, small_model_asked
    from tallystick.lawmap import Upstream

    chosen = replace(gateway_settings(settings), kept_in=kept_in)
    found = [
        Upstream(name=one.name, url=one.url, location=one.location, allowed=chosen.may_send(one))
        for one in chosen.all_upstreams()
    ]
    if small_model_asked(settings) and installed("numpy"):
        here = settings.data_location
        found.append(Upstream(name="small-lm", url="http://127.0.0.1", location=here, own=True))
    return tuple(found)


def _stored(session: Session, state: "LedgerState") -> "Stored":
    from tallystick.capture.waiting import waiting
    from tallystick.lawmap import Stored
    from tallystick.ledger.backups import read_backup_note
    from tallystick.log import lock_holder
    from tallystick.vault.census import take_census
    from tallystick.verify.policy import NO_QUORUM, parse_policy

    home, note = session.home, read_backup_note(session.home)
    census, trust = take_census(home.vault), parse_policy(home.trust.read_bytes())
    kinds = {record.issuer: str(record.kind) for index, record in state.keys.values() if index}
    return Stored(
        records=census.records,
        erased=census.erased,
        location=census.location,
        applied=census.applied,
        spooled=waiting(home.spool).items,
        written=lock_holder(home.lock) is not None,
        passphrase_beside=(home.root / "passphrase").exists(),
        witnesses=len(trust.witnesses),
        quorum=trust.quorum != NO_QUORUM,
        backup_at=None if note is None else note.at,
        backup_content=note is not None and note.content,
        recovery=len(kinds.keys() & state.chains.recovery.keys()),
        kinds=dict(Counter(kinds.values())),
        ended=len(state.chains.ends),
        rules=tuple(_in_words(rule) for rule in state.policy.rules),
    )


def _in_words(rule: "Rule") -> str:
    """Return a rule as `tally policy allow` takes it."""
    who = sorted({*rule.issuers, *map(str, rule.kinds)})
    return f"{'+'.join(sorted(rule.types))}={'+'.join(who)}"
