"""Check every part of an evidence bundle, offline, and say of each what came out.

    report = examine(data, parse_policy(policy_file))
    report.verdict                       # verified, failed or indeterminate
    report.statements[report.subject]    # what may be believed

The order: the checkpoint under the relying party's policy; the genesis entry, which names the
log's other keys; what the operator registered of issuers' keys, also what ended them later; then
every other statement: that the log holds
it, who signed it, that opened content and rows are what it committed to; last, how the statements
hang together. A part that fails spoils the verdict and not the other parts, so that the report
names exactly what is wrong. What others only said of the subject later spoils nothing, see
`tallystick.verify.disregarded`.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from tallystick.errors import IndeterminateError, TallystickError, VerificationError
from tallystick.statement import (
    PublicKey,
    Receipt,
    SignedStatement,
    parse_batch,
    parse_receipt,
    parse_statement,
    verify_disclosure,
)
from tallystick.statement.account import Account, write_address
from tallystick.statement.governance import (
    Genesis,
    StatementType,
    operator_record,
    parse_genesis,
)
from tallystick.statement.handover import LogKeys, parse_handover
from tallystick.statement.keylife import KeyStatement, parse_key_statement
from tallystick.verify.appeals import check_appeals
from tallystick.verify.bundle import Bundle, Member, parse_bundle
from tallystick.verify.checkpoint import VerifiedCheckpoint
from tallystick.verify.coherence import check_coherence
from tallystick.verify.delegation import Acting
from tallystick.verify.disregarded import disregard
from tallystick.verify.erased import say_erased
from tallystick.verify.handover import HandedOver, Said
from tallystick.verify.policy import TrustPolicy
from tallystick.verify.pseudonym import check_bindings
from tallystick.verify.published import Published
from tallystick.verify.report import Check, Report, Verdict, verdict_of
from tallystick.verify.rows import verify_rows
from tallystick.verify.statement import (
    DidKeys,
    RegisteredKeys,
    VerifiedStatement,
    verify_registered,
    verify_signed,
)

T = TypeVar("T")
_GOVERNING = frozenset({StatementType.KEY, StatementType.HANDOVER})
"""Types that say which keys count."""


def examine(data: bytes, policy: TrustPolicy, *, any_signer: bool = False) -> Report:
    """Check a bundle.

    Args:
        data: The file.
        policy: Whose checkpoints to believe.
        any_signer: Also accept issuers that nobody registered, by their did:key alone.

    Raises:
        EncodingError: Not a bundle at all.
        VersionError: A format of another version.
    """
    return _Examination(parse_bundle(data), policy, any_signer=any_signer).run()


def verify_bundle(data: bytes, policy: TrustPolicy, *, any_signer: bool = False) -> Report:
    """Check a bundle and raise unless everything in it verifies.

    Raises:
        VerificationError: Some part failed.
        IndeterminateError: Something needed to believe it is missing.
        EncodingError: Not a bundle at all.
    """
    report = examine(data, policy, any_signer=any_signer)
    report.raise_unless_verified()
    return report


@dataclass(frozen=True, slots=True)
class _Part:
    """A member with its two envelopes parsed."""

    member: Member
    statement: SignedStatement
    receipt: Receipt

    @property
    def name(self) -> str:
        return f"{self.statement.header.type or 'statement'} at index {self.receipt.index}"

    @property
    def governs_keys(self) -> bool:
        return not self.receipt.index or self.statement.header.type in _GOVERNING


class _Examination:
    def __init__(self, bundle: Bundle, policy: TrustPolicy, *, any_signer: bool) -> None:
        self.bundle, self.policy, self.any_signer = bundle, policy, any_signer
        self.checks: list[Check] = []
        self.checkpoint: VerifiedCheckpoint | None = None
        self.handed_over = HandedOver([])
        self.genesis: Genesis | None = None
        self.log_keys: LogKeys | None = None
        self.keys = RegisteredKeys()  # as the bundle says, so that every check can be made
        self.believed = RegisteredKeys()  # those whose own entries are proven
        self.verified: dict[bytes, VerifiedStatement] = {}

    def run(self) -> Report:
        parsed = self._parse()
        self.handed_over = HandedOver([
            Said(part.member.entry, part.statement, part.receipt)
            for part in parsed
            if part.governs_keys
        ])  # fmt: skip
        self._attempt("checkpoint", None, self._open_checkpoint)
        # In log order, because each key hangs on those before it; all keys before what they sign,
        # because a revocation may say that a key had ended earlier.
        parts = sorted(parsed, key=lambda part: (not part.governs_keys, part.receipt.index))
        for part in parts:
            self._examine(part)
        if self.genesis is None:
            missing = "entry 0, which names the keys of the log, is not in the bundle"
            self._add("genesis", Verdict.INDETERMINATE, missing)
        self.checks = list(say_erased(self.checks, self.verified))
        said = [*check_coherence(self.verified)]
        published = Published(self.verified, self.bundle.subject)
        self.verified = published.statements
        said += published.checks
        said += check_bindings(self.verified, self.genesis)
        acting = Acting(self.verified, self.genesis, self.believed.chains)
        said += acting.checks()
        self.checks += disregard(said, self.verified, self.bundle.subject)
        self.checks += check_appeals(self.verified, acting.approvals.behind)
        if self.bundle.subject not in {part.statement.id for part in parts}:
            missing = f"statement {self.bundle.subject.hex()[:12]}… itself is not in the bundle"
            self._add("subject", Verdict.FAILED, missing)
        checks, known = tuple(self.checks), acting.known()
        return Report(self.bundle.subject, checks, self.checkpoint, self.verified, known)

    def _open_checkpoint(self) -> None:
        opened = self.handed_over.open(self.bundle.checkpoint, self.policy)
        claim, seen = opened.checkpoint, ", ".join(c.name for c in opened.cosigners)
        detail = f"{claim.origin} at size {claim.size}, signed by the log"
        asked = f"; cosigned by {seen}" if seen else "; no witness is asked for by the policy"
        self._add("checkpoint", Verdict.VERIFIED, detail + asked)
        self.checkpoint = opened

    def _parse(self) -> list[_Part]:
        parts: list[_Part] = []
        for at, member in enumerate(self.bundle.members):
            try:
                statement = parse_statement(member.entry)
                parts.append(_Part(member, statement, parse_receipt(member.receipt)))
            except TallystickError as error:
                detail = f"statement {at} of the bundle: {error}"
                self._add("format", verdict_of(error), detail, code=error.code)
        return parts

    def _examine(self, part: _Part) -> None:
        """Make every check of one statement; believe it only if none failed.

        Nor is it believed if the entry that registered its issuer's key is not.
        """
        before = len(self.checks)
        said: KeyStatement | None = None
        if part.receipt.index == 0:
            said = self._attempt("genesis", part, lambda: self._read_genesis(part))
        self._attempt("registered", part, lambda: self._check_registered(part))
        verified = self._attempt("signature", part, lambda: self._check_signature(part))
        if verified is None:
            return
        if part.statement.header.type == StatementType.HANDOVER:
            self._attempt("handover", part, lambda: self._read_handover(part))
        if part.statement.header.type == StatementType.KEY:
            said = self._attempt("key", part, lambda: self._read_key(part))
        values = self._attempt("content", part, lambda: self._open_content(part))
        rows = self._attempt("rows", part, lambda: self._open_rows(part))
        if any(check.code for check in self.checks[before:]):
            return
        # The genesis names the key that signs it; all other keys hang on that one.
        if said is not None and (part.receipt.index == 0 or self._is_believed(verified)):
            self._believe(said, part.receipt.index)
        if self._is_believed(verified):
            self.verified[part.statement.id] = replace(
                verified,
                values=values or {},
                rows=rows or {},
                leaves=part.member.leaves or b"",
                withheld=_withheld(part),
                rows_in_all=_rows_in_all(part),
            )

    def _believe(self, said: KeyStatement, index: int) -> None:
        """Believe what is said of a key, if the keys that it follows from are believed."""
        with suppress(IndeterminateError):
            if index:
                self.believed.chains.check(said, index)
            self.believed.add(said, index)

    def _is_believed(self, verified: VerifiedStatement) -> bool:
        """Tell whether the key that signed is known from an entry that is itself proven."""
        issuer, key_id = verified.issuer, verified.statement.header.key_id
        if issuer.index is None:
            return True
        try:
            return self.believed.find(issuer.issuer, key_id, verified.index) == issuer
        except TallystickError:
            return False

    def _read_genesis(self, part: _Part) -> KeyStatement:
        if part.statement.header.type != StatementType.GENESIS:
            raise VerificationError("entry 0 is not a genesis statement")
        genesis = parse_genesis(part.statement.payload)
        if self.checkpoint and genesis.origin != self.checkpoint.checkpoint.origin:
            raise VerificationError(f"the genesis is of another log, {genesis.origin!r}")
        if self.policy.genesis not in {None, part.statement.id}:
            raise VerificationError("the log begins with another entry than the policy pins")
        self.genesis = genesis
        self.log_keys = LogKeys.begin(genesis)
        said = operator_record(genesis)
        for known in (self.keys, self.believed):
            known.chains.origin, known.chains.operator = genesis.origin, genesis.operator
            known.chains.genesis = part.statement.id
        self.keys.add(said, 0)
        return said

    def _check_registered(self, part: _Part) -> None:
        if self.checkpoint is None:
            raise IndeterminateError("the checkpoint is not verified, so nothing leads to it")
        verify_registered(part.member.entry, part.receipt, self.checkpoint, self._receipt_key(part))
        detail = f"{part.name}: receipt and path lead to the checkpoint"
        self._add("registered", Verdict.VERIFIED, detail, part)

    def _receipt_key(self, part: _Part) -> PublicKey | None:
        """Return the key that signs receipts of this size; None where no genesis names it."""
        if self.handed_over.keys is None:
            return None
        terms = self.handed_over.keys.at(part.receipt.size)
        named = [term for term in terms if term.receipt_key.thumbprint() == part.receipt.key_id]
        term = next(iter(named or terms), None)
        return None if term is None else term.receipt_key

    def _check_signature(self, part: _Part) -> VerifiedStatement:
        said, entry, index = part.statement, part.member.entry, part.receipt.index
        try:
            verified = verify_signed(said, entry, self.keys, index)
        except IndeterminateError:
            if not self.any_signer:
                raise
            verified = verify_signed(said, entry, DidKeys(), index)
        issuer = verified.issuer
        detail = f"{part.name}: signed by {issuer.name or issuer.issuer}, {issuer.basis}"
        self._add("signature", Verdict.VERIFIED, detail, part)
        return verified

    def _read_handover(self, part: _Part) -> None:
        """Check that the keys of the log were handed over so, by its operator."""
        said = parse_handover(part.statement.payload)
        if self.genesis is None or self.log_keys is None:
            raise IndeterminateError("without the genesis entry the operator is not known")
        if part.statement.header.issuer != self.genesis.operator:
            raise VerificationError("the handover was not registered by the operator of the log")
        self.log_keys.check(said, part.receipt.index)
        self.log_keys.apply(said, part.receipt.index)
        detail = f"{part.name}: from size {part.receipt.index + 1} on the log signs with other keys"
        by = "" if said.agreement else ", says the operator alone"
        self._add("handover", Verdict.VERIFIED, f"{detail} ({said.reason}{by})", part)

    def _read_key(self, part: _Part) -> KeyStatement:
        said = parse_key_statement(part.statement.payload)
        if self.genesis is None:
            raise IndeterminateError("without the genesis entry the operator is not known")
        if part.statement.header.issuer != self.genesis.operator:
            raise VerificationError("the key was not registered by the operator of the log")
        self.keys.chains.check(said, part.receipt.index)
        self.keys.add(said, part.receipt.index)
        if isinstance(said, Account):
            whose = f"{write_address(said.address)} belongs to {said.issuer}, and both agreed"
            self._add("account", Verdict.VERIFIED, f"{part.name}: {whose}", part)
        return said

    def _open_content(self, part: _Part) -> dict[str, object]:
        if not part.statement.header.hashed:
            return {}
        if part.member.disclosure is None:
            self._add("content", Verdict.NOT_CHECKED, f"{part.name}: content not supplied", part)
            return {}
        values = verify_disclosure(part.member.disclosure, part.statement.payload)
        names = ", ".join(sorted(values)) or "none"
        hidden = len(part.member.disclosure.digests) - len(values)
        detail = f"{part.name}: fields shown match ({names}); {hidden} withheld"
        self._add("content", Verdict.VERIFIED, detail, part)
        return values

    def _open_rows(self, part: _Part) -> dict[int, bytes]:
        if part.member.leaves is None and not part.member.rows:
            return {}
        rows, detail = verify_rows(part.statement.payload, part.member)
        self._add("rows", Verdict.VERIFIED, f"{part.name}: {detail}", part)
        return rows

    def _attempt(self, what: str, part: _Part | None, step: Callable[[], T]) -> T | None:
        """Make one check; note the error of one that does not succeed."""
        try:
            return step()
        except TallystickError as error:
            where = f"{part.name}: " if part else ""
            self._add(what, verdict_of(error), f"{where}{error}", part, error.code)
            return None

    def _add(
        self,
        what: str,
        verdict: Verdict,
        detail: str,
        part: _Part | None = None,
        code: str | None = None,
    ) -> None:
        about = part.statement.id if part else None
        self.checks.append(Check(what, verdict, detail, about, code))


def _withheld(part: _Part) -> int | None:
    """Count the fields that are not shown; None where none is."""
    if not part.statement.header.hashed:
        return 0
    shown = part.member.disclosure
    return len(shown.digests) - len(shown.shown) if shown is not None else None


def _rows_in_all(part: _Part) -> int:
    try:
        return parse_batch(part.statement.payload).rows
    except TallystickError:
        return 0  # no batch
