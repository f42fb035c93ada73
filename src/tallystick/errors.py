"""Every exception this package raises on purpose, grouped by what the caller can do.

TallystickError
  InputError          the caller's bytes or arguments are wrong: correct them, do not retry
    EncodingError     not decodable as the format it claims to be
    LimitError        larger than what is accepted
    VersionError      a format version this release does not know
    NotFoundError     names something that is not here
      ErasedError     it was here, and was erased
  MissingExtraError   an optional dependency is not installed: install it
  VerificationError   well-formed, but not to be believed: never retry
    SignatureError    a signature does not match its key
      KeyEndedError   the key was rotated or revoked before it signed
    KeyChainError     a key does not follow from the issuer's keys before it
    ProofError        a Merkle proof does not lead to the root
    CommitmentError   content does not match what was committed to
    CredentialError   a credential does not show what it is presented for
    ApprovalError     a passkey did not approve this
    DamagedError      stored data contradicts itself or the checkpoint that was signed
  IndeterminateError  nothing contradicts it, but something needed is missing: get it, then verify
  RefusedError        believed, but the registration policy says no: ask the operator
    LocationError     content may not lie where it is, or would be
    DeniedError       whoever keeps a key does not let it be used: give the right PIN
  ConflictError       somebody else was faster, or holds the lock: read again, then retry
  UnavailableError    a dependency is away, or the disk is full: wait, then retry

A message says what was seen and what was expected. `advice` says what to do next.
"""

from typing import ClassVar, Final


class TallystickError(Exception):
    """Base of all errors raised on purpose; catch it at the edge only."""

    code: ClassVar[str] = "tallystick.error"
    """Stable machine name, never reused; becomes the problem type over HTTP."""
    exit_code: ClassVar[int] = 1
    """What the command returns."""
    http_status: ClassVar[int] = 500
    """What the service answers."""

    def __init__(self, message: str, *, advice: str | None = None) -> None:
        """Keep the message and, where one is known, the next step for a person."""
        super().__init__(message)
        self.advice = advice


class InputError(TallystickError):
    """The caller's bytes or arguments are wrong."""

    code = "input"
    exit_code = 2
    http_status = 400


class EncodingError(InputError):
    """Not decodable as the format it claims to be."""

    code = "input.encoding"


class LimitError(InputError):
    """Larger than what is accepted."""

    code = "input.limit"
    http_status = 413


class VersionError(InputError):
    """A format version this release does not know."""

    code = "input.version"


class NotFoundError(InputError):
    """Names something that is not here."""

    code = "input.not-found"
    http_status = 404


class ErasedError(NotFoundError):
    """It was here, and was erased; it does not come back."""

    code = "input.erased"
    http_status = 410


class MissingExtraError(TallystickError):
    """An optional dependency is not installed."""

    code = "missing-extra"
    exit_code = 2
    http_status = 501


class VerificationError(TallystickError):
    """Well-formed, but not to be believed."""

    code = "verification"
    exit_code = 1
    http_status = 422


class SignatureError(VerificationError):
    """A signature does not match its key."""

    code = "verification.signature"


class KeyEndedError(SignatureError):
    """The key was rotated or revoked before it signed."""

    code = "verification.key-ended"


class KeyChainError(VerificationError):
    """A key, or the end of one, does not follow from the issuer's keys before it."""

    code = "verification.key-chain"

    def __init__(self, message: str, *, reason: str, advice: str | None = None) -> None:
        """Keep the message, and the name of the rule of admission that it breaks."""
        super().__init__(message, advice=advice)
        self.reason = reason


class ProofError(VerificationError):
    """A Merkle proof does not lead to the root."""

    code = "verification.proof"


class CommitmentError(VerificationError):
    """Content does not match what was committed to."""

    code = "verification.commitment"


class CredentialError(VerificationError):
    """A credential does not show what it is presented for.

    Args:
        message: What was seen and what was expected.
        reason: Stable name of the rule, such as `credential.expired`; see
            `tallystick.identity.credentials`.
        advice: What the holder can do.
    """

    code = "verification.credential"

    def __init__(self, message: str, *, reason: str, advice: str | None = None) -> None:
        """Keep the name of the rule beside the message."""
        super().__init__(message, advice=advice)
        self.reason = reason


class ApprovalError(VerificationError):
    """A passkey did not approve this.

    Args:
        message: What was seen and what was expected.
        reason: Stable name of the rule, such as `approval.challenge`; see
            `tallystick.statement.webauthn` and `tallystick.statement.approval`.
        advice: What the person can do.
    """

    code = "verification.approval"

    def __init__(self, message: str, *, reason: str, advice: str | None = None) -> None:
        """Keep the name of the rule beside the message."""
        super().__init__(message, advice=advice)
        self.reason = reason


class DamagedError(VerificationError):
    """Stored data contradicts itself, or the checkpoint that was signed over it."""

    code = "verification.damaged"
    http_status = 500


class IndeterminateError(TallystickError):
    """Nothing contradicts it, but something needed to believe it is missing."""

    code = "indeterminate"
    exit_code = 3
    http_status = 424


class RefusedError(TallystickError):
    """Believed, but the registration policy says no.

    Args:
        message: What was refused, and by which rule.
        reason: Stable name of the rule, such as `policy.type`; see `tallystick.ledger.admission`.
        advice: What the issuer can do.
    """

    code = "refused"
    exit_code = 5
    http_status = 403

    def __init__(self, message: str, *, reason: str, advice: str | None = None) -> None:
        """Keep the name of the rule beside the message."""
        super().__init__(message, advice=advice)
        self.reason = reason


class LocationError(RefusedError):
    """Content may not lie where it is, or would be, as was declared."""

    code = "refused.location"

    def __init__(self, message: str, *, advice: str | None = None) -> None:
        """Keep the message; the rule is always the same."""
        super().__init__(message, reason="location", advice=advice)


class DeniedError(RefusedError):
    """Whoever keeps a key does not let it be used: a wrong PIN, or a keyring that is locked.

    Args:
        message: Which key, and what was refused; never the PIN.
        advice: What opens it.
    """

    code = "refused.key-denied"

    def __init__(self, message: str, *, advice: str | None = None) -> None:
        """Keep the message; the reason is always that the key was denied."""
        super().__init__(message, reason="key.denied", advice=advice)


class ConflictError(TallystickError):
    """Somebody else was faster, or holds the lock."""

    code = "conflict"
    exit_code = 4
    http_status = 409


class UnavailableError(TallystickError):
    """A dependency is away, or the disk is full."""

    code = "unavailable"
    exit_code = 4
    http_status = 503


_EXTRAS: Final = {
    "starlette": "web",
    "uvicorn": "web",
    "httptools": "web",
    "h11": "client",
    "sklearn": "ai",
    "numpy": "lm",
    "opentelemetry": "otel",
    "pkcs11": "pkcs11",
    "asn1crypto": "pkcs11",
    "keyring": "keyring",
    "joserfc": "oidc",
}


def missing_extra(error: ModuleNotFoundError) -> Exception:
    """Say which extra a module belongs to that is not installed; other modules are defects."""
    name = (error.name or "").partition(".")[0]
    if name not in _EXTRAS:
        return error
    extra = _EXTRAS[name]
    return MissingExtraError(
        f"this needs {name}, which is not installed", advice=f"pip install 'tallystick[{extra}]'"
    )
