"""The test suite of did:webvh: logs that five implementations wrote, and those to be refused.

`didwebvh.tar.xz` holds files of github.com/decentralized-identity/didwebvh-test-suite at commit
81e4a941dc7697089cf89521e2acbbe33cba4f38, as they are; Apache-2.0.
"""

import json
import re
import tarfile
from functools import cache
from pathlib import Path

import pytest

from tallystick.errors import EncodingError, TallystickError
from tallystick.statement.webdid import parse_web_did
from tallystick.statement.webvh import read_history

SUITE = Path(__file__).with_name("didwebvh.tar.xz")
NOW = 1_795_000_000
NOT_TO_THE_LETTER = {
    # Their witnesses are named by a bare key; the specification asks for a did:key.
    "vectors/witness-threshold/rust": "has the id did:key",
    "vectors/witness-update/rust": "has the id did:key",
    # An entry that replaces its witnesses is approved by the new ones only; "that new list becomes
    # active AFTER the new DID log entry has been published", says the specification.
    **{
        f"vectors/witness-update/{one}": "approved of entry 2"
        for one in ("java", "java-eecc", "python", "ts")
    },
}


@cache
def files() -> dict[str, bytes]:
    with tarfile.open(SUITE) as suite:
        return {one.name: suite.extractfile(one).read() for one in suite if one.isfile()}  # type: ignore[union-attr]


LOGS = sorted(name.removesuffix("/did.jsonl") for name in files() if name.endswith("/did.jsonl"))
GOOD = [one for one in LOGS if "/negative-" not in one and one not in NOT_TO_THE_LETTER]
BAD = [one for one in LOGS if "/negative-" in one and files()[f"{one}/did.jsonl"]]
DIDS = sorted(
    {
        found
        for name, data in files().items()
        if name.endswith("script.yaml")
        for found in re.findall(r'op: resolve-did\s+did: "([^"]+)"', data.decode())
    }
)


def resolve(name: str) -> None:
    lines = files()[f"{name}/did.jsonl"]
    ids = [json.loads(line)["state"]["id"] for line in lines.splitlines()]
    history = read_history(ids[-1], None, lines, files().get(f"{name}/did-witness.json"), NOW)
    expected = json.loads(files()[f"{name}/resolutionResult.json"])
    assert history.document["id"] == ids[-1]
    assert history.deactivated == bool(expected["didDocumentMetadata"].get("deactivated"))
    if expected.get("didDocument"):
        methods = expected["didDocument"].get("verificationMethod")
        assert history.document.get("verificationMethod") == methods


@pytest.mark.parametrize("name", GOOD)
def test_a_log_of_another_implementation_verifies(name: str) -> None:
    resolve(name)


@pytest.mark.parametrize("name", BAD)
def test_a_log_that_is_to_be_refused_is(name: str) -> None:
    with pytest.raises(TallystickError):
        resolve(name)


@pytest.mark.parametrize(("name", "words"), NOT_TO_THE_LETTER.items())
def test_a_log_that_is_not_to_the_letter_is_refused(name: str, words: str) -> None:
    with pytest.raises(TallystickError, match=words):
        resolve(name)


@pytest.mark.parametrize("did", DIDS)
def test_a_did_that_is_to_be_refused_is(did: str) -> None:
    with pytest.raises(EncodingError):
        parse_web_did(did)


def test_the_suite_is_whole() -> None:
    assert (len(GOOD), len(BAD)) == (58, 11)
    assert len(DIDS) >= 5
