"""Which key was whose from which entry to which, and who may say so: the life of issuers' keys.

    chains = KeyChains(origin, operator)
    for index, said in key_statements:     # in log order
        chains.check(said, index)          # raises; the rules of admission and the verifier ask it
        chains.apply(said, index)
    chains.end_of(issuer, key_id)          # None while the key signs

Pure, and the same for the sequencer that admits and the stranger who verifies. What is checked is
what was known at that index: a key that is revoked later, and until an earlier index, still has
agreed to what it agreed to before. Whoever revokes a compromised key revokes what it let in, too.

Source:
    docs/reference/formats.md, section "Keys".
"""

from dataclasses import dataclass, field, replace
from typing import Final

from tallystick.errors import (
    ApprovalError,
    EncodingError,
    IndeterminateError,
    KeyChainError,
    SignatureError,
    VerificationError,
)
from tallystick.statement.account import Account, AccountEnd, write_address
from tallystick.statement.fetched import FetchedDocument, Seen, read_fetched
from tallystick.statement.governance import IssuerKind, KeyRecord
from tallystick.statement.keylife import (
    KeyStatement,
    RecoveryKey,
    Revocation,
    Rotation,
)
from tallystick.statement.keys import PublicKey
from tallystick.statement.passkey import Passkey
from tallystick.statement.webdid import is_web_did

REMOVED: Final = "removed"
"""Why a key ended that a DID's document does not name any more."""
DEACTIVATED: Final = "deactivated"

PASSKEYS_MAX: Final = 32
"""Passkeys that one person has at the same time."""
KeyName = tuple[str, bytes]
"""Issuer and key id."""


@dataclass(frozen=True, slots=True)
class End:
    """How a key ended.

    Attributes:
        last: Last index at which what it signed is to be believed.
        index: Entry that says so.
        reason: `rotated`, `removed`, `deactivated`, or the reason of the revocation.
        by: Key id of the key that said so; None where the operator alone did.
    """

    last: int
    index: int
    reason: str
    by: bytes | None


@dataclass(frozen=True, slots=True)
class Bound:
    """An account that belongs, or belonged, to an issuer.

    Attributes:
        issuer: DID.
        index: Entry that says so.
        ended: Entry that ended it; None while it has not.
    """

    issuer: str
    index: int
    ended: int | None = None


@dataclass(slots=True)
class KeyChains:
    """The keys of all issuers, as far as `key` statements were taken in.

    Attributes:
        origin: The log.
        genesis: Id of its first entry, which accounts name.
        operator: Its operator, of whose keys one signs at any time.
        records: Signing keys with the index that registered each; none is ever removed.
        agreed: Key id of the key that agreed to a signing key; a first key has none.
        ends: How keys ended, recovery keys too.
        recovery: The recovery key of an issuer, with the index that registered it.
        seen: What was fetched last of an issuer whose DID is a place in the web, with the index
            that registered it.
        accounts: Accounts by address; one that has ended does not begin again.
        named: By what evidence a key is such an issuer's: the newest one that names it.
        passkeys: Passkeys with the index that registered each; none is ever removed.
    """

    origin: str = ""
    operator: str = ""
    genesis: bytes = b""
    records: dict[KeyName, tuple[int, KeyRecord]] = field(default_factory=dict)
    agreed: dict[KeyName, bytes] = field(default_factory=dict)
    ends: dict[KeyName, End] = field(default_factory=dict)
    recovery: dict[str, tuple[int, PublicKey]] = field(default_factory=dict)
    seen: dict[str, tuple[int, Seen]] = field(default_factory=dict)
    named: dict[KeyName, tuple[int, str]] = field(default_factory=dict)
    accounts: dict[bytes, Bound] = field(default_factory=dict)
    passkeys: dict[KeyName, tuple[int, Passkey]] = field(default_factory=dict)
    _keys_of: dict[str, list[bytes]] = field(default_factory=dict)
    _known: dict[bytes, KeyName] = field(default_factory=dict)
    """Every key id, recovery keys and passkeys too: a key has one holder and one use."""
    _passkeys_of: dict[str, list[bytes]] = field(default_factory=dict)

    def keys_of(self, issuer: str) -> list[bytes]:
        """Return the ids of an issuer's signing keys, the newest last."""
        return self._keys_of.get(issuer, [])

    def end_of(self, issuer: str, key_id: bytes) -> End | None:
        """Return how a key ended; None while it has not."""
        return self.ends.get((issuer, key_id))

    def account_of(self, issuer: str) -> bytes | None:
        """Return the address of the account that belongs to an issuer now."""
        for address, bound in self.accounts.items():
            if bound.issuer == issuer and bound.ended is None:
                return address
        return None

    def is_recovery(self, issuer: str, key_id: bytes) -> bool:
        """Tell whether this is, or was, a key that recovers and signs no statements."""
        name = (issuer, key_id)
        other = name in self.records or name in self.passkeys
        return not other and self._known.get(key_id) == name

    def passkeys_of(self, issuer: str) -> list[Passkey]:
        """Return an issuer's passkeys that have not ended, the newest last."""
        names = [(issuer, key_id) for key_id in self._passkeys_of.get(issuer, ())]
        return [self.passkeys[name][1] for name in names if name not in self.ends]

    # --- may it be said

    def check(self, said: KeyStatement, index: int) -> None:
        """Accept only what follows from the keys before it.

        Args:
            said: Payload of a `key` statement that the operator signed.
            index: Where it stands, or would stand, in the log.

        Raises:
            KeyChainError: It does not; `reason` names the rule.
            SignatureError: The new key did not sign its possession.
            IndeterminateError: A key that it rests on is not known.
        """
        if isinstance(said, KeyRecord):
            self._check_first(said)
        elif isinstance(said, Account | AccountEnd):
            self._check_account(said)
        elif isinstance(said, FetchedDocument):
            self._check_fetched(said)
        elif is_web_did(said.issuer) and not isinstance(said, Revocation):
            raise _not_by_document(said.issuer)
        elif isinstance(said, Rotation):
            self._check_rotation(said)
        elif isinstance(said, Revocation):
            self._check_operator(said)
            self._check_revocation(said, index)
        elif isinstance(said, Passkey):
            self._check_passkey(said)
        elif said.issuer == self.operator:
            raise KeyChainError(
                "the operator has no recovery key: nobody could register what it agrees to",
                reason="key.operator",
            )
        else:
            self._check_recovery(said)

    def check_newcomer(self, record: KeyRecord) -> None:
        """Refuse a second record of a key, and a further key that no key of its issuer agreed to.

        Not part of `check`: logs of earlier releases may hold them, and stay readable.

        Raises:
            KeyChainError: The key is known, or the issuer has one.
        """
        self._check_unknown(record.key, record.issuer)
        if self.keys_of(record.issuer):
            raise KeyChainError(
                f"{record.issuer} has a key already, and a further one needs its agreement",
                reason="key.issuer",
                advice="rotate the key: `tally keys rotate`",
            )

    def _check_first(self, record: KeyRecord) -> None:
        record.verify_possession(self.origin)
        if is_web_did(record.issuer):
            raise _not_by_document(record.issuer)
        if record.issuer.startswith("did:key:") and record.issuer != record.key.did():
            raise KeyChainError(
                f"the first key of {record.issuer} is the one that the DID names, got "
                f"{record.key.did()}",
                reason="key.issuer",
                advice="rotate the key: `tally keys rotate`",
            )

    def _check_rotation(self, said: Rotation) -> None:
        record, keys = said.record, self.keys_of(said.issuer)
        record.verify_possession(self.origin)
        self._check_unknown(record.key, said.issuer)
        if said.previous not in keys:
            raise IndeterminateError(
                f"the key {_short(said.previous)} of {said.issuer}, which this one follows, is "
                "not known here",
                advice="ask for all `key` statements of the issuer",
            )
        if said.previous != keys[-1]:
            raise KeyChainError(
                f"it follows the key {_short(said.previous)}, the newest one of {said.issuer} is "
                f"{_short(keys[-1])}",
                reason="key.chain",
            )
        _, before = self.records[said.issuer, said.previous]
        if (record.kind, record.name) != (before.kind, before.name):
            raise KeyChainError(
                f"the issuer is {before.kind} {before.name or 'without a name'}, and a rotation "
                "does not change that",
                reason="key.issuer",
            )
        self._check_agreed(said.issuer, said.by, said.authorisation, said.claim(self.origin))

    def _check_operator(self, said: Revocation) -> None:
        """Refuse to end the operator's newest key: nobody could register anything any more."""
        keys = self.keys_of(self.operator)
        if said.issuer == self.operator and keys and said.key_id == keys[-1]:
            raise KeyChainError(
                "the operator's newest key signs for the log, and is not revoked",
                reason="key.operator",
                advice="rotate it first: `tally keys rotate --operator`",
            )

    def _check_revocation(self, said: Revocation, index: int) -> None:
        name = (said.issuer, said.key_id)
        if name not in self.records and self._known.get(said.key_id) != name:
            raise IndeterminateError(
                f"the key {_short(said.key_id)} of {said.issuer}, which is revoked, is not known "
                "here",
                advice="ask for all `key` statements of the issuer",
            )
        recovers = self.is_recovery(*name)
        last = index if said.until is None else said.until
        if said.until is not None and (said.until >= index or recovers):
            raise KeyChainError(
                f"a key ends at an entry before its revocation at {index}, got {said.until}"
                if not recovers
                else "a recovery key signs no entries: it is revoked without 'until'",
                reason="key.until",
            )
        end = self.ends.get(name)
        if end is not None and last >= end.last:
            raise KeyChainError(
                f"the key {_short(said.key_id)} ended at index {end.last} already ({end.reason})",
                reason="key.ended",
            )
        if said.by is None:
            return
        if recovers and said.by != said.key_id:
            raise KeyChainError(
                "only a recovery key itself, or the operator, revokes it", reason="key.recovery"
            )
        self._check_agreed(said.issuer, said.by, said.authorisation, said.claim(self.origin))

    def _check_recovery(self, said: RecoveryKey) -> None:
        said.verify_possession(self.origin)
        self._check_unknown(said.key, said.issuer)
        if not self.keys_of(said.issuer):
            raise IndeterminateError(f"no key of {said.issuer} is known here")
        before = self.recovery.get(said.issuer)
        if before is not None and said.by != before[1].thumbprint():
            raise KeyChainError(
                "the issuer has a recovery key, and only that one agrees to another",
                reason="key.recovery",
            )
        self._check_agreed(said.issuer, said.by, said.authorisation, said.claim(self.origin))

    def _check_fetched(self, said: FetchedDocument) -> None:
        """Accept evidence that is newer than what there is, and shows at least one key at first."""
        _, before = self.seen.get(said.issuer, (0, None))
        known = len(before.history.versions) if before and before.history else 0
        if said.after > known:
            raise IndeterminateError(
                f"it continues the history of {said.issuer} after entry {said.after}, and here "
                f"{known} are known",
                advice="ask for all `key` statements of the issuer",
            )
        if said.after < known:
            raise _no_document(f"{known} entries of the history are registered, got {said.after}")
        if before and said.fetched_at < before.said.fetched_at:
            raise _no_document(
                f"it was fetched at {said.fetched_at}, before what is registered, at "
                f"{before.said.fetched_at}"
            )
        if before and said.kind != before.said.kind:
            raise _no_document(f"the issuer is registered as {before.said.kind}, got {said.kind}")
        try:
            seen = read_fetched(said, before)
        except (EncodingError, VerificationError) as error:
            raise _no_document(f"{said.issuer}: {error}") from error
        if before is None and not seen.keys:
            what = "is deactivated" if seen.deactivated else "names no key that signs statements"
            raise _no_document(f"{said.issuer} {what}")

    def _check_account(self, said: Account | AccountEnd) -> None:
        """Accept an account that agreed, of an issuer that has none; and the end of one."""
        bound, name = self.accounts.get(said.address), write_address(said.address)
        if isinstance(said, AccountEnd):
            if bound is None:
                raise IndeterminateError(f"the account {name}, which ends, is not known here")
            if bound.issuer != said.issuer or bound.ended is not None:
                raise _no_account(f"the account {name} does not belong to {said.issuer}")
        else:
            if bound is not None:
                raise _no_account(f"the account {name} was bound already, to {bound.issuer}")
            if (other := self.account_of(said.issuer)) is not None:
                raise _no_account(f"{said.issuer} has the account {write_address(other)} already")
            said.verify_account(self.origin, self.genesis)
        if said.by is not None:
            self._check_signing(said.issuer, said.by)
            self._check_agreed(said.issuer, said.by, said.authorisation, said.claim(self.origin))

    def _check_signing(self, issuer: str, key_id: bytes) -> None:
        if self.is_recovery(issuer, key_id):
            raise _no_account("a recovery key says nothing of accounts")

    def _check_passkey(self, said: Passkey) -> None:
        try:
            said.verify_possession(self.origin)
        except ApprovalError as error:
            raise SignatureError(f"the passkey did not agree: {error}") from error
        self._check_unknown(said.key, said.issuer)
        keys = self.keys_of(said.issuer)
        if not keys:
            raise IndeterminateError(f"no key of {said.issuer} is known here")
        kind = self.records[said.issuer, keys[-1]][1].kind
        if kind is not IssuerKind.PERSON:
            raise KeyChainError(
                f"{said.issuer} is registered as {kind}, and only a person has passkeys",
                reason="key.person",
            )
        if len(self.passkeys_of(said.issuer)) >= PASSKEYS_MAX:
            raise KeyChainError(
                f"{said.issuer} has {PASSKEYS_MAX} passkeys, the most there may be",
                reason="key.passkeys",
                advice="revoke those that are not used: `tally passkeys revoke`",
            )
        if said.by is not None:
            self._check_agreed(said.issuer, said.by, said.authorisation, said.claim(self.origin))

    def _check_unknown(self, key: PublicKey, issuer: str) -> None:
        """Refuse a key that is known: what was said first of its holder and use stays."""
        known = self._known.get(key.thumbprint())
        if known is None:
            return
        found = self.records.get(known)
        what = "passkey" if known in self.passkeys else "recovery key"
        if found is not None:
            what = f"{found[1].kind} {found[1].name or 'without a name'}"
        whose = "" if known[0] == issuer else f" of {known[0]}"
        raise KeyChainError(f"this key is registered already, as {what}{whose}", reason="key.known")

    def _check_agreed(self, issuer: str, by: bytes, signature: bytes, claim: bytes) -> None:
        """Accept what a key of the issuer signed that had not ended by then."""
        end = self.ends.get((issuer, by))
        if end is not None:
            raise KeyChainError(
                f"the key {_short(by)}, which agrees, ended at index {end.last} ({end.reason})",
                reason="key.chain",
            )
        try:
            self._agreeing(issuer, by).verify(signature, claim)
        except SignatureError as error:
            raise KeyChainError(
                f"the key {_short(by)} of {issuer} did not agree: {error}", reason="key.chain"
            ) from error

    def _agreeing(self, issuer: str, by: bytes) -> PublicKey:
        recovery = self.recovery.get(issuer)
        if recovery is not None and recovery[1].thumbprint() == by:
            return recovery[1]
        found = self.records.get((issuer, by))
        if found is None:
            raise IndeterminateError(
                f"the key {_short(by)}, which agrees, is not known as one of {issuer}",
                advice="ask for all `key` statements of the issuer",
            )
        return found[1].key

    # --- taking in

    def apply(self, said: KeyStatement, index: int) -> None:
        """Take in what was checked, or what an earlier release admitted."""
        if isinstance(said, KeyRecord):
            self._add(said, index)
        elif isinstance(said, Rotation):
            self._rotate(said, index)
        elif isinstance(said, Revocation):
            self._revoke(said, index)
        elif isinstance(said, FetchedDocument):
            self._see(said, index)
        elif isinstance(said, Account):
            self.accounts.setdefault(said.address, Bound(said.issuer, index))
        elif isinstance(said, AccountEnd):
            if (bound := self.accounts.get(said.address)) is not None and bound.ended is None:
                self.accounts[said.address] = replace(bound, ended=index)
        elif isinstance(said, Passkey):
            self._add_passkey(said, index)
        else:
            self._replace_recovery(said, index)

    def _see(self, said: FetchedDocument, index: int) -> None:
        """Let the keys that evidence names begin, and end those that it names no more.

        A key that has ended does not begin again. Two such issuers may name the same key: it is in
        each statement for whom it signed.
        """
        _, before = self.seen.get(said.issuer, (0, None))
        seen = read_fetched(said, before)
        self.seen[said.issuer] = index, seen
        for key in seen.keys:
            name = (said.issuer, key.thumbprint())
            self.named[name] = index, seen.basis
            if name not in self.records:
                record = KeyRecord(
                    issuer=said.issuer, key=key, kind=said.kind, name=None, possession=b""
                )
                self.records[name] = (index, record)
                self._keys_of.setdefault(said.issuer, []).append(name[1])
        reason, kept = DEACTIVATED if seen.deactivated else REMOVED, set(seen.keys)
        for key_id in self.keys_of(said.issuer):
            if self.records[said.issuer, key_id][1].key not in kept:
                end = End(index, index, reason, None)
                self.ends.setdefault((said.issuer, key_id), end)

    def _rotate(self, said: Rotation, index: int) -> None:
        for key_id in self.keys_of(said.issuer):
            self.ends.setdefault((said.issuer, key_id), End(index, index, "rotated", said.by))
        self.agreed[said.issuer, said.record.key.thumbprint()] = said.by
        self._add(said.record, index)

    def _add(self, record: KeyRecord, index: int) -> None:
        name = (record.issuer, record.key.thumbprint())
        if name not in self.records:
            self.records[name] = (index, record)
            self._known.setdefault(name[1], name)
            self._keys_of.setdefault(record.issuer, []).append(name[1])

    def _add_passkey(self, said: Passkey, index: int) -> None:
        name = (said.issuer, said.key.thumbprint())
        if name not in self.passkeys:
            self.passkeys[name] = (index, said)
            self._known.setdefault(name[1], name)
            self._passkeys_of.setdefault(said.issuer, []).append(name[1])

    def _replace_recovery(self, said: RecoveryKey, index: int) -> None:
        before = self.recovery.get(said.issuer)
        if before is not None:
            name = (said.issuer, before[1].thumbprint())
            self.ends.setdefault(name, End(index, index, "rotated", said.by))
        self.recovery[said.issuer] = (index, said.key)
        self._known.setdefault(said.key.thumbprint(), (said.issuer, said.key.thumbprint()))

    def _revoke(self, said: Revocation, index: int) -> None:
        last = index if said.until is None else said.until
        self.ends[said.issuer, said.key_id] = End(last, index, str(said.reason), said.by)
        recovery = self.recovery.get(said.issuer)
        if recovery is not None and recovery[1].thumbprint() == said.key_id:
            del self.recovery[said.issuer]


def _short(key_id: bytes) -> str:
    return f"{key_id.hex()[:16]}…"


def _no_account(words: str) -> KeyChainError:
    return KeyChainError(words, reason="key.account")


def _no_document(words: str) -> KeyChainError:
    return KeyChainError(words, reason="key.document")


def _not_by_document(issuer: str) -> KeyChainError:
    return KeyChainError(
        f"the keys of {issuer} are those that its document names",
        reason="key.document",
        advice="change the document, then run `tally issuers refresh`",
    )
