"""How the ledger comes to sign with other keys of its own, whatever it is interrupted by.

In this order, each step durable before the next:

1. the next keys lie in the key file as `checkpoint~next`, `receipt~next` or `operator~next`,
2. the statement that hands over is registered; the key before signs the checkpoint that holds it,
3. the next keys take the place of those before, which are gone,
4. the checkpoint is signed by the next key, too, and published with both signatures,
5. `data/ledger.json` and `trust.policy` name the next key.

Steps 3 to 5 are done by opening the ledger (`tallystick.ledger.assembly`): what was interrupted
there is finished by the next process that writes. Before step 2 nothing has changed for anybody.
"""

from typing import Final

from tallystick.errors import DamagedError
from tallystick.identity import KeyFile
from tallystick.ledger.creation import (
    CHECKPOINT,
    OPERATOR,
    RECEIPT,
    Card,
    trust_policy,
    verifier_key,
    write_card,
)
from tallystick.ledger.home import Home
from tallystick.ledger.state import LedgerState
from tallystick.log import PosixDisk
from tallystick.statement.handover import Handover, HandoverReason, LogKeys
from tallystick.statement.keychain import KeyChains
from tallystick.statement.keylife import Rotation, next_record

NEXT: Final = "~next"
"""Behind the name of a key that is made, and not known to be registered yet."""


def make_next(
    keys: KeyFile, names: tuple[str, ...], keys_in: str | None, *, existing: bool
) -> None:
    """Make the keys that are to follow; they are durable before anybody hears of them.

    Args:
        keys: The service's.
        names: Which of its keys.
        keys_in: Key reference with `{}` in it for the name of each; in the key file by default.
        existing: Take the keys that lie there already.
    """
    for name in names:
        waiting, at = name + NEXT, None if keys_in is None else keys_in.replace("{}", name)
        if waiting in keys.names():
            if keys.reference(waiting) == at:
                continue
            keys.remove_signer(waiting)
        issuer = keys.signer(name).issuer if name == OPERATOR else None
        keys.make_signer(waiting, issuer=issuer, at=at, existing=existing)
    keys.save()


def next_handover(
    keys: KeyFile, origin: str, policy: str, reason: HandoverReason, until: int | None
) -> Handover:
    """Return the handover to the keys that `make_next` made, signed by them and the one that ends.

    A key that was lost does not agree; one that was compromised does, for whoever pinned it.
    """
    checkpoint, receipt = keys.signer(CHECKPOINT + NEXT), keys.signer(RECEIPT + NEXT)
    before = keys.signer(CHECKPOINT)
    previous, new = verifier_key(origin, before), verifier_key(origin, checkpoint)
    said = Handover(
        origin=origin,
        previous=previous,
        checkpoint_key=new,
        receipt_key=receipt.public,
        reason=reason,
        until=until,
        policy=policy.replace(f"log {previous.encode()}", f"log {new.encode()}"),
    )
    agrees = None if reason is HandoverReason.LOST else before.sign
    return said.signed(checkpoint.sign, receipt.sign, agrees)


def next_operator(keys: KeyFile, chains: KeyChains) -> Rotation:
    """Return the rotation of the operator's key to the one that `make_next` made."""
    old, new = keys.signer(OPERATOR), keys.signer(OPERATOR + NEXT)
    previous = chains.keys_of(old.issuer)[-1]
    _, first = chains.records[old.issuer, previous]
    record = next_record(chains.origin, first, new.public, new.sign)
    return Rotation.signed(chains.origin, record, previous, old.public, old.sign)


def take_registered(keys: KeyFile, state: LedgerState) -> bool:
    """Let the next keys take their place if the log has registered them; tell whether one did.

    Raises:
        DamagedError: The log signs with keys that are not here.
    """
    log, operator = state.log_keys.now, _operator_key(state)
    wanted = {
        CHECKPOINT: log.checkpoint_key.public,
        RECEIPT: log.receipt_key.raw,
        OPERATOR: operator,
    }
    taken = False
    for name, raw in wanted.items():
        if keys.signer(name).public.raw == raw:
            continue
        if name + NEXT not in keys.names() or keys.signer(name + NEXT).public.raw != raw:
            raise DamagedError(
                f"the {name} key in {keys.path} is not the one that the log signs with",
                advice="put the newest copy of the key file back",
            )
        keys.remove_signer(name)
        keys.rename(name + NEXT, name)
        taken = True
    if taken:
        keys.save()
    return taken


def _operator_key(state: LedgerState) -> bytes:
    assert state.genesis is not None  # noqa: S101 - entry 0 was applied
    issuer = state.genesis.operator
    return state.chains.records[issuer, state.chains.keys_of(issuer)[-1]][1].key.raw


def tell(home: Home, card: Card, log_keys: LogKeys) -> Card:
    """Let card and trust policy name the key that signs now; return the card."""
    now = log_keys.now.checkpoint_key.encode()
    if card.checkpoint_key == now:
        return card
    new = Card(card.origin, now, card.genesis)
    text = home.trust.read_text() if home.trust.exists() else trust_policy(card)
    disk = PosixDisk()
    disk.replace(home.trust, next_policy(text, log_keys).encode())
    write_card(home, new)
    return new


def next_policy(text: str, log_keys: LogKeys) -> str:
    """Return a trust policy with the key that signs now, and those that ended in order."""
    now = log_keys.now.checkpoint_key.encode()
    for term in log_keys.terms[:-1]:
        text = text.replace(f"log {term.checkpoint_key.encode()}", f"log {now}")
    kept = [line for line in text.splitlines() if not line.startswith("#tallystick retired ")]
    retired = [
        f"#tallystick retired {term.last} {term.checkpoint_key.encode()}"
        for term, after in zip(log_keys.terms, log_keys.terms[1:], strict=False)
        if after.reason is HandoverReason.ROTATED  # what a stolen key signed is not told apart
    ]
    return "".join(f"{line}\n" for line in [*kept, *retired])
