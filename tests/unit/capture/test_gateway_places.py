"""Content must stay in a place: no prompt goes to an upstream that is not said to lie there."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tallystick.capture import GatewaySettings, RouteSettings, UpstreamSettings
from tallystick.errors import InputError
from tests.unit.capture.gateways import House, Kept, gateway_on
from tests.unit.capture.model_api import MODEL, ModelApi, model_api

BODY = b'{"model": "%b", "messages": [{"role": "user", "content": "Jane Doe has a cold"}]}'
ASKED = BODY % MODEL.encode()


@pytest.fixture
def other() -> Iterator[ModelApi]:
    with model_api() as running:
        yield running


@pytest.fixture
def european(house: House) -> House:
    """A house whose content must stay in the European Union; the machine is in Germany."""
    with house.ledger(place="DE") as ledger:
        ledger.keep_content_in("EU", "our contract says so")
    return house


def refused(kept: Kept, body: bytes = ASKED) -> Any:
    answered = kept.ask(body)
    assert answered.status == 403
    return answered


@pytest.mark.parametrize("where", ["US", None])
def test_a_call_to_elsewhere_is_refused_before_anything_is_sent_and_recorded(
    european: House, api: ModelApi, where: str | None
) -> None:
    with gateway_on(european, api.url, place="DE", upstream_location=where) as kept:
        answered = refused(kept)

        assert json.loads(answered.body)["error"]["code"] == "location_refused"
        assert api.seen == []
        intent = kept.intent(answered.intent)
        assert (intent.request, intent.upstream) == (ASKED, "")
        outcome = kept.outcome_of(answered.intent)
        assert (outcome.status, outcome.http_status) == ("refused", 403)
        assert "must stay in its place" in (outcome.error or "")
        assert kept.report(answered.intent).verdict == "verified"


@pytest.mark.parametrize(
    ("where", "further"), [("FR", ()), ("DE", ()), ("EU", ()), ("CH", ("GB", "CH"))]
)
def test_a_call_within_goes_through(
    european: House, api: ModelApi, where: str, further: tuple[str, ...]
) -> None:
    settings = {"upstream_location": where, "content_locations": further}
    with gateway_on(european, api.url, place="DE", **settings) as kept:
        assert kept.ask(ASKED).status == 200

        assert len(api.seen) == 1


def test_a_route_passes_over_targets_elsewhere(
    european: House, api: ModelApi, other: ModelApi
) -> None:
    far = UpstreamSettings(name="far", url=f"{api.url}/v1", location="US")
    near = UpstreamSettings(name="near", url=f"{other.url}/v1", location="FR")
    routes = (RouteSettings(model="both", to=("far", "near")),
              RouteSettings(model="far", to=("far",), retries=2))  # fmt: skip
    with gateway_on(european, None, place="DE", upstreams=(far, near), routes=routes) as kept:
        assert kept.ask(BODY % b"both").status == 200
        refused(kept, BODY % b"far")

        assert (len(api.seen), len(other.seen)) == (0, 1)


def test_without_a_place_nothing_is_refused(house: House, api: ModelApi) -> None:
    with gateway_on(house, api.url, upstream_location="US") as kept:
        assert kept.ask(ASKED).status == 200


def test_a_ledger_decides_and_no_setting_of_the_gateway(european: House, api: ModelApi) -> None:
    with gateway_on(european, api.url, place="DE", kept_in="US", upstream_location="US") as kept:
        refused(kept)


@pytest.mark.parametrize(
    "settings",
    [
        {"upstream_location": "Mars"},
        {"content_locations": ("EU", "uk")},
        {"upstreams": (UpstreamSettings(name="a", url="https://a.example", location="UK"),)},
    ],
)
def test_a_place_that_there_is_not_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="a location is EU, EEA or"):
        GatewaySettings(upstream="https://b.example/v1", **settings).check()
