"""Histories of did:webvh: each entry verified, one after the other, from nothing or from before.

    history = read_history(did, None, first_lines, witness_file, now)
    later = read_history(did, history, further_lines, newer_witness_file, now)
    later.document, later.deactivated

A history certifies itself: its first entry leads to the SCID in the DID, each entry to the one
before, and keys that an earlier entry named signed it. Who serves the file, and when, does not
matter; whoever serves it can leave out its end.

Stricter than the method asks: numbers that not every reader of JSON reads alike are refused, see
`jcs`, and an entry that replaces its witnesses needs the approval of those before it.

Source:
    did:webvh v1.0, "Read (Resolve)", "Parameters", "SCID", "Entry Hash", "Pre-Rotation".
"""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from tallystick.errors import EncodingError, SignatureError, VerificationError
from tallystick.statement import base58
from tallystick.statement.dataintegrity import PROOFS_MAX, multikey, verify_proof
from tallystick.statement.jcs import canonical, parse_json
from tallystick.statement.webdid import WEBVH, parse_web_did
from tallystick.statement.webvhwitness import Witnesses, check_witnessed, parse_witnesses

METHOD: Final = "did:webvh:1.0"
PLACEHOLDER: Final = "{SCID}"
FUTURE_SECONDS_MAX: Final = 300
LIST_MAX: Final = 64
"""Keys, hashes or watchers of one entry."""
TTL_MAX: Final = 2**31

_MEMBERS: Final = frozenset({"versionId", "versionTime", "parameters", "state", "proof"})
_SHA256: Final = b"\x12\x20"
"""Multihash prefix: SHA-256, 32 bytes."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII)
_DEFAULTS: Final[dict[str, Any]] = {
    "updateKeys": [],
    "nextKeyHashes": [],
    "witness": {},
    "watchers": [],
    "portable": False,
    "deactivated": False,
    "ttl": 3600,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A history as far as it is verified.

    Attributes:
        did: The DID that is resolved.
        versions: `versionId` of each entry.
        time: `versionTime` of the newest one, seconds since 1970.
        parameters: Those that hold now.
        document: The newest DID document.
        matched: Whether the document of some entry was the DID's own; a portable one moves on.
    """

    did: str
    versions: tuple[str, ...] = ()
    time: float = 0.0
    parameters: dict[str, Any] = field(default_factory=lambda: dict(_DEFAULTS))
    document: dict[str, Any] = field(default_factory=dict)
    matched: bool = False

    @property
    def deactivated(self) -> bool:
        """Its controller said that it is used no more."""
        return bool(self.parameters["deactivated"])


def read_history(
    did: str, before: History | None, lines: bytes, witness: bytes | None, now: int
) -> History:
    """Verify further entries of a history, and return how it stands after them.

    Args:
        did: The DID.
        before: As far as it was verified; None where `lines` begin with the first entry.
        lines: Entries, each ending in a line feed.
        witness: The file of its witnesses' approvals, as it was when `lines` were fetched.
        now: When they were fetched; no entry may be much later.

    Raises:
        EncodingError: An entry is not well-formed.
        SignatureError: A proof does not match.
        VerificationError: An entry does not follow from those before it.
    """
    history = before or History(did=did)
    asked: list[tuple[int, Witnesses]] = []
    for line in _split(lines):
        number = len(history.versions) + 1
        try:
            history, witnesses = _next(history, parse_json(line, "it"), now)
        except (EncodingError, SignatureError, VerificationError) as error:
            raise type(error)(f"entry {number} of the history: {error}") from error
        if witnesses is not None:
            asked.append((number, witnesses))
    if not history.matched:
        raise VerificationError(f"no entry of the history is of {did}")
    check_witnessed(asked, history.versions, witness)
    return history


def check_entry(history: History, line: bytes, now: int) -> History:
    """Verify one further entry; whether its witnesses approve is not looked at.

    Raises:
        EncodingError: It is not well-formed.
        SignatureError: A proof does not match.
        VerificationError: It does not follow from what is there.
    """
    return _next(history, parse_json(line, "it"), now)[0]


def _split(lines: bytes) -> list[bytes]:
    *entries, rest = lines.split(b"\n")
    if rest:
        entries.append(rest)
    if not entries:
        raise EncodingError("the history has no entries")
    return entries


def _next(history: History, entry: Any, now: int) -> tuple[History, Witnesses | None]:
    """Verify one entry; return the history with it, and the witnesses who must approve of it."""
    if not isinstance(entry, dict) or set(entry) != _MEMBERS:
        raise EncodingError(f"an entry has exactly {', '.join(sorted(_MEMBERS))}")
    if history.deactivated:
        raise VerificationError(f"{history.did} is deactivated, nothing follows that")
    before = history.parameters
    said = _read_parameters(history, entry["parameters"])
    holding = {**before, **said}
    signers = holding if not history.versions or before["nextKeyHashes"] else before
    _check_version(history, entry, holding["scid"])
    time = _check_time(history, entry["versionTime"], now)
    _check_proofs(entry, signers["updateKeys"])
    document = _check_state(history, entry["state"], holding)
    following = replace(
        history,
        versions=(*history.versions, entry["versionId"]),
        time=time,
        parameters=holding,
        document=document,
        matched=history.matched or document["id"] == history.did,
    )
    return following, parse_witnesses(before["witness"]) or parse_witnesses(holding["witness"])


# --- parameters


def _read_parameters(history: History, said: Any) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise EncodingError("'parameters' must be an object")
    first = not history.versions
    read = {name: _parameter(name, value) for name, value in said.items()}
    if first and not {"method", "scid", "updateKeys"} <= set(read):
        raise EncodingError("the first entry has the parameters method, scid and updateKeys")
    if not first and "scid" in read:
        raise VerificationError("only the first entry has the parameter scid")
    if not first and read.get("portable"):
        raise VerificationError("only the first entry makes a history portable")
    if (hashes := history.parameters["nextKeyHashes"]) and not first:
        _check_rotation(hashes, read)
    if first and read["scid"] != parse_web_did(history.did).scid:
        raise VerificationError(f"the SCID is {read['scid']!r:.60}, not that of {history.did}")
    return read


def _parameter(name: str, value: Any) -> Any:
    """Return a parameter, if it has the shape it should; null stands for the default."""
    if name == "method":
        if value != METHOD:
            raise EncodingError(f"'method' must be {METHOD}, got {value!r:.40}")
        return value
    if name == "scid":
        if not isinstance(value, str):
            raise EncodingError(f"'scid' must be text, got {value!r:.40}")
        return value
    if name not in _DEFAULTS:
        raise EncodingError(f"{METHOD} has no parameter {name!r:.40}")
    if value is None:
        return _DEFAULTS[name]
    _CHECKS[name](name, value)
    return value


def _check_texts(name: str, value: Any) -> None:
    texts = isinstance(value, list) and len(value) <= LIST_MAX
    if not texts or not all(isinstance(one, str) for one in value):
        raise EncodingError(f"{name!r} must be at most {LIST_MAX} texts, got {value!r:.60}")


def _check_keys(name: str, value: Any) -> None:
    _check_texts(name, value)
    for key in value:
        multikey(key)


def _check_flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise EncodingError(f"{name!r} must be true or false, got {value!r:.40}")


def _check_ttl(name: str, value: Any) -> None:
    if type(value) is not int or not 0 <= value <= TTL_MAX:
        raise EncodingError(f"{name!r} must be in 0..{TTL_MAX}, got {value!r:.40}")


def _check_witness(_name: str, value: Any) -> None:
    parse_witnesses(value)


_CHECKS: Final = {
    "updateKeys": _check_keys,
    "nextKeyHashes": _check_texts,
    "witness": _check_witness,
    "watchers": _check_texts,
    "portable": _check_flag,
    "deactivated": _check_flag,
    "ttl": _check_ttl,
}


def _check_rotation(hashes: list[str], said: dict[str, Any]) -> None:
    """Accept only keys that the entry before committed to, and a new commitment."""
    if not {"updateKeys", "nextKeyHashes"} <= set(said):
        raise VerificationError(
            "keys were committed to before, so it must have updateKeys and nextKeyHashes"
        )
    for key in said["updateKeys"]:
        if multihash(key.encode()) not in hashes:
            raise VerificationError(f"nobody committed to the key {key} in the entry before")


# --- links


def _check_version(history: History, entry: dict[str, Any], scid: str) -> None:
    """Recompute what the entry is called, and of the first one the SCID, too."""
    bare = {name: value for name, value in entry.items() if name != "proof"}
    if not history.versions:
        text = canonical({**bare, "versionId": PLACEHOLDER}).decode()
        begun = parse_json(text.replace(scid, PLACEHOLDER).encode(), "it")
        if multihash(canonical(begun)) != scid:
            raise VerificationError(f"it does not lead to the SCID {scid}")
    number = len(history.versions) + 1
    predecessor = history.versions[-1] if history.versions else scid
    expected = f"{number}-{multihash(canonical({**bare, 'versionId': predecessor}))}"
    if entry["versionId"] != expected:
        raise VerificationError(f"'versionId' is {entry['versionId']!r:.80}, expected {expected}")


def multihash(data: bytes) -> str:
    """Return a SHA-256 digest as histories write it."""
    return base58.encode(_SHA256 + sha256(data).digest())


def _check_time(history: History, text: Any, now: int) -> float:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise EncodingError(f"'versionTime' is such as 2026-01-31T12:00:00Z, got {text!r:.40}")
    try:
        time = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        raise EncodingError(f"'versionTime' is no time: {text}") from error
    if history.versions and time <= history.time:
        raise VerificationError(f"'versionTime' {text} is not later than that of the entry before")
    if time > now + FUTURE_SECONDS_MAX:
        raise VerificationError(f"'versionTime' {text} is after the history was fetched")
    return time


def _check_proofs(entry: dict[str, Any], keys: list[str]) -> None:
    """Accept only proofs by keys that may update the history, and at least one."""
    proofs = entry["proof"]
    if not isinstance(proofs, list) or not 0 < len(proofs) <= PROOFS_MAX:
        raise EncodingError(f"'proof' must be an array of 1..{PROOFS_MAX} proofs")
    for proof in proofs:
        if (name := verify_proof(entry, proof)) not in keys:
            raise VerificationError(f"the key {name} may not update the history")


def _check_state(history: History, state: Any, holding: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(state, dict) or not isinstance(state.get("id"), str):
        raise EncodingError("'state' must be a DID document with an 'id'")
    place = parse_web_did(state["id"])
    if (place.method, place.scid) != (WEBVH, holding["scid"]):
        raise VerificationError(f"its document is of {state['id']!r:.120}, another SCID")
    known = history.document.get("id", state["id"])
    if state["id"] != known:
        if not holding["portable"]:
            raise VerificationError(f"it moves {known} to {state['id']}, and is not portable")
        also = state.get("alsoKnownAs")
        if not isinstance(also, list) or known not in also:
            raise VerificationError(f"it moves {known}, and its document does not name that")
    return state
