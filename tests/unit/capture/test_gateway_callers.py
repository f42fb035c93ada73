"""For whom a call was made: by API key, or asserted by somebody on this machine."""

import json
from typing import Any

import openai
import pytest

from tallystick.capture import ApiKeys, originator_of
from tallystick.errors import EncodingError, LimitError, NotFoundError, RefusedError, VersionError
from tallystick.statement import Assurance, Relation
from tallystick.statement.governance import parse_key_record
from tests.unit.capture.gateways import House, Kept, calls, gateway_on, said
from tests.unit.capture.model_api import MODEL, ModelApi

ASKED: Any = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
PLAIN = json.dumps(ASKED).encode()


def test_an_api_key_names_its_originator(kept: Kept, api: ModelApi) -> None:
    kept.client(kept.token()).chat.completions.create(**ASKED)

    [(intent_id, outcome_id)] = calls(kept, 1)
    header = kept.found(intent_id).statement.header
    [key] = header.links[Relation.ACTED_FOR]
    record = parse_key_record(kept.ledger.get(key).statement.payload)
    assert header.assurance == Assurance.API_KEY
    assert record.issuer == kept.house.person.did
    assert key in kept.report(outcome_id).statements


def test_the_upstream_never_sees_a_key_of_ours(house: House, api: ModelApi) -> None:
    with gateway_on(house, api.url, upstream_key="sk-own") as kept:
        token = kept.token()
        kept.client(token).chat.completions.create(**ASKED)
        assert api.last.header("authorization") == "Bearer sk-own"

        kept.client("sk-of-the-caller").chat.completions.create(**ASKED)
        assert api.last.header("authorization") == "Bearer sk-of-the-caller"

        kept.ask(PLAIN)
        assert api.last.header("authorization") == "Bearer sk-own"

        kept.client(token).models.list()
        assert api.last.header("authorization") == "Bearer sk-own"
        content = b"".join(
            kept.ledger.vault.get(id_).values().get("request", b"")
            for pair in calls(kept, 3)
            for id_ in pair
        )
        assert token.encode() not in content


def test_somebody_on_this_machine_only_asserts_who_it_is(kept: Kept) -> None:
    answered = kept.ask(PLAIN)

    header = kept.found(answered.intent).statement.header
    assert header.assurance == Assurance.ASSERTED
    assert header.links == {}


@pytest.mark.parametrize(
    ("headers", "served"),
    [
        ({"host": "localhost:8471"}, True),
        ({"host": "[::1]:8471"}, True),
        ({"host": "127.0.0.1"}, True),
        ({"host": "localhost", "origin": "http://localhost"}, True),
        ({"host": "evil.example"}, False),
        ({"host": "127.0.0.1.evil.example"}, False),
        ({"host": "localhost", "origin": "https://evil.example"}, False),
        ({"host": "localhost", "origin": "null"}, False),
        ({"host": "localhost", "x-forwarded-for": "192.0.2.1"}, False),
        ({"host": "localhost", "forwarded": "for=192.0.2.1"}, False),
        ({"host": ""}, False),
    ],
)
def test_a_page_of_another_site_is_not_served(
    kept: Kept, api: ModelApi, headers: dict[str, str], *, served: bool
) -> None:
    answered = kept.ask(PLAIN, headers)

    assert answered.status == (200 if served else 401)
    assert len(api.seen) == served
    status = kept.gateway.status()
    assert status is not None
    assert status.turned_away == (not served)


def test_where_a_key_is_demanded_nobody_else_is_served(house: House, api: ModelApi) -> None:
    with gateway_on(house, api.url, require_key=True) as kept:
        with pytest.raises(openai.AuthenticationError):
            kept.client().chat.completions.create(**ASKED)
        with pytest.raises(openai.AuthenticationError):
            kept.client().models.list()
        kept.client(kept.token()).chat.completions.create(**ASKED)

        assert len(api.seen) == 1
        assert len(calls(kept, 1)) == 1


def test_unknown_revoked_and_expired_keys_are_refused_without_a_record(
    kept: Kept, api: ModelApi
) -> None:
    expired = kept.token(expires_at=kept.house.clock() + 5)
    revoked = kept.token(label="night batch")
    [key] = [key for key in kept.gateway.keys.known() if key.label]
    kept.client(revoked).models.list()
    kept.gateway.keys.revoke(key.id, now=kept.house.clock())
    kept.house.clock.now += 5

    for token, why in ((expired, "expired"), (revoked, "revoked"), ("tly_x", "not known")):
        with pytest.raises(openai.AuthenticationError, match=why):
            kept.client(token).chat.completions.create(**ASKED)

    assert len(api.seen) == 1
    assert len(said(kept.ledger, kept.house)) == 1


def test_a_key_made_or_revoked_elsewhere_is_learnt_of_within_a_second(kept: Kept) -> None:
    elsewhere = ApiKeys(kept.ledger.home.api_keys, kept.ledger.api_secret)
    revoked = kept.token()
    kept.client(revoked).models.list()
    [key] = elsewhere.known()
    originator = originator_of(kept.ledger, kept.house.person.did)
    made, _ = elsewhere.create(originator, now=kept.house.clock())
    elsewhere.revoke(key.id, now=kept.house.clock())
    kept.house.clock.now += 1

    kept.client(made).models.list()
    with pytest.raises(openai.AuthenticationError, match="revoked"):
        kept.client(revoked).models.list()


class TestApiKeys:
    """The file of keys."""

    @pytest.fixture
    def keys(self, kept: Kept) -> ApiKeys:
        return kept.gateway.keys

    def test_the_file_holds_no_token(self, kept: Kept) -> None:
        token = kept.token()

        data = kept.ledger.home.api_keys.read_bytes()

        assert token.encode() not in data
        assert token.removeprefix("tly_").encode() not in data
        assert kept.ledger.home.api_keys.stat().st_mode & 0o777 == 0o600

    def test_a_token_of_another_ledger_says_nothing_here(self, kept: Kept) -> None:
        other = ApiKeys(kept.ledger.home.api_keys, b"another secret")
        token = kept.token()

        assert kept.gateway.keys.resolve(token, 0).issuer == kept.house.person.did
        with pytest.raises(RefusedError, match="not known"):
            other.resolve(token, 0)

    def test_revoking_twice_keeps_the_first_time(self, kept: Kept, keys: ApiKeys) -> None:
        kept.token()
        [key] = keys.known()

        first, second = keys.revoke(key.id, now=5), keys.revoke(key.id, now=9)

        assert (first.revoked_at, second.revoked_at) == (5, 5)
        assert keys.known() == [second]

    def test_what_is_not_there_cannot_be_revoked(self, keys: ApiKeys) -> None:
        with pytest.raises(NotFoundError, match="'nothing'"):
            keys.revoke("nothing", now=1)

    def test_a_label_has_a_limit(self, kept: Kept) -> None:
        kept.token(label="x" * 200)
        with pytest.raises(LimitError, match="200"):
            kept.token(label="x" * 201)

    @pytest.mark.parametrize(
        ("data", "error"),
        [
            (b"{", EncodingError),
            (b"[]", EncodingError),
            (b'{"format":4,"keys":[{}]}', EncodingError),
            (b'{"format":5,"keys":[]}', VersionError),
        ],
    )
    def test_a_damaged_file_is_named_and_never_taken_for_empty(
        self, kept: Kept, data: bytes, error: type[Exception]
    ) -> None:
        token = kept.token()
        kept.ledger.home.api_keys.write_bytes(data)
        fresh = ApiKeys(kept.ledger.home.api_keys, kept.ledger.api_secret)

        with pytest.raises(error, match=r"api-keys\.json"):
            fresh.resolve(token, 0)
        with pytest.raises(error, match=r"api-keys\.json"):
            fresh.revoke("x", now=1)
        kept.house.clock.now += 1
        with pytest.raises(openai.InternalServerError, match=r"api-keys\.json"):
            kept.client(token).chat.completions.create(**ASKED)
