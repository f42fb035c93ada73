"""From the bytes of a checkpoint to one that may be believed."""

from dataclasses import dataclass

from tallystick.errors import IndeterminateError, SignatureError
from tallystick.statement import (
    Checkpoint,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_note,
)
from tallystick.statement.note import TYPE_COSIGNATURE
from tallystick.verify.policy import TrustPolicy


@dataclass(frozen=True, slots=True)
class Cosigner:
    """Somebody who saw this checkpoint grow from those before.

    Attributes:
        name: Name in the policy.
        key: The key that cosigned.
        time: The cosigner's clock, seconds since 1970.
    """

    name: str
    key: VerifierKey
    time: int


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint that a trusted log signed and the policy's quorum cosigned.

    Attributes:
        checkpoint: Origin, size and root.
        log: The key of the log that signed.
        cosigners: Who else of the policy signed; empty where the policy asks for nobody.
        witnessed: The policy asks for a quorum, and it is there. Without it, the log may have
            shown another history to others.
    """

    checkpoint: Checkpoint
    log: VerifierKey
    cosigners: tuple[Cosigner, ...]
    witnessed: bool


def open_checkpoint(note: bytes, policy: TrustPolicy) -> VerifiedCheckpoint:
    """Verify a checkpoint under a policy.

    Args:
        note: The signed note.
        policy: Whom to believe.

    Raises:
        EncodingError: Not a checkpoint.
        SignatureError: No log of the policy signed it, or a known key's signature is false.
        IndeterminateError: The policy does not name the log, or the quorum is missing.
    """
    parsed = parse_note(note)
    checkpoint = parse_checkpoint(parsed.text)
    logs = policy.signing(checkpoint.origin, checkpoint.size)
    if not logs:
        raise IndeterminateError(
            f"the policy does not name this log: the checkpoint is of {checkpoint.origin!r}",
            advice="get the policy of that log from its operator (`tally policy trust`)",
        )
    try:
        signers = verify_note(parsed, [*logs, *policy.witnesses.values()])
    except SignatureError as error:
        error.advice = (
            "if the log has changed its keys since: get its newest policy, or a bundle that holds "
            "the handover"
        )
        raise
    log = next((s.key for s in signers if s.key in logs), None)
    if log is None:
        raise SignatureError(f"the checkpoint is not signed by {checkpoint.origin!r} itself")
    names = {key: name for name, key in policy.witnesses.items()}
    cosigners = tuple(
        Cosigner(names[s.key], s.key, s.time or 0)
        for s in signers
        if s.key in names and s.key.kind == TYPE_COSIGNATURE
    )
    if not policy.fulfilled({c.key for c in cosigners}):
        raise IndeterminateError(
            f"the quorum {policy.quorum!r} is missing: cosigned by "
            f"{', '.join(c.name for c in cosigners) or 'nobody'} of {len(names)} witnesses",
            advice="ask the log for a checkpoint with more cosignatures",
        )
    return VerifiedCheckpoint(checkpoint, log, cosigners, policy.quorum != "none")
