"""Who may register what, and with which keys: public, because verifiers need it."""

from itertools import islice
from typing import Final

from tallystick.errors import InputError
from tallystick.ledger import parse_policy_payload
from tallystick.ledger.policy import read_policy
from tallystick.statement import b64
from tallystick.statement.governance import KeyRecord, StatementType, parse_genesis
from tallystick.statement.keychain import KeyChains
from tallystick.web.answers import Answer, json_answer
from tallystick.web.call import Call
from tallystick.web.cursors import next_path, read_cursor
from tallystick.web.lookup import parse_number
from tallystick.web.schemas import KeysView, KeyView, LedgersView, LedgerView, PolicyView, RuleView
from tallystick.web.service import Service
from tallystick.web.settings import LEDGERS

KEYS_MAX: Final = 1000
"""Keys on one page."""


def policy(call: Call) -> Answer:
    """Return the registration policy that holds now, and the statement that registered it."""
    ledger = call.service.ledger
    found = ledger.get(ledger.state.policy_id)
    if found.statement.header.type == StatementType.GENESIS:
        registered = read_policy(parse_genesis(found.statement.payload).policy)
    else:
        registered = parse_policy_payload(found.statement.payload)
    content = registered.content()
    rules = [
        RuleView(rule["types"], rule.get("issuers", []), rule.get("kinds", []))
        for rule in content["rules"]
    ]
    seen, log = content.get("visibility", {}), content.get("log", "public")
    at = found.statement.id.hex(), found.index
    return json_answer(PolicyView(*at, content["version"], rules, seen, log))


def ledgers(call: Call) -> Answer:
    """Return the further ledgers that this service serves; the others know of none.

    Those that are private, or cannot be opened, are named on this machine only.
    """
    further = sorted(
        (name, one)
        for name, one in call.service.further.items()
        if call.caller.local or not (one is None or one.private)
    )
    return json_answer(LedgersView([_ledger_view(call, *one) for one in further]))


def _ledger_view(call: Call, name: str, service: Service | None) -> LedgerView:
    url = call.url(LEDGERS + name)
    if service is None:
        return LedgerView(name, url, "closed")
    ledger = service.ledger
    return LedgerView(name, url, "open", ledger.card.origin, ledger.published)


def keys(call: Call) -> Answer:
    """Return the keys of the log and of all registered issuers.

    Raises:
        InputError: The limit is outside 1..KEYS_MAX.
    """
    limit = parse_number(call, "limit", KEYS_MAX)
    if not 1 <= limit <= KEYS_MAX:
        raise InputError(f"limit must be in 1..{KEYS_MAX}, got {limit}")
    ledger, first = call.service.ledger, read_cursor(call.query, 0)
    genesis = parse_genesis(ledger.at(0).statement.payload)
    chains = ledger.state.chains
    records = list(chains.records.values())
    shown = [_key_view(chains, *one) for one in islice(records, first, first + limit)]
    more = first + limit < len(records)
    view = KeysView(
        origin=ledger.card.origin,
        checkpoint_key=ledger.card.checkpoint_key,
        receipt_key=b64.encode_url(ledger.receipt_signer.public.encode()),
        operator=genesis.operator,
        keys=shown,
        next=call.url(next_path("/keys", call.query, first + limit)) if more else None,
    )
    return json_answer(view)


def _key_view(chains: KeyChains, index: int, record: KeyRecord) -> KeyView:
    key_id = record.key.thumbprint()
    end, agreed = chains.end_of(record.issuer, key_id), chains.agreed.get((record.issuer, key_id))
    return KeyView(
        issuer=record.issuer,
        key_id=key_id.hex(),
        key=b64.encode_url(record.key.encode()),
        kind=str(record.kind),
        name=record.name,
        index=index,
        valid_until=None if end is None else end.last,
        state="valid" if end is None else end.reason,
        ended_by=None if end is None else end.index,
        agreed=None if agreed is None else agreed.hex(),
    )
