"""Trust policies: whose checkpoints a relying party believes, and whose cosignatures it asks for.

The text is a C2SP tlog-policy, so that other tools read the same file:

    log log.example/a+1a2b3c4d+AQ…
    #tallystick genesis 5f3c…
    #tallystick retired 1234 log.example/a+9e8d7c6b+AQ…
    witness w1 witness.example+…
    witness w2 other.example+…
    group both all w1 w2
    quorum both

The two comments are read here and passed over elsewhere: which genesis entry the log has, so that
its operator is known, and which key signed for it before, up to which size.

Source:
    C2SP tlog-policy (untagged, 2026-06).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.errors import EncodingError, LimitError
from tallystick.statement import VerifierKey, parse_vkey

POLICY_BYTES_MAX: Final = 256 * 1024
LINES_MAX: Final = 1024
NO_QUORUM: Final = "none"
_OURS: Final = "#tallystick"
"""Begins a line that is a comment for others."""
_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_BLANK: Final = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class Group:
    """Fulfilled when at least `threshold` of `members` are."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """What a checkpoint needs to be believed.

    Attributes:
        logs: Any one of these must have signed it.
        witnesses: Cosigners by their name in this policy.
        groups: Groups by name, each after the groups that are its members.
        quorum: Name of the witness or group that must be fulfilled, or `none`.
        genesis: Id of the genesis statement that the log must begin with, if it is pinned.
        retired: Keys that signed for a log before, each with the largest size that it signed.
    """

    logs: tuple[VerifierKey, ...]
    witnesses: Mapping[str, VerifierKey]
    groups: Mapping[str, Group]
    quorum: str
    genesis: bytes | None = None
    retired: tuple[tuple[VerifierKey, int], ...] = ()

    def signing(self, origin: str, size: int) -> list[VerifierKey]:
        """Return the keys that may have signed a checkpoint of that size for a log."""
        known = [*self.logs, *(key for key, last in self.retired if size <= last)]
        return [key for key in known if key.name == origin]

    def fulfilled(self, cosigners: set[VerifierKey]) -> bool:
        """Tell whether these cosigners make the quorum."""
        if self.quorum == NO_QUORUM:
            return True
        known = {name: key in cosigners for name, key in self.witnesses.items()}
        for name, group in self.groups.items():  # in their order: no depth can be too much
            known[name] = sum(known[member] for member in group.members) >= group.threshold
        return known[self.quorum]


def log_policy(key: VerifierKey) -> TrustPolicy:
    """Return the policy that believes one log and asks nobody else."""
    return TrustPolicy((key,), {}, {}, NO_QUORUM)


def parse_policy(data: bytes) -> TrustPolicy:
    """Parse a policy file.

    Raises:
        EncodingError: A line that breaks the grammar; the message names it.
        LimitError: Larger than is accepted.
    """
    if len(data) > POLICY_BYTES_MAX or data.count(b"\n") > LINES_MAX:
        raise LimitError(f"policy must have at most {POLICY_BYTES_MAX} bytes, {LINES_MAX} lines")
    if _CONTROL.search(data):
        raise EncodingError("policy has a control character other than tab and newline")
    parser = _Parser()
    # Names are opaque octets: surrogate escapes keep those that are not UTF-8 apart.
    for number, line in enumerate(data.decode(errors="surrogateescape").split("\n"), start=1):
        words = _BLANK.split(line.strip(" \t"))
        if words[0] == _OURS or (words != [""] and not words[0].startswith("#")):
            try:
                parser.line(words)
            except EncodingError as error:
                raise EncodingError(f"policy line {number}: {error}") from error
    return parser.policy()


class _Parser:
    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.witnesses: dict[str, VerifierKey] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self.used: set[str] = set()
        self.genesis: bytes | None = None
        self.retired: list[tuple[VerifierKey, int]] = []

    def line(self, words: list[str]) -> None:
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                self.logs.append(self._fresh(parse_vkey(vkey), self.logs))
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                key = self._fresh(parse_vkey(vkey), list(self.witnesses.values()))
                self.witnesses[self._new(name)] = key
            case ["group", name, threshold, *members] if members:
                self.groups[self._new(name)] = self._group(threshold, members)
            case ["quorum", name]:
                if self.quorum is not None:
                    raise EncodingError("there must be one quorum line only")
                self.quorum = name if name == NO_QUORUM else self._known(name)
            case [first, "genesis", id_] if first == _OURS and re.fullmatch(_ID, id_):
                if self.genesis is not None:
                    raise EncodingError("there must be one genesis only")
                self.genesis = bytes.fromhex(id_)
            case [first, "retired", size, vkey] if first == _OURS and re.fullmatch(_SIZE, size):
                others = [*self.logs, *(key for key, _ in self.retired)]
                self.retired.append((self._fresh(parse_vkey(vkey), others), int(size)))
            case [first, *_] if first == _OURS:
                raise EncodingError(f"expected genesis ID or retired SIZE VKEY behind {_OURS}")
            case _:
                raise EncodingError(f"expected log, witness, group or quorum, got {words[0]!r:.40}")

    def policy(self) -> TrustPolicy:
        if self.quorum is None:
            raise EncodingError("policy has no quorum line")
        return TrustPolicy(
            tuple(self.logs),
            self.witnesses,
            self.groups,
            self.quorum,
            self.genesis,
            tuple(self.retired),
        )

    def _group(self, threshold: str, members: list[str]) -> Group:
        for name in members:
            if self._known(name) in self.used:
                raise EncodingError(f"{name!r} is a member twice")
            self.used.add(name)
        named = {"any": 1, "all": len(members)}.get(threshold)
        if named is None and not re.fullmatch(r"[1-9][0-9]{0,3}", threshold, re.ASCII):
            raise EncodingError(f"threshold must be any, all or a number, got {threshold!r:.40}")
        needed = named or int(threshold)
        if needed > len(members):
            raise EncodingError(f"threshold is {needed}, but there are {len(members)} members")
        return Group(needed, tuple(members))

    def _known(self, name: str) -> str:
        if name not in self.witnesses and name not in self.groups:
            raise EncodingError(f"{name!r} is not defined above")
        return name

    def _new(self, name: str) -> str:
        if name == NO_QUORUM or name in self.witnesses or name in self.groups:
            raise EncodingError(f"the name {name!r} is taken")
        return name

    @staticmethod
    def _fresh(key: VerifierKey, others: list[VerifierKey]) -> VerifierKey:
        if any(key.public == other.public for other in others):
            raise EncodingError(f"the key of {key.name!r} is listed twice")
        return key
