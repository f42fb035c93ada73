"""Writing histories of did:webvh, entry by entry: what `webvh` reads.

    did, line = first_entry("example.com", document, update, following, now)
    line = further_entry(history, document, update, following, now)

A key that is to sign the next entry is committed to by its digest before anybody has seen it
(pre-rotation): whoever steals the key of today cannot go on with the history.

Source:
    did:webvh v1.0, "Create (Register)", "Update (Rotate)", "Deactivate (Revoke)"; W3C Data
    Integrity EdDSA Cryptosuites v1.0, section 3.3.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tallystick.errors import EncodingError, VerificationError
from tallystick.statement import base58
from tallystick.statement.dataintegrity import SUITE, multikey, signed_bytes
from tallystick.statement.jcs import canonical
from tallystick.statement.keys import PublicKey
from tallystick.statement.webdid import WEBVH, parse_web_did
from tallystick.statement.webvh import METHOD, PLACEHOLDER, History, check_entry, multihash


@dataclass(frozen=True, slots=True)
class UpdateKey:
    """An Ed25519 key that may update a history.

    Attributes:
        public: Its public half.
        sign: Signs with it.
    """

    public: PublicKey
    sign: Callable[[bytes], bytes]

    @property
    def name(self) -> str:
        """Its Multikey."""
        return name_of(self.public)


def name_of(key: PublicKey) -> str:
    """Return the Multikey of a key.

    Raises:
        EncodingError: Not an Ed25519 key: no history is signed with it.
    """
    name = key.did().removeprefix("did:key:")
    multikey(name)
    return name


def commitment(key: PublicKey) -> str:
    """Return what stands for a key that nobody has seen yet."""
    return multihash(name_of(key).encode())


def first_entry(
    host: str, document: dict[str, Any], update: UpdateKey, following: PublicKey | None, now: int
) -> tuple[str, bytes]:
    """Begin a history.

    Args:
        host: What stands behind the SCID: a host, `%3A` and a port, `:` and folders.
        document: The DID document; `{SCID}` in it stands for what is not known yet.
        update: Signs this entry.
        following: The key that is to sign the next one; None commits to none.
        now: Seconds since 1970.

    Returns:
        The DID, and the entry with its line feed.

    Raises:
        EncodingError: The host is none, the document is of something else, or a key no Ed25519.
    """
    parameters: dict[str, Any] = {
        "method": METHOD, "scid": PLACEHOLDER, "updateKeys": [update.name],
    }  # fmt: skip
    if following is not None:
        parameters["nextKeyHashes"] = [commitment(following)]
    entry = {
        "versionId": PLACEHOLDER,
        "versionTime": _time(now),
        "parameters": parameters,
        "state": document,
    }
    scid = multihash(canonical(entry))
    did = parse_web_did(f"did:{WEBVH}:{scid}:{host}").did
    begun: dict[str, Any] = json.loads(canonical(entry).decode().replace(PLACEHOLDER, scid))
    line = _finished(begun, f"1-{_hash(begun, scid)}", update, now)
    check_entry(History(did=did), line, now)
    if begun["state"]["id"] != did:
        raise EncodingError(f"the document is of {begun['state']['id']!r:.120}, expected {did}")
    return did, line


def further_entry(
    history: History,
    document: dict[str, Any],
    update: UpdateKey,
    following: PublicKey | None,
    now: int,
    *,
    deactivated: bool = False,
) -> bytes:
    """Go on with a history.

    Args:
        history: As far as it goes, verified.
        document: The DID document from now on.
        update: Signs this entry: the key that was committed to, where one was.
        following: The key that is to sign the next one; None commits to none.
        now: Seconds since 1970.
        deactivated: Nothing follows.

    Returns:
        The entry with its line feed; it is verified, but for the approval of witnesses.

    Raises:
        EncodingError: The document is none, or a key no Ed25519.
        VerificationError: The key may not sign it, or the history has ended.
    """
    committed = bool(history.parameters["nextKeyHashes"])
    parameters: dict[str, Any] = {"updateKeys": [update.name]} if committed else {}
    if committed or following is not None:
        parameters["nextKeyHashes"] = [] if following is None else [commitment(following)]
    if deactivated:
        parameters["deactivated"] = True
    at = max(now, int(history.time) + 1)  # each is later than the one before
    entry = {
        "versionId": "", "versionTime": _time(at), "parameters": parameters, "state": document,
    }  # fmt: skip
    number = len(history.versions) + 1
    version = f"{number}-{_hash(entry, history.versions[-1])}"
    line = _finished(entry, version, update, at)
    after = check_entry(history, line, now)
    if after.document["id"] != history.document["id"]:
        raise VerificationError(f"it moves {history.document['id']}, which is not written here")
    return line


def _hash(entry: dict[str, Any], before: str) -> str:
    return multihash(canonical({**entry, "versionId": before}))


def _finished(entry: dict[str, Any], version: str, update: UpdateKey, at: int) -> bytes:
    """Name an entry, sign it, and return its line."""
    named = {**entry, "versionId": version}
    proof = {
        "type": "DataIntegrityProof",
        "cryptosuite": SUITE,
        "verificationMethod": f"did:key:{update.name}#{update.name}",
        "created": _time(at),
        "proofPurpose": "assertionMethod",
    }
    value = "z" + base58.encode(update.sign(signed_bytes(named, proof)))
    return canonical({**named, "proof": [{**proof, "proofValue": value}]}) + b"\n"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
