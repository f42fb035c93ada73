"""Ask a Python library that other people wrote for its verdict on a file.

    oracle.py scitt-statement KEY_PEM_FILE STATEMENT_FILE
    oracle.py scitt-receipt   KEY_PEM_FILE RECEIPT_FILE ENTRY_FILE
    oracle.py cwt             KEY_PEM_FILE SIGN1_FILE [PAYLOAD_FILE]
    oracle.py pycose          KEY_PEM_FILE SIGN1_FILE [PAYLOAD_FILE]
    oracle.py pymerkle        JSON_FILE    ({"entries": [base64], "root": base64})
    oracle.py sd-jwt          JSON_FILE    ({"shown", "key": JWK, "audience", "nonce"})
    oracle.py sd-jwt-issue    JSON_FILE    ({"claims", "hidden": [name], "key": private JWK, "typ"})
    oracle.py didwebvh        DID FOLDER   (with did.jsonl, and did-witness.json if there is one)
    oracle.py didwebvh-write  JSON_FILE    ({"folder", "host", "document": {…}, "updates": [{…}]})
    oracle.py eth-sign        JSON_FILE    ({"secret": hex, "text"})
    oracle.py eth-recover     JSON_FILE    ({"signature": hex, "text"})

Run it with the Python of the environment that holds the library; each knows only its own.
Prints one line of JSON; exits 0 if accepted, 1 if rejected, and 2 if there is no verdict: bad
usage, an unreadable file or key, or an error that is a crash of the library and not its refusal.
"""

import base64
import json
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

HEADER_KID: Final = 4


class Rejection(Exception):  # noqa: N818  (a verdict, not an error)
    """The library looked at the file and says no."""


def judge_scitt_statement(key: str, statement: str) -> str:
    import scitt_cose  # type: ignore[import-not-found]

    pem, data = _read_key(key), Path(statement).read_bytes()
    result = scitt_cose.parse_signed_statement(data, public_key_pem=pem)
    if result["signature_verified"] is not True:
        raise Rejection(_reason(lambda: scitt_cose.verify_sign1(data, public_key_pem=pem)))
    return f"{result['alg']}, iss {result['issuer']}, sub {result['subject']}"


def _reason(check: Callable[[], object]) -> str:
    """Ask the lower layer, which raises, why the upper one said no."""
    try:
        check()
    except Exception as error:  # noqa: BLE001  (only its words are wanted)
        return str(error)
    return "not verified as a statement, though verified as a COSE_Sign1"


def judge_scitt_receipt(key: str, receipt: str, entry: str) -> str:
    import scitt_cose

    result = scitt_cose.verify_receipt(
        Path(receipt).read_bytes(),
        leaf_entry_hex=Path(entry).read_bytes().hex(),
        log_public_key_pem=_read_key(key),
    )
    if not result.ok:
        raise Rejection(f"{result.failed_at}: {'; '.join(result.errors)}")
    return f"leaf {result.leaf_index} of {result.tree_size}, root {result.root}"


def judge_cwt(key: str, sign1: str, *payload: str) -> str:
    import cwt  # type: ignore[import-not-found]

    data, detached = Path(sign1).read_bytes(), _read_payload(payload)
    cose_key = cwt.COSEKey.from_pem(_read_key(key).decode(), kid=_claimed_kid(data))
    try:
        content = cwt.COSE.new().decode(data, cose_key, detached_payload=detached)
    except (cwt.CWTError, ValueError) as error:
        raise Rejection(f"{type(error).__name__}: {error}") from error
    return f"verified over {len(content)} bytes of payload"


def _claimed_kid(sign1: bytes) -> bytes:
    """Name the key as the file does: cwt looks keys up, here the caller pins one."""
    import cbor2

    try:
        kid = cbor2.loads(cbor2.loads(sign1).value[0]).get(HEADER_KID, b"")
    except (cbor2.CBORDecodeError, AttributeError, LookupError, TypeError, ValueError):
        return b""  # not a COSE_Sign1: cwt shall say so
    return kid if isinstance(kid, bytes) else b""


def judge_pycose(key: str, sign1: str, *payload: str) -> str:
    from pycose.exceptions import CoseException  # type: ignore[import-not-found]
    from pycose.keys import CoseKey  # type: ignore[import-not-found]
    from pycose.messages import Sign1Message  # type: ignore[import-not-found]

    cose_key = CoseKey.from_pem_public_key(_read_key(key).decode())
    data, detached = Path(sign1).read_bytes(), _read_payload(payload)
    try:
        decoded = Sign1Message.decode(data)
        decoded.key = cose_key
        verified = decoded.verify_signature(detached_payload=detached)
    except CoseException as error:
        raise Rejection(f"{type(error).__name__}: {error}") from error
    if verified is not True:
        raise Rejection("signature verification failed")
    return f"verified with an {type(cose_key).__name__}"


def judge_pymerkle(path: str) -> str:
    import pymerkle  # type: ignore[import-not-found]

    given = json.loads(Path(path).read_text())
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for entry in given["entries"]:
        tree.append_entry(base64.b64decode(entry, validate=True))
    root = tree.get_state()
    if root != base64.b64decode(given["root"], validate=True):
        raise Rejection(f"the root of {tree.get_size()} entries is {root.hex()}")
    return f"root of {tree.get_size()} entries"


def judge_sd_jwt(path: str) -> str:
    from jwcrypto.common import JWException  # type: ignore[import-untyped]
    from jwcrypto.jwk import JWK  # type: ignore[import-untyped]
    from sd_jwt.verifier import SDJWTVerifier  # type: ignore[import-not-found]

    given = json.loads(Path(path).read_text())
    key = JWK(**given["key"])
    try:
        verifier = SDJWTVerifier(
            given["shown"], lambda *_: key, given.get("audience"), given.get("nonce")
        )
        return json.dumps(verifier.get_verified_payload(), sort_keys=True)
    except (ValueError, KeyError, JWException) as error:
        raise Rejection(f"{type(error).__name__}: {error}") from error


def issue_sd_jwt(path: str) -> str:
    """Make one; the words of the verdict are what was made."""
    from jwcrypto.jwk import JWK
    from sd_jwt.common import SDObj  # type: ignore[import-not-found]
    from sd_jwt.issuer import SDJWTIssuer  # type: ignore[import-not-found]

    given = json.loads(Path(path).read_text())
    claims = _with_hidden(given["claims"], set(given["hidden"]), SDObj)
    key = JWK(**given["key"])
    header = {"typ": given["typ"]}
    algorithm = "ES256" if key.get("kty") == "EC" else "EdDSA"
    issued = SDJWTIssuer(claims, key, sign_alg=algorithm, extra_header_parameters=header)
    return str(issued.sd_jwt_issuance)


def judge_didwebvh(did: str, folder: str) -> str:
    import asyncio

    from did_webvh.resolver import resolve_did  # type: ignore[import-not-found]

    if not Path(folder, "did.jsonl").is_file():
        raise FileNotFoundError(f"No such file: {folder}/did.jsonl")
    result = asyncio.run(resolve_did(did, local_history=Path(folder), add_implicit=False))
    answer = result.serialize()
    metadata = answer.get("didResolutionMetadata") or {}
    if metadata.get("error"):
        raise Rejection(json.dumps(metadata))
    return json.dumps(answer, sort_keys=True)


def write_didwebvh(path: str) -> str:
    """Write a history; the words of the verdict are its DID."""
    from did_webvh.askar import AskarSigningKey  # type: ignore[import-not-found]
    from did_webvh.core.state import DocumentState  # type: ignore[import-not-found]
    from did_webvh.history import update_document_state  # type: ignore[import-not-found]

    given = json.loads(Path(path).read_text())
    key = AskarSigningKey.generate("ed25519")
    text = json.dumps(given["document"]).replace("{DID}", "did:webvh:{SCID}:" + given["host"])
    state = DocumentState.initial(
        {"updateKeys": [key.multikey], **given.get("parameters", {})}, text, "2026-01-01T00:00:00Z"
    )
    state.sign(key, timestamp=state.timestamp)
    lines, did = [state.history_json()], state.document_id
    for day, update in enumerate(given["updates"], start=2):
        document = json.loads(json.dumps(update).replace("{DID}", did))
        state = update_document_state(state, key, document, timestamp=f"2026-01-{day:02}T00:00:00Z")
        lines.append(state.history_json())
    Path(given["folder"], "did.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return str(did)


def sign_eth(path: str) -> str:
    """Sign a text as a wallet does; the words of the verdict are address and signature."""
    from eth_account import Account  # type: ignore[import-not-found]
    from eth_account.messages import encode_defunct  # type: ignore[import-not-found]

    given = json.loads(Path(path).read_text())
    account = Account.from_key(given["secret"])
    signed = account.sign_message(encode_defunct(text=given["text"]))
    return json.dumps({"address": account.address, "signature": signed.signature.hex()})


def recover_eth(path: str) -> str:
    """Return the address whose key made a signature; it says yes to nearly every signature."""
    from eth_account import Account
    from eth_account.messages import encode_defunct
    from eth_keys.exceptions import BadSignature  # type: ignore[import-not-found]

    given = json.loads(Path(path).read_text())
    try:
        return str(Account.recover_message(
            encode_defunct(text=given["text"]), signature=given["signature"]))  # fmt: skip
    except (BadSignature, ValueError) as error:
        raise Rejection(f"{type(error).__name__}: {error}") from error


def _with_hidden(value: object, hidden: set[str], mark: Callable[[object], object]) -> object:
    """Mark members of those names, wherever they stand, and elements that are such text."""
    if isinstance(value, dict):
        return {
            mark(name) if name in hidden else name: _with_hidden(inner, hidden, mark)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        inner = [_with_hidden(one, hidden, mark) for one in value]
        return [
            mark(one) if isinstance(was, str) and was in hidden else one
            for was, one in zip(value, inner, strict=True)
        ]
    return value


def _read_key(path: str) -> bytes:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    pem = Path(path).read_bytes()
    load_pem_public_key(pem)  # a bad key must not look like a bad signature
    return pem


def _read_payload(paths: tuple[str, ...]) -> bytes | None:
    return Path(paths[0]).read_bytes() if paths else None


ORACLES: Final[dict[str, tuple[str, Callable[..., str]]]] = {
    "scitt-statement": ("scitt-cose", judge_scitt_statement),
    "scitt-receipt": ("scitt-cose", judge_scitt_receipt),
    "cwt": ("cwt", judge_cwt),
    "pycose": ("pycose", judge_pycose),
    "pymerkle": ("pymerkle", judge_pymerkle),
    "sd-jwt": ("sd-jwt", judge_sd_jwt),
    "sd-jwt-issue": ("sd-jwt", issue_sd_jwt),
    "didwebvh": ("did-webvh", judge_didwebvh),
    "didwebvh-write": ("did-webvh", write_didwebvh),
    "eth-sign": ("eth-account", sign_eth),
    "eth-recover": ("eth-account", recover_eth),
}


def main(name: str, *files: str) -> int:
    distribution, judge = ORACLES[name]
    accepted = True
    try:
        detail = judge(*files)
    except Rejection as rejection:
        accepted, detail = False, str(rejection)
    verdict = {
        "oracle": name,
        "version": f"{distribution} {version(distribution)}",
        "accepted": accepted,
        "detail": detail,
    }
    sys.stdout.write(json.dumps(verdict) + "\n")
    return 0 if accepted else 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except Exception:  # noqa: BLE001  (whatever it was, it is no verdict)
        traceback.print_exc()
        sys.exit(2)
