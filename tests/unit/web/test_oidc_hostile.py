"""Whatever comes from a provider, or in the name of one: our errors, and no others."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tallystick.client.http1 import Response
from tallystick.statement import b64
from tallystick.web.oidc.claims import name_in, role_of, values_at
from tallystick.web.oidc.keys import parse_keys, read_token
from tallystick.web.oidc.provider import parse_metadata
from tallystick.web.oidc.tokens import Expected, read_access_token
from tallystick.web.problems import ProviderAwayError, SignInError
from tests.impostor import AUDIENCE, rsa, sign
from tests.unit.web.signing_in import RULES

KEY = rsa()
PUBLIC = {**KEY.as_dict(private=False), "kid": "first"}
KEYS = parse_keys({"keys": [PUBLIC]})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
NAMES = [
    "iss",
    "aud",
    "sub",
    "exp",
    "iat",
    "nbf",
    "groups",
    "jti",
    "client_id",
    "_claim_names",
    "name",
    "typ",
]
CLAIMS = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON))
HEADERS = st.fixed_dictionaries(
    {}, optional={"alg": st.sampled_from(["RS256", "ES256", "none", "HS256"]) | JSON,
                  "kid": st.just("first") | JSON, "typ": st.just("at+jwt") | JSON, "crit": JSON}
)  # fmt: skip


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_as_a_token(text: str) -> None:
    with suppress(SignInError):
        read_token(text, KEYS)


@given(HEADERS, JSON, st.binary(max_size=300))
def test_any_header_payload_and_signature_is_refused(
    header: dict[str, Any], payload: Any, signature: bytes
) -> None:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    try:
        read_token(".".join(b64.encode_url(part) for part in parts), KEYS)
    except SignInError:
        return
    raise AssertionError("nobody signed that")


@given(CLAIMS)
def test_any_claims_that_the_provider_signs(claims: dict[str, Any]) -> None:
    token = sign({"alg": "RS256", "kid": "first", "typ": "at+jwt"}, claims, KEY)
    with suppress(SignInError):
        read_access_token(token, KEYS, Expected("https://x.example", 60), audience=AUDIENCE, now=0)


@given(CLAIMS, st.text(max_size=20))
def test_any_claims_as_those_that_give_roles(claims: dict[str, Any], path: str) -> None:
    with suppress(SignInError):
        role_of(values_at(claims, path), RULES)
    assert len(name_in({**claims, "sub": claims.get("sub", "x")})) <= 80


@given(
    st.lists(
        JSON | st.fixed_dictionaries(
            {"kty": st.sampled_from(["RSA", "EC", "OKP", "oct"])},
            optional=dict.fromkeys(("n", "e", "x", "y", "k", "use", "alg", "kid", "crv"), JSON),
        ) | CLAIMS.map(lambda claims: {**PUBLIC, **claims}) ,
        max_size=5,
    )
)  # fmt: skip
def test_any_list_of_keys(keys: list[Any]) -> None:
    with suppress(ProviderAwayError):
        for key in parse_keys({"keys": keys}):
            assert key.kind[0] in {"RSA", "EC", "OKP"}


@given(JSON | st.binary(), st.integers(100, 599))
def test_any_discovery_document(document: Any, status: int) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    with suppress(ProviderAwayError):
        parse_metadata(Response(status, {}, body), "https://x.example", loopback=True)
