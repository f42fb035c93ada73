"""A controller of a did:webvh, for tests: right by default, wrong where a test says so."""

import json
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from tallystick.identity import Signer, generate
from tallystick.statement import base58
from tallystick.statement.dataintegrity import signed_bytes
from tallystick.statement.jcs import canonical
from tests.ledgers import START

PLACEHOLDER = "{SCID}"
PROOF = {
    "type": "DataIntegrityProof",
    "cryptosuite": "eddsa-jcs-2022",
    "created": "2026-01-01T00:00:00Z",
    "proofPurpose": "assertionMethod",
}


def multikey(signer: Signer) -> str:
    return signer.public.did().removeprefix("did:key:")


def multihash(data: bytes) -> str:
    return base58.encode(b"\x12\x20" + sha256(data).digest())


def commitment(signer: Signer) -> str:
    """Return what stands for a key among `nextKeyHashes`."""
    return multihash(multikey(signer).encode())


def time_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def document_of(did: str, *signers: Signer, **members: Any) -> dict[str, Any]:
    """Return a document that names keys for statements."""
    methods = [
        {
            "id": f"{did}#key-{at}",
            "type": "Multikey",
            "controller": did,
            "publicKeyMultibase": multikey(signer),
        }
        for at, signer in enumerate(signers)
    ]
    return {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": did,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
        **members,
    }


def proof_of(content: dict[str, Any], by: Signer, **changed: Any) -> dict[str, Any]:
    name = multikey(by)
    proof = {**PROOF, "verificationMethod": f"did:key:{name}#{name}", **changed}
    return {**proof, "proofValue": "z" + base58.encode(by.sign(signed_bytes(content, proof)))}


@dataclass
class Controller:
    """Writes a history, entry by entry."""

    signer: Signer = field(default_factory=generate)
    host: str = "example.com"
    update: Signer = field(default_factory=generate)
    entries: list[dict[str, Any]] = field(default_factory=list)
    scid: str = PLACEHOLDER
    now: int = START - 100_000

    @property
    def did(self) -> str:
        return f"did:webvh:{self.scid}:{self.host}"

    @property
    def lines(self) -> bytes:
        return b"".join(json.dumps(entry).encode() + b"\n" for entry in self.entries)

    def create(self, document: dict[str, Any] | None = None, **parameters: Any) -> "Controller":
        """Write the first entry; what is given as None is left out."""
        said = {
            "method": "did:webvh:1.0",
            "scid": PLACEHOLDER,
            "updateKeys": [multikey(self.update)],
            **parameters,
        }
        entry = {
            "versionId": PLACEHOLDER,
            "versionTime": time_text(self.now),
            "parameters": {name: value for name, value in said.items() if value is not None},
            "state": document or document_of(self.did, self.signer),
        }
        scid = multihash(canonical(entry))
        entry = json.loads(json.dumps(entry).replace(PLACEHOLDER, scid))
        self.scid = scid
        self._append(entry, scid, self.update)
        return self

    def append(
        self,
        document: Any = None,
        *,
        by: Signer | None = None,
        time: str | None = None,
        **parameters: Any,
    ) -> "Controller":
        """Write a further entry, an hour later."""
        self.now += 3600
        state = deepcopy(self.entries[-1]["state"]) if document is None else document
        entry = {
            "versionId": "",
            "versionTime": time or time_text(self.now),
            "parameters": parameters,
            "state": state,
        }
        self._append(entry, self.entries[-1]["versionId"], by or self.update)
        return self

    def approved(self, *witnesses: Signer, entry: int = -1) -> bytes:
        """Return the file of approvals of one entry."""
        said = {"versionId": self.entries[entry]["versionId"]}
        return json.dumps([{**said, "proof": [proof_of(said, one) for one in witnesses]}]).encode()

    def _append(self, entry: dict[str, Any], previous: str, by: Signer) -> None:
        hashed = multihash(canonical({**entry, "versionId": previous}))
        entry["versionId"] = f"{len(self.entries) + 1}-{hashed}"
        entry["proof"] = [proof_of(entry, by)]
        self.entries.append(entry)


def witnesses(threshold: int, *signers: Signer) -> dict[str, Any]:
    """Return the parameter that names witnesses."""
    return {
        "threshold": threshold,
        "witnesses": [{"id": signer.public.did()} for signer in signers],
    }
