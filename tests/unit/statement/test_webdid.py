"""DIDs of the web: one place each, and none of them inwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import EncodingError
from tallystick.statement.webdid import is_web_did, parse_web_did

SCID = "Qm" + "a" * 44


@pytest.mark.parametrize(
    ("did", "url"),
    [
        ("did:web:example.com", "https://example.com/.well-known/did.json"),
        ("did:web:Example.COM:user:alice", "https://example.com/user/alice/did.json"),
        ("did:web:localhost%3A8443", "https://localhost:8443/.well-known/did.json"),
        ("did:web:example.com%3a3000:a%20b", "https://example.com:3000/a%20b/did.json"),
        (f"did:webvh:{SCID}:example.com", "https://example.com/.well-known/did.jsonl"),
        (
            f"did:webvh:{SCID}:example.com%3A3000:dids:issuer",
            "https://example.com:3000/dids/issuer/did.jsonl",
        ),
        (
            f"did:webvh:{SCID}:xn--fsq.jp:%E7%94%A8%E6%88%B7",
            "https://xn--fsq.jp/%E7%94%A8%E6%88%B7/did.jsonl",
        ),
    ],
)
def test_a_did_leads_to_one_place(did: str, url: str) -> None:
    assert parse_web_did(did).url == url
    assert is_web_did(did)


def test_approvals_of_witnesses_lie_beside_the_history() -> None:
    assert parse_web_did(f"did:webvh:{SCID}:example.com:a").witness_url == (
        "https://example.com/a/did-witness.json"
    )


@pytest.mark.parametrize(
    "did",
    [
        "did:key:z6Mk",
        "did:web",
        "did:web:",
        "did:web:com",
        "did:web:example..com",
        "did:web:-a.com",
        "did:web:127.0.0.1",
        "did:web:127%2E0%2E0%2E1",
        "did:web:0x7f.1",
        "did:web:example.0x",
        "did:web:[::1]",
        "did:web:b\u00fccher.de",
        "did:web:example.com%3A0",
        "did:web:example.com%3A65536",
        "did:web:example.com%3A",
        "did:web:example.com%3A1%3A2",
        "did:web:example.com:",
        "did:web:example.com:..",
        "did:web:example.com:%2E%2e",
        "did:web:example.com:%2F",
        "did:web:example.com:%5C",
        "did:web:example.com:%00",
        "did:web:example.com:%20a",
        "did:web:example.com:%ff",
        "did:web:example.com:%",
        "did:web:example.com/a",
        "did:web:example.com?a",
        "did:web:example.com#a",
        "did:web:user@example.com",
        "did:web:" + "a" * 64 + ".com",
        "did:web:" + "a." * 130 + "com",
        "did:web:example.com:" + "a" * 600,
        "did:webvh:short:example.com",
        f"did:webvh:{SCID}",
        "did:webvh:" + "0" * 46 + ":example.com",
    ],
)
def test_what_leads_nowhere_or_inwards_is_refused(did: str) -> None:
    with pytest.raises(EncodingError):
        parse_web_did(did)


@given(st.text(alphabet="did:webvh.%3A0aZ-/\\#?@\u00e9 ", max_size=80))
def test_any_text_is_a_place_or_an_error_of_ours(text: str) -> None:
    for did in (text, f"did:web:{text}", f"did:webvh:{SCID}:{text}"):
        try:
            place = parse_web_did(did)
        except EncodingError:
            continue
        assert place.url.startswith(f"https://{place.host}")
        assert "/../" not in place.url
