"""Witnesses of a did:webvh history: who must have approved of an entry, and whether they have.

An approval of an entry is one of all entries before it. The file holds, for each witness, the
newest approval only; it is judged together with the entries that were fetched with it.

Source:
    did:webvh v1.0, "DID Witnesses".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.errors import EncodingError, SignatureError, VerificationError
from tallystick.statement.dataintegrity import PROOFS_MAX, multikey, verify_proof
from tallystick.statement.jcs import parse_json

WITNESSES_MAX: Final = 64
APPROVED_MAX: Final = 1024
"""Entries of the file."""
_PREFIX: Final = "did:key:"


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Who approves of entries, and how many of them it takes.

    Attributes:
        threshold: At least one, at most all.
        keys: Their Multikeys.
    """

    threshold: int
    keys: frozenset[str]


def parse_witnesses(value: Any) -> Witnesses | None:
    """Read the parameter `witness`; None where nobody need approve.

    Raises:
        EncodingError: Not well-formed: that never means that nobody need approve.
    """
    if value == {} and isinstance(value, dict):
        return None
    if not isinstance(value, dict) or set(value) != {"threshold", "witnesses"}:
        raise EncodingError(f"'witness' has 'threshold' and 'witnesses', got {value!r:.60}")
    listed, threshold = value["witnesses"], value["threshold"]
    if not isinstance(listed, list) or not 0 < len(listed) <= WITNESSES_MAX:
        raise EncodingError(f"'witnesses' must be an array of 1..{WITNESSES_MAX}")
    keys = [_witness(one) for one in listed]
    if len(set(keys)) != len(keys):
        raise EncodingError("a witness is listed twice")
    if type(threshold) is not int or not 0 < threshold <= len(keys):
        raise EncodingError(f"'threshold' must be in 1..{len(keys)}, got {threshold!r:.40}")
    return Witnesses(threshold, frozenset(keys))


def _witness(value: Any) -> str:
    did = value.get("id") if isinstance(value, dict) else None
    if not isinstance(did, str) or not did.startswith(_PREFIX):
        raise EncodingError(f"a witness has the id did:key:…, got {value!r:.60}")
    name = did.removeprefix(_PREFIX)
    multikey(name)
    return name


def check_witnessed(
    asked: Sequence[tuple[int, Witnesses]], versions: Sequence[str], file: bytes | None
) -> None:
    """Accept only entries that enough of their witnesses approved of.

    Args:
        asked: Number of each entry that must be approved of, and by whom.
        versions: `versionId` of every entry of the history.
        file: The approvals; None where there is no such file.

    Raises:
        EncodingError: The file is not well-formed.
        VerificationError: Too few approved.
    """
    if not asked:
        return
    if file is None:
        raise VerificationError(
            "the history has witnesses, and the file of their approvals is not here"
        )
    approved = dict(_approvals(file, versions))
    for number, witnesses in asked:
        count = sum(approved.get(key, 0) >= number for key in witnesses.keys)
        if count < witnesses.threshold:
            raise VerificationError(
                f"{count} witnesses approved of entry {number} of the history, it takes "
                f"{witnesses.threshold}"
            )


def _approvals(file: bytes, versions: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield witnesses and up to which entry they approved, the highest last."""
    numbers = {version: at for at, version in enumerate(versions, start=1)}
    for number, name in sorted(
        (numbers[said["versionId"]], name)
        for said in _read(file)
        if said["versionId"] in numbers  # others are of entries that are not published yet
        for name in _verified(said)
    ):
        yield name, number


def _read(file: bytes) -> list[dict[str, Any]]:
    said = parse_json(file, "the file of approvals")
    if not isinstance(said, list) or len(said) > APPROVED_MAX:
        raise EncodingError(f"the file of approvals is an array of at most {APPROVED_MAX}")
    for one in said:
        if not isinstance(one, dict) or not isinstance(one.get("versionId"), str):
            raise EncodingError("an approval names a 'versionId'")
    return said


def _verified(said: dict[str, Any]) -> Iterator[str]:
    """Yield whose proofs match; one that does not is no approval, and hinders no other."""
    proofs = said.get("proof")
    if not isinstance(proofs, list) or len(proofs) > PROOFS_MAX:
        raise EncodingError(f"'proof' of an approval is an array of at most {PROOFS_MAX}")
    for proof in proofs:
        try:
            yield verify_proof({"versionId": said["versionId"]}, proof)
        except (EncodingError, SignatureError):
            continue
