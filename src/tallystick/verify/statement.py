"""From the bytes of a statement to one that is signed by a known issuer, and registered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tallystick.errors import IndeterminateError, KeyEndedError, ProofError, SignatureError
from tallystick.merkle import leaf_hash
from tallystick.statement import (
    PublicKey,
    Receipt,
    SignedStatement,
    parse_did_key,
)
from tallystick.statement.governance import IssuerKind, KeyRecord
from tallystick.statement.keychain import DEACTIVATED, REMOVED, End, KeyChains
from tallystick.statement.keylife import KeyStatement
from tallystick.verify.checkpoint import VerifiedCheckpoint


@dataclass(frozen=True, slots=True)
class KnownIssuer:
    """Who signed, and on what basis that is known.

    Attributes:
        issuer: DID, as statements carry it.
        key: The key that signed.
        kind: What kind of party it is; None where nobody registered that.
        name: Public name, if one was registered.
        basis: In words: who says that this key is this issuer's.
        index: Entry that registered the key; None where no entry did.
    """

    issuer: str
    key: PublicKey
    kind: IssuerKind | None
    name: str | None
    basis: str
    index: int | None


class KeyHistory(Protocol):
    """Knows which key was whose at which point of a log. Handed in by the caller."""

    def find(self, issuer: str, key_id: bytes, index: int) -> KnownIssuer:
        """Return the issuer's key as it was valid for entry `index`.

        Raises:
            IndeterminateError: Nobody registered it, as far as is known here.
            KeyEndedError: It was rotated or revoked before.
            SignatureError: It was not valid at that index, or belongs to somebody else.
        """
        ...


@dataclass
class RegisteredKeys:
    """Keys that were registered in the log itself, collected from its verified entries.

    Knows of the end of a key only if the statement that ended it was added, which may stand later
    in the log than what the key signed: add all `key` statements first.
    """

    chains: KeyChains = field(default_factory=KeyChains)

    @property
    def records(self) -> dict[tuple[str, bytes], tuple[int, KeyRecord]]:
        """Keys by issuer and key id, with the index that registered each."""
        return self.chains.records

    def add(self, said: KeyStatement, index: int) -> None:
        """Add what a verified `key` statement says, or the operator's record of the genesis."""
        self.chains.apply(said, index)

    def find(self, issuer: str, key_id: bytes, index: int) -> KnownIssuer:
        """Return the issuer's key if it was valid at `index`."""
        found = self.records.get((issuer, key_id))
        if self.chains.is_recovery(issuer, key_id):
            raise SignatureError(f"the key recovers {issuer}, it signs no statements")
        if found is None:
            raise IndeterminateError(
                f"no registered key of {issuer} with id {key_id.hex()[:16]}… is supplied",
                advice="ask for a bundle that holds the statement which registers the issuer's key",
            )
        registered, record = found
        if registered > index:
            raise SignatureError(
                f"the key of {issuer} was registered at {registered}, after entry {index}"
            )
        end = self.chains.end_of(issuer, key_id)
        if end is not None and index > end.last:
            raise KeyEndedError(_ended(issuer, end, index))
        basis = f"registered at index {registered} by the operator of the log"
        if (issuer, key_id) in self.chains.agreed:
            basis += ", with the agreement of a key before it"
        if (issuer, key_id) in self.chains.named:
            at, words = self.chains.named[issuer, key_id]
            basis += f"; {words}" + (f" (entry {at})" if at != registered else "")
        if end is not None:
            basis += f"; it ended at index {end.last}, {end.reason}"
        return KnownIssuer(issuer, record.key, record.kind, record.name, basis, registered)


def _ended(issuer: str, end: End, index: int) -> str:
    """Say how a key ended before it signed; who can only have signed with it afterwards."""
    if end.reason == "rotated":
        return (
            f"the key of {issuer} was rotated at index {end.last}, entry {index} is signed with it "
            "after rotation"
        )
    if end.reason in {REMOVED, DEACTIVATED}:
        what = "named it no more" if end.reason == REMOVED else "was deactivated"
        return (
            f"the document of {issuer} {what} at index {end.last}, entry {index} is signed with "
            "the key after that"
        )
    return (
        f"the key of {issuer} was revoked at index {end.index} as {end.reason}, it is valid until "
        f"{end.last}; entry {index} is signed with it after revocation"
    )


class DidKeys:
    """Takes the key out of a did:key; says nothing about who holds it."""

    def find(self, issuer: str, key_id: bytes, index: int) -> KnownIssuer:  # noqa: ARG002
        """Return the key that the DID itself is."""
        key = parse_did_key(issuer)
        if key.thumbprint() != key_id:
            raise SignatureError(f"the key id is not that of {issuer}")
        return KnownIssuer(issuer, key, None, None, "the DID is the key; nobody says whose", None)


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A statement that its issuer signed and the log holds.

    Attributes:
        statement: As registered.
        index: Where.
        issuer: Who signed, and how that is known.
        values: Opened fields, where content was supplied.
        rows: Opened rows by position, where the statement is a batch and rows were supplied.
        leaves: All its row hashes, concatenated, where the statement is a batch and they were
            supplied.
        withheld: Fields that were not opened; None where no content was supplied.
        rows_in_all: Rows that the statement commits to, where it is a batch.
    """

    statement: SignedStatement
    index: int
    issuer: KnownIssuer
    values: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[int, bytes] = field(default_factory=dict)
    leaves: bytes = b""
    withheld: int | None = 0
    rows_in_all: int = 0


def verify_signed(
    statement: SignedStatement, entry: bytes, keys: KeyHistory, index: int
) -> VerifiedStatement:
    """Verify who signed a statement; that the log holds it at `index` is not checked here.

    Args:
        statement: Parsed from `entry`.
        entry: The bytes that the log is said to hold.
        keys: Whose key was valid where.
        index: Where the log is said to hold it.

    Raises:
        ProofError: The entry is not in the form that is registered.
        SignatureError: The signature does not match, or the key was not valid there.
        IndeterminateError: The issuer's key is not known.
    """
    if statement.entry != entry:
        raise ProofError("the entry is not in the form that is registered")
    known = keys.find(statement.header.issuer, statement.header.key_id, index)
    statement.verify_signature(known.key)
    return VerifiedStatement(statement, index, known)


def verify_registered(
    entry: bytes, receipt: Receipt, checkpoint: VerifiedCheckpoint, receipt_key: PublicKey | None
) -> int:
    """Verify that the log holds an entry, and return its index.

    The path of the receipt must lead to the root of the checkpoint: the receipt's own signature
    never suffices, because nobody else has seen what it signs.

    Args:
        entry: As registered.
        receipt: For that entry.
        checkpoint: Of the same size, verified.
        receipt_key: Key of the log that signs receipts; None leaves that signature unchecked.

    Raises:
        ProofError: Another log, another size, or a path that does not lead to the root.
        SignatureError: The receipt is not signed by that key.
    """
    claim = checkpoint.checkpoint
    if receipt.issuer != claim.origin:
        raise ProofError(
            f"the receipt is of {receipt.issuer!r}, the checkpoint of {claim.origin!r}"
        )
    if receipt.size != claim.size:
        raise ProofError(f"the receipt is for size {receipt.size}, the checkpoint for {claim.size}")
    leaf = leaf_hash(entry)
    if receipt.root(leaf) != claim.root:
        raise ProofError(f"the entry is not at index {receipt.index} of the log")
    if receipt_key is not None:
        receipt.verify_signature(leaf, receipt_key)
    return receipt.index
