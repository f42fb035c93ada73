"""`tally passkeys` and `tally approvals`, beside the service on whose pages people answer."""

import json
import time
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest

from tallystick.statement import b64
from tests.passkeys import Authenticator
from tests.unit.cli.running import Command, keep_passphrase, serving

DECISION = ("--field", "outcome=override", "--field", "reason=the scan", "--field", "shown=benign")


def post(url: str, body: object) -> Any:
    request = urllib.request.Request(  # noqa: S310 - our own service
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
        return json.loads(reply.read())


def signed(authenticator: Authenticator, challenge: str) -> dict[str, str]:
    said = authenticator.get(b64.decode_url(challenge, "challenge"))
    return {
        "authenticator_data": b64.encode_url(said.authenticator_data),
        "client_data": b64.encode_url(said.client_data),
        "signature": b64.encode_url(said.signature),
    }


def make_passkey(invited: dict[str, str]) -> Authenticator:
    """Do what the page does, in software."""
    parts = urlsplit(invited["url"])
    base, code = f"{parts.scheme}://{parts.netloc}", invited["code"]
    passkey = Authenticator(page=base)
    begun = post(f"{base}/passkeys/begin", {"code": code})
    made = passkey.make(b64.decode_url(begun["challenge"], "challenge"))
    body = {
        "code": code,
        "attestation": b64.encode_url(made.attestation),
        "client_data": b64.encode_url(made.client_data),
    }
    asked = post(f"{base}/passkeys/possession", body)
    post(f"{base}/passkeys", {"made": body, "agreed": signed(passkey, asked["challenge"])})
    return passkey


def published(bare: Command, *arguments: object) -> Any:
    """Ask again until the service has published what was just registered."""
    until = time.monotonic() + 10
    while not (found := bare(*arguments, "--json")):
        assert time.monotonic() < until
        time.sleep(0.05)
    return json.loads(found)


def answer(url: str, passkey: Authenticator) -> Any:
    with urllib.request.urlopen(url, timeout=10) as page:  # noqa: S310 - our own service
        challenge = page.read().decode().split('data-challenge="')[1].split('"')[0]
    return post(url, signed(passkey, challenge))


def test_a_person_is_invited_asked_and_shown_and_their_passkey_ends(bare: Command) -> None:
    bare("init", "--origin", "localhost/ward", "--allow", "decision=organisation")
    did = bare("keys", "create", "doctor", "--kind", "person")
    keep_passphrase(bare)
    with serving(bare.home, "up", "--port", "0", "--workers", "0"):
        passkey = make_passkey(bare.json("passkeys", "invite", "doctor"))
        listed = published(bare, "passkeys", "list")
        assert (listed["state"], listed["issuer"], listed["agreed"]) == ("valid", did, None)

        asked = bare.json(
            "approvals", "ask", "--of", "doctor", "--action", "decision", "--target", 0, *DECISION
        )
        done = answer(asked["url"], passkey)
        published(bare, "find", "--type", "decision")
        approval, decision = (bare.json("show", one) for one in done["ids"])
        for shown in (approval, decision):
            assert (shown["known_by"], shown["principal"]) == ("passkey", did)
        assert approval["subject"] == asked["subject"]
        assert decision["content"]["reason"] == "the scan"
        file = bare.home / "about.tally.json"
        bare("export", 0, "--output", file)
        lines = bare("verify", file)
        assert f"decided override, by {did} with a passkey, at index" in lines
        assert f"said    'decision' approved by {did} with a passkey, at index" in lines

        file = bare.home / "decision.bare.json"
        bare("export", done["ids"][1], "--output", file)
        verified = bare("verify", file)
        assert f"for     {did} (known by: passkey;" in verified
        assert "what the page displayed to the person is not shown" in bare("verify", file, "--all")

        bare("passkeys", "revoke", listed["index"], "--reason", "lost")
        while bare.json("passkeys", "list")["state"] == "valid":
            time.sleep(0.05)
        assert bare.json("passkeys", "list")["state"] == "lost"
        refused = ("approvals", "ask", "--of", did, "--action", "release")
        bare(*refused, code=5)
        assert "has no passkey here" in bare.words


def test_a_person_agrees_to_their_passkey_with_their_own_key(bare: Command) -> None:
    bare("init", "--origin", "localhost/ward")
    bare("keys", "create", "doctor", "--kind", "person")
    keep_passphrase(bare)
    with serving(bare.home, "up", "--port", "0", "--workers", "0"):
        invited = bare.json("passkeys", "invite", "doctor", "--agreement")
        make_passkey(invited)
        bare("passkeys", "agree", invited["url"], "--as", "doctor")
        assert published(bare, "passkeys", "list")["agreed"] is not None
        assert "agreed to by the person's key" in bare("passkeys", "list")


def test_without_the_passphrase_an_approval_is_only_asserted(
    bare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare("init", "--origin", "localhost/ward")
    bare("keys", "create", "doctor", "--kind", "person")
    keep_passphrase(bare)
    with serving(bare.home, "up", "--port", "0", "--workers", "0"):
        passkey = make_passkey(bare.json("passkeys", "invite", "doctor"))
        published(bare, "passkeys", "list")
        asked = bare.json("approvals", "ask", "--of", "doctor", "--action", "release")
        [id_] = answer(asked["url"], passkey)["ids"]
        published(bare, "find", "--type", "approval")
    (bare.home / "passphrase").unlink()
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE")

    assert bare.json("show", id_)["known_by"] == "asserted"


def test_what_cannot_be_meant_is_said(bare: Command) -> None:
    bare("init", "--origin", "localhost/ward", "--allow", "document=ai")
    bare("keys", "create", "robot", "--kind", "ai", "--public-name", "Robot")

    bare("passkeys", "invite", "robot", code=5)
    assert "only a person has passkeys" in bare.words
    bare("passkeys", "invite", "did:key:z6Mk", code=2)
    bare("passkeys", "revoke", 0, "--reason", "lost", code=2)
    assert "registered no passkey" in bare.words
    bare("passkeys", "revoke", 0, "--reason", "lost", "--until", 3, code=2)
    assert "--until is for a compromised passkey" in bare.words
    assert bare("passkeys", "list") == ""


def test_addresses_are_those_that_people_use(
    bare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare("init", "--origin", "localhost/ward")
    bare("keys", "create", "doctor", "--kind", "person")
    assert bare("passkeys", "invite", "doctor").startswith("http://localhost:8471/passkeys#")

    monkeypatch.setenv("TALLYSTICK_PUBLIC_URL", "https://log.example/")
    assert bare("passkeys", "invite", "doctor").startswith("https://log.example/passkeys#")
    monkeypatch.setenv("TALLYSTICK_PUBLIC_URL", "http://log.example/")
    bare("passkeys", "invite", "doctor", code=2)
    assert "passkeys need https" in bare.words
