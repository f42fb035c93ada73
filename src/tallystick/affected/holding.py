"""What a person holds of a decision, and whether that shows that it is about them.

Two things do: the code that was handed out with the receipt, and the whole record, opened, with the
salt of every field. A receipt or an id alone shows nothing but what everybody may know,
and so does a record that the policy or publications open to everybody. A record opened in part
shows neither: it may have been given to an auditor.
"""

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Final, Literal

from tallystick.affected.codes import is_code
from tallystick.errors import (
    CommitmentError,
    EncodingError,
    InputError,
    LimitError,
    NotFoundError,
    ProofError,
    RefusedError,
    TallystickError,
)
from tallystick.ledger import Found, Ledger, publications_of
from tallystick.ledger.policy import Visibility
from tallystick.merkle import leaf_hash, root_from_inclusion
from tallystick.statement import Disclosure, parse_note, parse_receipt, parse_statement
from tallystick.statement.checkpoint import parse_checkpoint
from tallystick.statement.commitment import verify_disclosure
from tallystick.statement.publication import parse_publication
from tallystick.statement.receipt import Receipt
from tallystick.statement.tlog_proof import parse_tlog_proof
from tallystick.verify import parse_bundle

HELD_BYTES_MAX: Final = 1 << 20
"""Most letters of what somebody pastes."""
CODE_LETTERS_MAX: Final = 100
_ID: Final = re.compile(r"[0-9a-f]{64}")
Shown = Literal["code", "record"]


@dataclass(frozen=True, slots=True)
class Held:
    """What a person gives; nothing of it is believed.

    Attributes:
        receipt: A receipt (COSE, in base64 or hex), a tlog-proof, an evidence bundle, or an id.
        code: As handed out with it; empty where there is none.
    """

    receipt: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Entitled:
    """What somebody holds, and what that shows.

    Attributes:
        found: The decision in this log.
        by: What showed that it is about them; None where nothing did.
        proven: In words: what the receipt itself proves here.
    """

    found: Found
    by: Shown | None
    proven: str

    def check(self) -> Shown:
        """Refuse whoever did not show that it is about them.

        Raises:
            RefusedError: `reason` is `appeal.code`.
        """
        if self.by is None:
            raise RefusedError(
                "this shows that the decision is registered, which everybody may know, and not "
                "that it is about you",
                reason="appeal.code",
                advice="give the code that was handed out with it, or the whole record",
            )
        return self.by


def identify(ledger: Ledger, held: Held) -> Entitled:
    """Find the decision that somebody holds something of, and whether it is theirs.

    Raises:
        LimitError: More than is taken.
        EncodingError: None of the forms that are read here.
        NotFoundError: No such statement is registered here.
        RefusedError: It is of another log (`appeal.other-log`), or the code is not the one of this
            decision (`appeal.code`).
        ProofError: The receipt does not lead to what this log holds.
    """
    if len(held.receipt) > HELD_BYTES_MAX or len(held.code) > CODE_LETTERS_MAX:
        raise LimitError(f"at most {HELD_BYTES_MAX} letters are taken, got {len(held.receipt)}")
    found, proven, record = _find(ledger, held.receipt.strip())
    if held.code.strip():
        origin, secret = ledger.card.origin, ledger.api_secret
        if not is_code(held.code, secret, origin, found.statement.id):
            raise RefusedError(
                "that is not the code of this decision",
                reason="appeal.code",
                advice="copy it once more; whoever decided can hand it out again",
            )
        return Entitled(found, "code", proven)
    shows = _is_whole(found, record) and not _is_public(ledger, found)
    return Entitled(found, "record" if shows else None, proven)


def _find(ledger: Ledger, text: str) -> tuple[Found, str, Disclosure | None]:
    """Return the statement, what is proven of it, and its content as far as it was given."""
    if not text:
        raise InputError("nothing was given: paste the receipt, the record, or its id")
    if _ID.fullmatch(text.lower()):
        return ledger.get(bytes.fromhex(text)), "an id proves nothing by itself", None
    if text.startswith("{"):
        return _in_bundle(ledger, text)
    if text.startswith("c2sp.org/tlog-proof"):
        return _by_tlog_proof(ledger, text)
    return _by_receipt(ledger, parse_receipt(_octets(text)))


def _in_bundle(ledger: Ledger, text: str) -> tuple[Found, str, Disclosure | None]:
    bundle = parse_bundle(text.encode())
    _check_origin(ledger, parse_checkpoint(parse_note(bundle.checkpoint).text).origin)
    for member in bundle.members:
        if parse_statement(member.entry).id == bundle.subject:
            found, words, _ = _by_receipt(ledger, parse_receipt(member.receipt))
            if found.statement.id != bundle.subject:
                raise ProofError("the receipt in the record is of another statement")
            return found, words, member.disclosure
    raise EncodingError("the record does not hold the statement that it is about")


def _by_tlog_proof(ledger: Ledger, text: str) -> tuple[Found, str, None]:
    # Browsers end lines as they like, and leave out the last one.
    proof = parse_tlog_proof(text.replace("\r\n", "\n").encode() + b"\n")
    claim = parse_checkpoint(proof.checkpoint.text)
    _check_origin(ledger, claim.origin)
    found = _at(ledger, proof.index, claim.size)
    leaf = leaf_hash(found.statement.entry)
    root = root_from_inclusion(leaf, proof.index, claim.size, list(proof.path))
    return found, _check_root(ledger, root, claim.size, proof.index), None


def _by_receipt(ledger: Ledger, receipt: Receipt) -> tuple[Found, str, None]:
    _check_origin(ledger, receipt.issuer)
    found = _at(ledger, receipt.index, receipt.size)
    root = receipt.root(leaf_hash(found.statement.entry))
    return found, _check_root(ledger, root, receipt.size, receipt.index), None


def _check_origin(ledger: Ledger, origin: str) -> None:
    ours = ledger.card.origin
    if origin != ours:
        raise RefusedError(
            f"that is of the log {origin!r:.120}, this is {ours}",
            reason="appeal.other-log",
            advice="ask whoever runs that log",
        )


def _at(ledger: Ledger, index: int, size: int) -> Found:
    if not index < size <= ledger.snapshot.checkpoint.size:
        raise NotFoundError(f"the log has {ledger.snapshot.checkpoint.size} entries, not {size}")
    return ledger.at(index)


def _check_root(ledger: Ledger, root: bytes, size: int, index: int) -> str:
    if root != ledger.snapshot.reader.root(size):
        raise ProofError(f"it does not lead to entry {index} of this log, as of {size} entries")
    return f"it leads to entry {index} of this log, as it was with {size} entries"


def _is_whole(found: Found, record: Disclosure | None) -> bool:
    """Tell whether content was given whole, with every salt.

    Raises:
        CommitmentError: What was given is not what was registered.
    """
    if record is None or not found.statement.header.hashed:
        return False
    try:
        shown = verify_disclosure(record, found.statement.payload)
    except CommitmentError:
        raise
    except (TallystickError, RecursionError) as error:
        raise EncodingError(f"the content of the record cannot be read: {error}") from error
    return bool(shown) and shown.keys() == record.digests.keys()


def _is_public(ledger: Ledger, found: Found) -> bool:
    """Tell whether everybody can have the whole record, so that holding it shows nothing."""
    said = found.statement
    if ledger.state.policy.visibility_of(said.header.type) is Visibility.PUBLIC:
        return True
    opened: set[str] = set()
    for one in publications_of(ledger, said.id):
        _, disclosure = parse_publication(one.statement)
        opened |= disclosure.shown.keys()
        if opened >= disclosure.digests.keys():
            return True
    return False


def _octets(text: str) -> bytes:
    """Read bytes that somebody pasted, in hex or base64.

    Raises:
        EncodingError: Neither.
    """
    joined = "".join(text.split())
    try:
        return bytes.fromhex(joined)
    except ValueError:
        pass
    try:
        usual = joined.replace("-", "+").replace("_", "/")
        return b64decode(usual + "=" * (-len(usual) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EncodingError(
            "expected a receipt in base64 or hex, a tlog-proof, an evidence bundle, or an id of "
            f"64 hex digits; got {text[:40]!r}"
        ) from error
