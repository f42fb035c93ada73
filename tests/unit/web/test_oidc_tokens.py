"""Tokens of a provider: each rule that one can break is broken, and named."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc import jwk
from joserfc.jws import serialize_compact

from tallystick.statement import b64
from tallystick.web.oidc.keys import ALGORITHMS, Keys, parse_keys
from tallystick.web.oidc.tokens import Expected, read_access_token, read_id_token
from tallystick.web.problems import ProviderAwayError, SignInError
from tests.impostor import AUDIENCE, CLIENT, rsa, sign, without_none

ISSUER, NONCE, NOW = "https://login.example", "n-1", 1_800_000_000
EXPECTED = Expected(ISSUER, 60)
KEY, OTHER = rsa(), rsa("second")
CLAIMS = {"iss": ISSUER, "aud": CLIENT, "sub": "ada-1", "iat": NOW, "exp": NOW + 300,
          "nonce": NONCE}  # fmt: skip
ACCESS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada-1", "iat": NOW, "exp": NOW + 300,
          "client_id": "robot", "jti": "1"}  # fmt: skip


def public(key: jwk.Key, **members: Any) -> dict[str, Any]:
    return without_none({**key.as_dict(private=False), **members})


KEYS = parse_keys({"keys": [public(KEY), public(OTHER)]})


def read(token: str, keys: Keys = KEYS, **more: Any) -> dict[str, Any]:
    more = {"client": CLIENT, "nonce": NONCE, "now": NOW, **more}
    return read_id_token(token, keys, EXPECTED, **more)


def made(header: dict[str, Any] | None = None, key: jwk.Key = KEY, **claims: Any) -> str:
    full = {"alg": "RS256", "kid": "first", **(header or {})}
    return sign(without_none(full), without_none({**CLAIMS, **claims}), key)


def refused(token: str, keys: Keys = KEYS, **more: Any) -> str:
    with pytest.raises(SignInError) as caught:
        read(token, keys, **more)
    return caught.value.reason


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": NOW - 60}, "oidc.expired"),
        ({"exp": NOW - 100_000}, "oidc.expired"),
        ({"exp": None}, "oidc.claims"),
        ({"exp": True}, "oidc.claims"),
        ({"exp": "soon"}, "oidc.claims"),
        ({"exp": 2**60}, "oidc.claims"),
        ({"iat": NOW + 61}, "oidc.too-early"),
        ({"iat": NOW - 661}, "oidc.too-old"),
        ({"iat": None}, "oidc.claims"),
        ({"iat": -1}, "oidc.claims"),
        ({"nbf": NOW + 61}, "oidc.too-early"),
        ({"nbf": "now"}, "oidc.claims"),
        ({"iss": "https://login.example/"}, "oidc.issuer"),
        ({"iss": "https://evil.example"}, "oidc.issuer"),
        ({"iss": None}, "oidc.issuer"),
        ({"aud": "another"}, "oidc.audience"),
        ({"aud": []}, "oidc.audience"),
        ({"aud": None}, "oidc.audience"),
        ({"aud": [CLIENT, "another"], "azp": CLIENT}, "oidc.audience"),
        ({"aud": f"{CLIENT} another"}, "oidc.audience"),
        ({"azp": "another"}, "oidc.party"),
        ({"nonce": "n-2"}, "oidc.nonce"),
        ({"nonce": None}, "oidc.nonce"),
        ({"nonce": 1}, "oidc.nonce"),
        ({"nonce": "\u0660"}, "oidc.nonce"),
        ({"sub": None}, "oidc.claims"),
        ({"sub": ""}, "oidc.claims"),
        ({"sub": "x" * 256}, "oidc.claims"),
        ({"sub": 7}, "oidc.claims"),
    ],
)
def test_a_claim_that_is_wrong_is_named(claims: dict[str, Any], reason: str) -> None:
    assert refused(made(**claims)) == reason


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": [CLIENT]},
        {"azp": CLIENT},
        {"exp": NOW - 59},
        {"iat": NOW + 60, "nbf": NOW + 60},
        {"iat": NOW - 660, "exp": NOW + 0.5},
    ],
)
def test_what_is_right_or_within_the_skew_is_believed(claims: dict[str, Any]) -> None:
    assert read(made(**claims))["sub"] == "ada-1"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"typ": "at+jwt"}, "oidc.type"),
        ({"typ": "logout+jwt"}, "oidc.type"),
        ({"kid": "third"}, "oidc.key"),
        ({"kid": None}, "oidc.key"),  # two would do, and it names neither
        ({"kid": "second"}, "oidc.signature"),
    ],
)
def test_a_header_that_is_wrong_is_named(header: dict[str, Any], reason: str) -> None:
    assert refused(made(header)) == reason


def raw(header: dict[str, Any], claims: dict[str, Any] | bytes, signature: bytes) -> str:
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    parts = (json.dumps(header).encode(), body, signature)
    return ".".join(b64.encode_url(part) for part in parts)


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, 5, ["RS256"]])
def test_a_token_that_nobody_signed_is_refused(name: Any) -> None:
    assert refused(raw({"alg": name, "kid": "first"}, CLAIMS, b"")) == "oidc.algorithm"
    assert refused(raw({"alg": name, "kid": "first"}, CLAIMS, b"x" * 256)) == "oidc.algorithm"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_secret_to_sign_with(algorithm: str) -> None:
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
    for secret in (
        KEY.as_pem(private=False),
        base64.urlsafe_b64decode(str(KEY.as_dict(private=False)["n"]) + "=="),
        json.dumps(public(KEY)).encode(),
    ):
        unsigned = raw({"alg": algorithm, "kid": "first"}, CLAIMS, b"").rpartition(".")[0]
        signature = hmac.digest(secret, unsigned.encode(), digest)
        assert refused(f"{unsigned}.{b64.encode_url(signature)}") == "oidc.algorithm"


def test_a_secret_among_the_keys_is_passed_over() -> None:
    secret = jwk.OctKey.generate_key(256, {"kid": "shared"})
    keys = parse_keys({"keys": [secret.as_dict(private=True), public(KEY)]})

    assert [key.id for key in keys] == ["first"]
    token = serialize_compact(
        {"alg": "HS256", "kid": "shared"}, json.dumps(CLAIMS).encode(), secret, ["HS256"]
    )
    assert refused(token, keys) == "oidc.algorithm"


def test_a_key_that_the_token_brings_is_not_used() -> None:
    mine = rsa()
    header = {"alg": "RS256", "kid": "first", "jwk": public(mine)}

    assert refused(sign(header, CLAIMS, mine)) == "oidc.signature"


def test_extensions_that_are_not_known_are_refused() -> None:
    token = raw({"alg": "RS256", "kid": "first", "crit": ["b64"], "b64": False}, CLAIMS, b"x" * 256)

    assert refused(token) == "oidc.format"


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c.d", "....", "e30.e30.", "x" * 40_000, "é.é.é", "W10.W10.eA",
     raw({"alg": "RS256"}, b'{"sub": "a", "sub": "b"}', b"x"),
     raw({"alg": "RS256"}, b'{"exp": NaN}', b"x"), raw({"alg": "RS256"}, b"\xff", b"x")],
)  # fmt: skip
def test_what_is_no_token_raises_our_error(token: str) -> None:
    assert refused(token) in {"oidc.format", "oidc.algorithm"}


def test_a_signature_that_was_cut_or_changed_is_refused() -> None:
    token = made()
    head, _, signature = token.rpartition(".")

    assert refused(f"{head}.") == "oidc.signature"
    assert refused(f"{head}.{signature[:-6]}") == "oidc.signature"
    body = head.split(".")[0] + "." + b64.encode_url(json.dumps({**CLAIMS, "sub": "bob"}).encode())
    assert refused(f"{body}.{signature}") == "oidc.signature"


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by its name only; providers use it
def test_each_accepted_algorithm_is_verified_by_its_own_kind_of_key(algorithm: str) -> None:
    kty, curve = ALGORITHMS[algorithm]
    key = jwk.JWKRegistry.generate_key(kty, curve or 2048, {"kid": "own"})
    keys = parse_keys({"keys": [public(key), public(KEY), public(jwk.ECKey.generate_key("P-256"))]})

    assert read(made({"alg": algorithm, "kid": "own"}, key), keys)["sub"] == "ada-1"
    named = parse_keys({"keys": [public(key, alg=algorithm, use="sig"), public(KEY)]})
    assert read(made({"alg": algorithm, "kid": "own"}, key), named)
    another = "PS256" if algorithm == "RS256" else "RS256"
    assert refused(raw({"alg": another, "kid": "own"}, CLAIMS, b"x" * 64), named) == "oidc.key"


def test_keys_that_are_of_no_use_are_passed_over() -> None:
    curve = jwk.ECKey.generate_key("secp256k1")
    small = generate_private_key(65537, 1024).public_key().public_numbers().n  # noqa: S505
    useless = [
        {"kty": "RSA", "n": b64.encode_url(small.to_bytes(128)), "e": "AQAB"},
        {"kty": "RSA", "n": b64.encode_url(b"\xff" * 4096), "e": "AQAB"},
        public(curve), public(OTHER, use="enc"), {"kty": "RSA", "n": "!", "e": "AQAB"},
        {"kty": "RSA"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {}, "text", None,
    ]  # fmt: skip
    keys = parse_keys({"keys": [*useless, public(KEY, kid=5, alg=7)]})

    assert len(list(keys)) == 1
    assert read(made({"kid": None}), keys)  # the only one that is left
    with pytest.raises(ProviderAwayError, match="none of the provider's 10 keys"):
        parse_keys({"keys": useless})
    wrongs: tuple[dict[str, Any], ...] = ({}, {"keys": {}}, {"keys": [public(KEY)] * 101})
    for wrong in wrongs:
        with pytest.raises(ProviderAwayError, match="no list of at most 100"):
            parse_keys(wrong)


def at_hash(token: str, digest: str) -> str:
    whole = hashlib.new(digest, token.encode()).digest()
    return b64.encode_url(whole[: len(whole) // 2])


def test_the_access_token_that_came_along_is_the_one_that_is_meant() -> None:
    right = made(at_hash=at_hash("opaque", "sha256"))
    own = jwk.OKPKey.generate_key("Ed25519", {"kid": "own"})
    edwards = made({"alg": "Ed25519", "kid": "own"}, own, at_hash=at_hash("opaque", "sha512"))

    assert read(right, access_token="opaque")  # noqa: S106 - what it stands for is public
    assert read(edwards, parse_keys({"keys": [public(own)]}), access_token="opaque")  # noqa: S106
    assert read(right)
    assert refused(right, access_token="another") == "oidc.access-token"  # noqa: S106
    assert refused(made(at_hash=7), access_token="opaque") == "oidc.access-token"  # noqa: S106


def access(header: dict[str, Any] | None = None, **claims: Any) -> str:
    full = {"alg": "RS256", "kid": "first", "typ": "at+jwt", **(header or {})}
    return sign(without_none(full), without_none({**ACCESS, **claims}), KEY)


def test_access_tokens_in_the_form_of_rfc_9068_are_believed() -> None:
    for token in (access(), access({"typ": "application/AT+JWT"}), access(aud=[AUDIENCE, "more"])):
        assert read_access_token(token, KEYS, EXPECTED, audience=AUDIENCE, now=NOW)["jti"] == "1"


@pytest.mark.parametrize(
    ("header", "claims", "reason"),
    [
        ({"typ": "JWT"}, {}, "oidc.type"),
        ({"typ": None}, {}, "oidc.type"),
        ({}, {"aud": CLIENT}, "oidc.audience"),
        ({}, {"iss": "https://evil.example"}, "oidc.issuer"),
        ({}, {"exp": NOW - 61}, "oidc.expired"),
        ({}, {"iat": NOW + 61}, "oidc.too-early"),
        ({}, {"client_id": None}, "oidc.claims"),
        ({}, {"jti": None}, "oidc.claims"),
        ({}, {"sub": None}, "oidc.claims"),
        ({"kid": "third"}, {}, "oidc.key"),
    ],
)
def test_an_access_token_that_is_wrong_is_named(
    header: dict[str, Any], claims: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SignInError) as caught:
        read_access_token(access(header, **claims), KEYS, EXPECTED, audience=AUDIENCE, now=NOW)

    assert caught.value.reason == reason
