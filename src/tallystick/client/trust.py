"""Whose checkpoints a client believes: what it is told to pin, read into a trust policy."""

from pathlib import Path

from tallystick.errors import IndeterminateError, InputError, ProofError
from tallystick.merkle import leaf_hash
from tallystick.statement import (
    Checkpoint,
    SignedStatement,
    parse_checkpoint,
    parse_note,
    parse_receipt,
    parse_vkey,
)
from tallystick.statement.receipt import Receipt
from tallystick.verify import TrustPolicy, log_policy, open_checkpoint, parse_policy

Trust = TrustPolicy | str | bytes | Path
"""A policy, the log's verifier key as text, the bytes of a policy file, or its path."""


def read_trust(trust: Trust | None) -> TrustPolicy | None:
    """Read what is pinned.

    Raises:
        InputError: None of what `Trust` names, or a file that cannot be read.
    """
    match trust:
        case None | TrustPolicy():
            return trust
        case str():
            return log_policy(parse_vkey(trust))
        case bytes():
            return parse_policy(trust)
        case Path():
            try:
                return parse_policy(trust.read_bytes())
            except OSError as error:
                raise InputError(f"cannot read the trust policy: {error}") from error
    raise InputError(f"trust is a policy, a verifier key, or a file, got {type(trust).__name__}")


def need_trust(policy: TrustPolicy | None) -> TrustPolicy:
    """Return what is pinned.

    Raises:
        IndeterminateError: Nothing is.
    """
    if policy is None:
        raise IndeterminateError(
            "no log is pinned, so nothing that a service says can be verified",
            advice="connect with trust=, the policy that `tally policy trust` writes",
        )
    return policy


def read_checkpoint(note: bytes, policy: TrustPolicy | None) -> Checkpoint:
    """Read a checkpoint; verify it where a log is pinned.

    Raises:
        EncodingError: Not a checkpoint.
        SignatureError: Not signed by the log that is pinned.
        IndeterminateError: Of another log, or without the quorum that the policy asks for.
    """
    if policy is not None:
        return open_checkpoint(note, policy).checkpoint
    return parse_checkpoint(parse_note(note).text)


def check_receipt(said: SignedStatement, data: bytes, claim: Checkpoint) -> Receipt:
    """Return a receipt only if it leads from a statement to a checkpoint.

    Its own signature is not looked at: the checkpoint's is worth more.

    Raises:
        EncodingError: Not a receipt.
        ProofError: It leads elsewhere.
    """
    receipt = parse_receipt(data)
    if (receipt.issuer, receipt.size) != (claim.origin, claim.size):
        raise ProofError(
            f"the receipt is for {receipt.issuer!r} at size {receipt.size}, "
            f"the checkpoint for {claim.origin!r} at {claim.size}"
        )
    if receipt.root(leaf_hash(said.entry)) != claim.root:
        raise ProofError(f"the entry is not at index {receipt.index} of the log")
    return receipt
