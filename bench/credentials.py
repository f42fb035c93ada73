"""Verify a presented credential, beside the reference library in one run.

python -m bench.credentials

ES256, eight hidden claims of which two are shown, bound to its holder. The reference library is
asked in the environment of `make oracles`; it does not look at the time.
"""

import json
import os
import subprocess
import time
from typing import Any

from bench.machine import machine
from bench.peers.process import ROOT
from bench.report import tell
from tallystick.identity import generate, jwk
from tallystick.identity.credentials import Content, Expected, issue, present, verify
from tallystick.statement import KeyKind

TIMES = 2000
NOW = 1_790_000_000
PEER = """
import json, sys, time
from jwcrypto.jwk import JWK
from sd_jwt.verifier import SDJWTVerifier
given = json.load(sys.stdin)
key = JWK(**given["key"])
def once():
    SDJWTVerifier(given["shown"], lambda *_: key, "a", "n").get_verified_payload()
for _ in range(50):
    once()
began = time.process_time()
for _ in range(given["times"]):
    once()
print((time.process_time() - began) / given["times"] * 1e3)
"""


def main() -> None:
    """Measure and print JSON."""
    issuer, holder = generate(KeyKind.P256), generate(KeyKind.P256)
    claims = {f"claim{n}": f"value {n}" for n in range(8)}
    content = Content(type="urn:role", claims=claims, holder=holder.public, issued_at=NOW)
    text = issue(content, issuer, os.urandom)
    shown = present(text, {"claim0", "claim1"}, holder, "a", "n", NOW)
    keys = {issuer.public.did(): issuer.public}
    expected = Expected(issuers=keys, audience="a", nonce="n")
    for _ in range(50):
        verify(shown, expected, NOW)
    began = time.process_time()
    for _ in range(TIMES):
        verify(shown, expected, NOW)
    ours = (time.process_time() - began) / TIMES * 1e3
    peer = _peer({"shown": shown, "key": jwk.encode(issuer.public), "times": TIMES})
    rows = [{"who": "tallystick", "cpu_ms": round(ours, 3)},
            {"who": "sd-jwt 0.10.4", "cpu_ms": round(peer, 3)}]  # fmt: skip
    ratio = round(peer / ours, 2)
    tell("credentials", rows, {"machine": machine(), "targets": {"cpu_ms": 5}, "ratio": ratio,
                               "verify": rows})  # fmt: skip


def _peer(question: dict[str, Any]) -> float:
    python = ROOT / ".oracles" / "sd-jwt" / "bin" / "python"
    done = subprocess.run(
        [python, "-I", "-c", PEER], input=json.dumps(question), text=True, check=True,
        capture_output=True,
    )  # fmt: skip
    return float(done.stdout)


if __name__ == "__main__":
    main()
