"""Credentials: issued, shown in part by their holder, verified offline; refused with a reason."""

import json
import os
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import (
    CredentialError,
    EncodingError,
    IndeterminateError,
    InputError,
    LimitError,
    NotFoundError,
    SignatureError,
    TallystickError,
)
from tallystick.identity import generate, jwk, jws, sd_jwt
from tallystick.identity.credentials import (
    LEEWAY_SECONDS,
    PRESENTATION_SECONDS_MAX,
    Content,
    Expected,
    VerifiedCredential,
    issue,
    present,
    verify,
)
from tallystick.statement import KeyKind, b64

NOW = 1_790_000_000
ISSUER, HOLDER, STRANGER = generate(), generate(KeyKind.P256), generate()
ROLE = "urn:example:radiologist"
CLAIMS = {"role": "radiologist", "ward": "3", "licence": "A-17"}
CONTENT = Content(type=ROLE, claims=CLAIMS, holder=HOLDER.public, issued_at=NOW - 10,
                  expires_at=NOW + 1000, valid_from=NOW - 10)  # fmt: skip
WANTED = Expected(
    issuers={ISSUER.public.did(): ISSUER.public}, audience="https://clinic.example", nonce="n-1",
    types={ROLE}, claims={"role"},
)  # fmt: skip
KEEP = {"role"}


def issued(**changes: Any) -> str:
    return issue(replace(CONTENT, **changes), ISSUER, os.urandom)


def shown(text: str | None = None, reveal: set[str] = KEEP, now: int = NOW, **changes: Any) -> str:
    members = {"holder": HOLDER, "audience": WANTED.audience, "nonce": WANTED.nonce, **changes}
    return present(issued() if text is None else text, reveal, now=now, **members)


def judged(text: str, now: int = NOW, **changes: Any) -> VerifiedCredential:
    return verify(text, replace(WANTED, **changes), now)


def handmade(payload: dict[str, Any], disclosures: tuple[str, ...] = ()) -> str:
    """What an issuer signs who follows no rule, presented properly."""
    members = {"iss": ISSUER.public.did(), "vct": ROLE, "cnf": {"jwk": jwk.encode(HOLDER.public)},
               **payload}  # fmt: skip
    token = jws.sign({"typ": "dc+sd-jwt"}, members, ISSUER)
    bound = "".join(f"{part}~" for part in (token, *disclosures))
    said = {"iat": NOW, "aud": WANTED.audience, "nonce": WANTED.nonce,
            "sd_hash": b64.encode_url(sha256(bound.encode()).digest())}  # fmt: skip
    return bound + jws.sign({"typ": "kb+jwt"}, said, HOLDER)


def disclosure(*content: object) -> str:
    return b64.encode_url(json.dumps(content).encode())


def digest(text: str) -> str:
    return b64.encode_url(sha256(text.encode()).digest())


def test_a_holder_shows_one_claim_and_the_others_stay_hidden() -> None:
    text = shown()
    found = judged(text)

    assert (found.issuer, found.type, found.holder) == (ISSUER.public.did(), ROLE, HOLDER.public)
    assert dict(found.claims) == {"role": "radiologist"}
    assert (set(found.disclosed), found.hidden) == (KEEP, 2)
    assert found.expires_at == CONTENT.expires_at
    readable = b"".join(b64.decode_url(p, "part") for p in text.replace("~", ".").split(".")[:4])
    assert b"A-17" not in readable


@pytest.mark.parametrize(
    ("text", "now", "changes", "reason"),
    [
        (shown(), NOW + 1000 + LEEWAY_SECONDS, {}, "expired"),
        (shown(issued(valid_from=NOW + 100)), NOW, {}, "not-yet"),
        (shown(), NOW, {"audience": "https://other.example"}, "audience"),
        (shown(), NOW, {"nonce": "n-2"}, "nonce"),
        (shown(), NOW + PRESENTATION_SECONDS_MAX + 1, {}, "stale"),
        (shown(now=NOW + LEEWAY_SECONDS + 1), NOW, {}, "stale"),
        (shown(), NOW, {"types": {"urn:example:surgeon"}}, "type"),
        (shown(), NOW, {"issuers": {STRANGER.public.did(): STRANGER.public}}, "issuer"),
        (shown(), NOW, {"claims": {"ward"}}, "hidden"),
        (issued(), NOW, {}, "holder"),
        (handmade({"cnf": {}, "role": "x"}), NOW, {}, "holder"),
    ],
)
def test_what_is_not_as_expected_is_refused_with_its_reason(
    text: str, now: int, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CredentialError) as refused:
        judged(text, now, **changes)

    assert refused.value.reason == f"credential.{reason}"
    assert refused.value.exit_code == 1


def test_what_ends_within_the_leeway_is_still_accepted() -> None:
    text = shown(now=NOW + 1000)

    assert judged(text, NOW + 1000 + LEEWAY_SECONDS - 1).claims


def test_a_disclosure_added_or_dropped_after_the_holder_signed_is_noticed() -> None:
    text = issued()
    one, other = sd_jwt.parse(shown(text, {"role"})), sd_jwt.parse(shown(text, {"role", "ward"}))
    more = replace(one, disclosures=other.disclosures).encode()
    less = replace(other, disclosures=one.disclosures).encode()

    for changed in (more, less):
        with pytest.raises(CredentialError) as refused:
            judged(changed)
        assert refused.value.reason == "credential.changed"


def test_only_its_holder_presents_a_credential() -> None:
    with pytest.raises(CredentialError, match="another key"):
        shown(holder=STRANGER)
    stolen = sd_jwt.parse(shown())
    said = {"iat": NOW, "aud": WANTED.audience, "nonce": WANTED.nonce, "sd_hash": "x"}
    forged = replace(stolen, binding=jws.sign({"typ": "kb+jwt"}, said, generate(KeyKind.P256)))
    with pytest.raises(SignatureError):
        judged(forged.encode())


def test_a_signature_by_another_key_or_under_another_algorithm_is_refused() -> None:
    with pytest.raises(SignatureError, match="signature"):
        judged(shown(), issuers={ISSUER.public.did(): STRANGER.public})
    token = jws.sign({"typ": "dc+sd-jwt"}, {"iss": ISSUER.public.did()}, HOLDER)
    with pytest.raises(SignatureError, match="alg must be"):
        judged(token + "~")
    header, payload, signature = token.split(".")
    none = b64.encode_url(b'{"alg":"none","typ":"dc+sd-jwt"}')
    with pytest.raises(SignatureError, match="alg must be"):
        judged(f"{none}.{payload}.~")
    assert header
    assert signature


def test_a_statement_of_another_kind_is_no_credential() -> None:
    """A token that the issuer signed for something else must not pass."""
    token = jws.sign({"typ": "JWT"}, {"iss": ISSUER.public.did(), "vct": ROLE}, ISSUER)

    with pytest.raises(SignatureError, match="typ must be"):
        judged(token + "~")


def test_a_demanded_extension_and_a_status_list_are_not_passed_over() -> None:
    token = jws.sign({"typ": "dc+sd-jwt", "crit": ["x"]}, {"iss": ISSUER.public.did()}, ISSUER)
    with pytest.raises(EncodingError, match="crit"):
        judged(token + "~")
    with pytest.raises(IndeterminateError, match="status"):
        judged(handmade({"role": "x", "status": {"another_list": {}}}))


def test_a_claim_that_must_stand_open_cannot_be_hidden() -> None:
    text = disclosure("salt", "exp", NOW + 9)
    with pytest.raises(CredentialError) as refused:
        judged(handmade({"role": "x", "_sd": [digest(text)]}, (text,)))
    assert refused.value.reason == "credential.hidden"
    with pytest.raises(InputError, match="'exp' is set by the credential"):
        issued(claims={"exp": 1})


SALTED = disclosure("salt", "role", "x")
ELEMENT = disclosure("salt", "x")


@pytest.mark.parametrize(
    ("payload", "disclosures", "words"),
    [
        ({"_sd": []}, (SALTED,), "belong to no digest"),
        ({"_sd": [digest(SALTED)] * 2}, (SALTED,), "a digest stands in it twice"),
        ({"_sd": [digest(SALTED)]}, (SALTED, SALTED), "a disclosure stands in it twice"),
        ({"_sd": [digest(SALTED)], "role": "y"}, (SALTED,), "would overwrite"),
        ({"_sd": [digest(ELEMENT)]}, (ELEMENT,), "stands for a member"),
        ({"a": [{"...": digest(SALTED)}]}, (SALTED,), "stands for an element"),
        ({"a": [{"...": "x", "b": 1}]}, (), "must have no other"),
        ({"a": {"...": "x"}}, (), "means nothing"),
        ({"_sd": "x"}, (), "must be an array"),
        ({"_sd": [1]}, (), "a digest must be text"),
        ({"_sd_alg": "md5"}, (), "_sd_alg must be"),
        ({"exp": "soon", "role": "x"}, (), "exp must be a number"),
        ({"exp": -(10**400), "role": "x"}, (), "exp must be a number of seconds"),
        ({"nbf": 10**400, "role": "x"}, (), "nbf must be a number of seconds"),
        ({"vct": 7, "role": "x"}, (), "vct must be text"),
        ({"_sd": []}, (disclosure("salt", "_sd", 1),), "cannot have the name"),
        ({"_sd": []}, (disclosure("salt"),), "a disclosure must be an array"),
    ],
)
def test_malformed_digests_and_disclosures_are_refused(
    payload: dict[str, Any], disclosures: tuple[str, ...], words: str
) -> None:
    with pytest.raises(EncodingError, match=words):
        judged(handmade(payload, disclosures))


def test_nested_and_element_disclosures_of_others_are_read() -> None:
    inner = disclosure("salt", "city", "Basel")
    outer = disclosure("salt", "address", {"_sd": [digest(inner)], "country": "CH"})
    element = disclosure("salt", "de")
    payload = {"role": "x", "_sd": [digest(outer)], "langs": ["fr", {"...": digest(element)}],
               "more": [{"...": digest("decoy")}]}  # fmt: skip

    found = judged(handmade(payload, (outer, inner, element)))

    assert found.claims == {"role": "x", "address": {"city": "Basel", "country": "CH"},
                            "langs": ["fr", "de"], "more": []}  # fmt: skip
    assert found.hidden == 1


def test_the_digest_of_a_disclosure_is_that_of_the_standard() -> None:
    """RFC 9901, section 5.1: the first disclosure of its example."""
    text = "WyIyR0xDNDJzS1F2ZUNmR2ZyeU5STjl3IiwgImdpdmVuX25hbWUiLCAiSm9obiJd"

    [one] = sd_jwt.parse(f"x~{text}~").disclosures

    assert (one.name, one.value) == ("given_name", "John")
    assert one.digest == "jsu9yVulwQQlhFlM_3JlzMaSFzglhQG0DpfayQwLUK4"


def test_what_is_too_long_deep_or_many_is_refused() -> None:
    deep: Any = 1
    for _ in range(sd_jwt.DEPTH_MAX + 1):
        deep = [deep]
    with pytest.raises(LimitError, match="deep"):
        judged(handmade({"a": deep}))
    with pytest.raises(LimitError, match="bytes"):
        judged("x" * (sd_jwt.BYTES_MAX + 1))
    with pytest.raises(LimitError, match="disclosures"):
        judged("~" * (sd_jwt.DISCLOSURES_MAX + 2))
    with pytest.raises(NotFoundError, match="no disclosure of 'x'"):
        shown(reveal={"x"})


@pytest.mark.parametrize("kind", list(KeyKind)[:2])
def test_a_key_survives_being_a_jwk(kind: KeyKind) -> None:
    key = generate(kind).public

    assert jwk.parse(jwk.encode(key)) == key


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ({"kty": "RSA"}, "must be OKP Ed25519 or EC P-256"),
        ({"d": "x"}, "private key"),
        ({"x": "AAAA"}, "must have 32 bytes"),
        ({"x": 7}, "must have 32 bytes"),
    ],
)
def test_other_jwks_are_refused(member: dict[str, Any], words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        jwk.parse({**jwk.encode(ISSUER.public), **member})


GOOD = shown()


@given(st.binary(max_size=300), st.integers(0, 2000), st.integers(0, 7))
def test_hostile_text_raises_our_errors_alone(noise: bytes, at: int, bit: int) -> None:
    text = GOOD
    at %= len(text)
    changed = f"{text[:at]}{chr(ord(text[at]) ^ 1 << bit)}{text[at + 1 :]}"
    for one in (noise.decode("latin-1"), f"{b64.encode_url(noise)}.e30.AA~", changed):
        with pytest.raises(TallystickError):
            judged(one)
