"""SD-JWT against the reference library, both ways: what one issues the other reads, or refuses."""

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.errors import EncodingError, SignatureError, TallystickError
from tallystick.identity import SoftwareSigner, generate, jwk, sd_jwt
from tallystick.identity.credentials import Content, issue, present
from tallystick.statement import KeyKind, b64
from tests.oracles import kit

pytestmark = pytest.mark.oracle
NOW = 1_790_000_000
KINDS = [KeyKind.ED25519, KeyKind.P256]
NAMES = ["a", "b", "name", "address"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=8,
)
EACH = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def private(signer: SoftwareSigner) -> dict[str, str]:
    return {**jwk.encode(signer.public), "d": b64.encode_url(signer.unsafe_secret())}


def ours(text: str, signer: SoftwareSigner) -> dict[str, Any]:
    return dict(sd_jwt.verify(sd_jwt.parse(text), signer.public, {"dc+sd-jwt"}).claims)


@pytest.mark.parametrize("kind", KINDS)
@EACH
@given(
    claims=st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1),
    hidden=st.sets(st.sampled_from(NAMES)),
)
def test_we_read_what_the_reference_library_issues(
    kind: KeyKind, claims: dict[str, Any], hidden: set[str]
) -> None:
    signer = generate(kind)
    issued = kit.issue_sd_jwt(
        {"claims": claims, "hidden": sorted(hidden), "key": private(signer), "typ": "dc+sd-jwt"}
    )

    assert ours(issued, signer) == claims
    with pytest.raises(SignatureError):
        ours(issued, generate(kind))


@pytest.mark.parametrize("kind", KINDS)
@EACH
@given(
    claims=st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1),
    shown=st.sets(st.sampled_from(NAMES)),
)
def test_the_reference_library_reads_what_we_present(
    kind: KeyKind, claims: dict[str, Any], shown: set[str]
) -> None:
    issuer, holder = generate(kind), generate(KeyKind.P256)  # it binds to ES256 alone
    content = Content(type="urn:role", claims=claims, holder=holder.public, issued_at=NOW)
    text = present(issue(content, issuer, os.urandom), shown & set(claims), holder, "a", "n", NOW)
    question = {"shown": text, "key": jwk.encode(issuer.public), "audience": "a", "nonce": "n"}

    verdict = kit.ask_sd_jwt(question)

    read = json.loads(verdict.detail)
    assert verdict.accepted
    assert {name: read[name] for name in NAMES if name in read} == {
        name: claims[name] for name in shown & set(claims)
    }
    assert not kit.ask_sd_jwt({**question, "nonce": "another"}).accepted
    assert not kit.ask_sd_jwt({**question, "audience": "another"}).accepted


@EACH
@given(at=st.integers(0, 10_000), bit=st.integers(0, 6))
def test_what_the_reference_library_refuses_we_refuse(at: int, bit: int) -> None:
    """A letter changed anywhere; where both take it, both read the same."""
    signer = generate()
    text = kit.issue_sd_jwt(
        {"claims": {"a": {"b": [1, "c"]}, "name": "x"}, "hidden": ["a", "b", "c", "name"],
         "key": private(signer), "typ": "dc+sd-jwt"}
    )  # fmt: skip
    at %= len(text)
    changed = f"{text[:at]}{chr(ord(text[at]) ^ 1 << bit)}{text[at + 1 :]}"
    verdict = kit.ask_sd_jwt({"shown": changed, "key": jwk.encode(signer.public)})

    try:
        read = ours(changed, signer)
    except TallystickError:
        return  # stricter is allowed
    assert verdict.accepted
    assert json.loads(verdict.detail) == read


def test_a_disclosure_that_belongs_to_nothing_is_refused_by_us() -> None:
    """RFC 9901, 7.1, step 5; the reference library passes it over."""
    signer = generate()
    text = kit.issue_sd_jwt(
        {"claims": {"a": 1}, "hidden": ["a"], "key": private(signer), "typ": "dc+sd-jwt"}
    )
    more = b64.encode_url(b'["salt","b",2]')

    with pytest.raises(EncodingError, match="belong to no digest"):
        ours(f"{text}{more}~", signer)
