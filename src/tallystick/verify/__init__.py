"""Verify offline: checkpoints, statements, rows and whole evidence bundles, under a policy.

    report = examine(Path("answer.tally.json").read_bytes(), parse_policy(policy_file))
    for check in report.checks:
        print(check.verdict, check.detail)

Needs no network, no log and no database: the standard library, cbor2 and cryptography.
Functions that begin with `verify_` or `open_` return what may be believed, or raise.
"""

from tallystick.verify.bundle import Bundle, Member, OpenRow, parse_bundle, split_hashes
from tallystick.verify.checkpoint import Cosigner, VerifiedCheckpoint, open_checkpoint
from tallystick.verify.completeness import Account, Epoch
from tallystick.verify.examine import examine, verify_bundle
from tallystick.verify.policy import Group, TrustPolicy, log_policy, parse_policy
from tallystick.verify.report import NOT_PROVEN, Check, Extent, Report, Verdict
from tallystick.verify.rows import verify_rows
from tallystick.verify.statement import (
    DidKeys,
    KeyHistory,
    KnownIssuer,
    RegisteredKeys,
    VerifiedStatement,
    verify_registered,
    verify_signed,
)

__all__ = [
    "NOT_PROVEN",
    "Account",
    "Bundle",
    "Check",
    "Cosigner",
    "DidKeys",
    "Epoch",
    "Extent",
    "Group",
    "KeyHistory",
    "KnownIssuer",
    "Member",
    "OpenRow",
    "RegisteredKeys",
    "Report",
    "TrustPolicy",
    "Verdict",
    "VerifiedCheckpoint",
    "VerifiedStatement",
    "examine",
    "log_policy",
    "open_checkpoint",
    "parse_bundle",
    "parse_policy",
    "split_hashes",
    "verify_bundle",
    "verify_registered",
    "verify_rows",
    "verify_signed",
]
