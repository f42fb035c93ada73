"""How long content is kept: at least so long, and then not longer, stream by stream.

A stream is what a type, an issuer or an emitter says, by what stands in headers; the first rule
that fits a statement applies to it. The payload is inline and public: the ledger refuses to erase
by it, and everybody can check what should be gone.

Source:
    docs/reference/formats.md, section "Retention".
"""

from dataclasses import dataclass
from typing import Any, Final

from tallystick.errors import EncodingError, VersionError
from tallystick.statement import dcbor
from tallystick.statement.erasure import ErasureReason
from tallystick.statement.governance import VERSION, StatementType
from tallystick.statement.header import Header

RULES_MAX: Final = 1000
SECONDS_MAX: Final = 200 * 366 * 86_400
TEXT_MAX: Final = 200
EMITTER_BYTES: Final = 16
DESPITE: Final = frozenset(
    {
        ErasureReason.CONSENT_WITHDRAWN,
        ErasureReason.OBJECTION,
        ErasureReason.UNLAWFUL,
        ErasureReason.COURT_ORDER,
    }
)
"""Reasons that come before a minimum unless a rule says otherwise: what a person may demand. A
minimum is against convenience; where a law asks for it in spite of that, a rule names fewer."""
_MEMBERS: Final = frozenset({"type", "issuer", "emitter", "least", "most", "despite"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """How long one stream is kept.

    Attributes:
        type: Statement type; None for every one.
        issuer: DID of who signed; None for everybody.
        emitter: 16-byte id of the process that wrote it; None for every one.
        least: Seconds in which content is not erased.
        most: Seconds after which it is; None for never.
        despite: Reasons for which it is erased before `least`.
    """

    type: str | None = None
    issuer: str | None = None
    emitter: bytes | None = None
    least: int = 0
    most: int | None = None
    despite: frozenset[ErasureReason] = DESPITE

    def fits(self, header: Header) -> bool:
        """Tell whether a statement is of this stream."""
        emitter = None if header.sequence is None else header.sequence.emitter
        return (
            self.type in {None, header.type}
            and self.issuer in {None, header.issuer}
            and self.emitter in {None, emitter}
        )

    def content(self) -> dict[str, Any]:
        """Return the rule as data."""
        stream = {"type": self.type, "issuer": self.issuer, "emitter": self.emitter}
        known = {name: value for name, value in stream.items() if value is not None}
        most = {} if self.most is None else {"most": self.most}
        return {**known, "least": self.least, **most, "despite": sorted(map(str, self.despite))}


@dataclass(frozen=True, slots=True)
class Retention:
    """All rules; the first that fits applies.

    Attributes:
        rules: In their order.
    """

    rules: tuple[RetentionRule, ...] = ()

    def rule_for(self, header: Header) -> RetentionRule | None:
        """Return the rule that applies to a statement."""
        return next((rule for rule in self.rules if rule.fits(header)), None)

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode({"version": VERSION, "rules": [rule.content() for rule in self.rules]})


def parse_retention(payload: bytes) -> Retention:
    """Parse the payload of a `retention` statement.

    Raises:
        EncodingError: Not rules of retention.
        VersionError: Of a version that this release does not know.
    """
    members = dcbor.decode_deterministic(payload, "retention")
    if not isinstance(members, dict) or not isinstance(members.get("rules"), list):
        raise EncodingError("retention must be a map with 'version' and an array of 'rules'")
    if (version := members.get("version")) != VERSION or type(version) is not int:
        raise VersionError(f"retention has version {version!r:.20}, this release reads {VERSION}")
    if len(members) != 2 or len(members["rules"]) > RULES_MAX:
        raise EncodingError(f"retention has two members and at most {RULES_MAX} rules")
    return Retention(tuple(_rule(rule, at) for at, rule in enumerate(members["rules"])))


def _rule(content: Any, at: int) -> RetentionRule:
    if not isinstance(content, dict) or set(content) - _MEMBERS:
        raise EncodingError(f"rule {at} may have {', '.join(sorted(_MEMBERS))}, and nothing else")
    type_ = content.get("type")
    if type_ is not None and type_ not in set(StatementType):
        raise EncodingError(f"rule {at}: no statement type {type_!r:.40}")
    least = _seconds(content.get("least"), at)
    most = None if content.get("most") is None else _seconds(content["most"], at)
    if most is not None and most < max(least, 1):
        raise EncodingError(f"rule {at} keeps at least {least} s and at most {most} s")
    return RetentionRule(
        type=type_,
        issuer=_issuer(content.get("issuer"), at),
        emitter=_emitter(content.get("emitter"), at),
        least=least,
        most=most,
        despite=_reasons(content.get("despite"), at),
    )


def _seconds(value: Any, at: int) -> int:
    if type(value) is not int or not 0 <= value <= SECONDS_MAX:
        raise EncodingError(f"rule {at}: seconds must be in 0..{SECONDS_MAX}, got {value!r:.40}")
    return value


def _issuer(value: Any, at: int) -> str | None:
    if value is None or (isinstance(value, str) and 0 < len(value) <= TEXT_MAX):
        return value
    raise EncodingError(f"rule {at}: the issuer must be a DID, got {value!r:.60}")


def _emitter(value: Any, at: int) -> bytes | None:
    if value is None or (isinstance(value, bytes) and len(value) == EMITTER_BYTES):
        return value
    raise EncodingError(f"rule {at}: an emitter has {EMITTER_BYTES} bytes, got {value!r:.60}")


def _reasons(value: Any, at: int) -> frozenset[ErasureReason]:
    known = {str(reason) for reason in ErasureReason}
    if not isinstance(value, list) or value != sorted(known & {v for v in value if type(v) is str}):
        raise EncodingError(
            f"rule {at}: 'despite' must be reasons of erasures, sorted, each once; "
            f"got {value!r:.80}"
        )
    return frozenset(ErasureReason(one) for one in value)
