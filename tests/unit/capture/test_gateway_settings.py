"""Settings of a gateway: what cannot work is refused, and the setting is named."""

from typing import Any

import pytest

from tallystick.capture import GatewaySettings, RouteSettings, UpstreamSettings
from tallystick.capture.settings import (
    ANSWER_BYTES_MAX,
    REGISTER_SECONDS_MAX,
    REQUEST_BYTES_MAX,
    RETRIES_MAX,
    UPSTREAMS_MAX,
)
from tallystick.errors import InputError

URL = "https://api.example.com/v1"


@pytest.mark.parametrize(
    "url", [URL, "http://127.0.0.1:9000", "http://[::1]:9000/v1/", "https://example.com/a/b"]
)
def test_an_address_of_an_api_is_taken(url: str) -> None:
    GatewaySettings(upstream=url).check()


@pytest.mark.parametrize(
    "url",
    ["", "example.com/v1", "ftp://example.com", "http://", "http://a:b@example.com", "http://x?k=1",
     "http://x#y", "http://x:port", "http://x:99999", "http://x:0", "http://[x"],
)  # fmt: skip
def test_what_is_no_such_address_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="upstream"):
        GatewaySettings(upstream=url).check()


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("request_bytes_max", 1, REQUEST_BYTES_MAX),
        ("answer_bytes_max", 1, ANSWER_BYTES_MAX),
        ("register_s", 0.001, REGISTER_SECONDS_MAX),
        ("calls_max", 1, 10_000),
        ("connect_s", 0.1, 1000),
        ("idle_s", 0.1, 1000),
        ("total_s", 0.1, 10_000),
    ],
)
def test_limits_are_checked_on_both_sides(name: str, least: Any, most: Any) -> None:
    for value in (least, most):
        GatewaySettings(upstream=URL, **{name: value}).check()
    beyond = [0, -1] + ([most + 1] if name.endswith("bytes_max") or name == "register_s" else [])
    for value in beyond:
        with pytest.raises(InputError, match=name):
            GatewaySettings(upstream=URL, **{name: value}).check()


def one(**members: Any) -> UpstreamSettings:
    return UpstreamSettings(**{"name": "lab", "url": URL, **members})


def test_upstreams_and_routes_to_them_are_taken() -> None:
    GatewaySettings(
        upstreams=(one(key_variable="LAB_KEY"), one(name="b.c_d-2")),
        routes=(RouteSettings(model="*", to=("lab", "b.c_d-2/org/name"), retries=RETRIES_MAX),),
        environ={"LAB_KEY": "x"},
    ).check()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "no upstream"),
        ({"upstreams": (one(),) * (UPSTREAMS_MAX + 1)}, "at most 64 upstreams"),
        ({"upstreams": (one(), one())}, "stand once"),
        ({"upstreams": (one(name="default"),), "upstream": URL}, "stand once"),
        ({"upstreams": (one(name="Lab"),)}, "small letters"),
        ({"upstreams": (one(url="ftp://x"),)}, "upstream must be"),
        ({"upstreams": (one(key_variable="NOT_SET"),)}, "'NOT_SET', which is not set"),
        ({"upstreams": (one(key_variable="sk-secret 1"),)}, "something else than a name"),
        ({"upstream": URL, "routes": (RouteSettings(model="x", to=()),)}, "1..12 attempts"),
        ({"upstream": URL, "routes": (RouteSettings(model="x", to=("default",) * 7, retries=1),)},
         "1..12 attempts"),
        ({"upstream": URL, "routes": (RouteSettings(model="x", to=("lab",)),)}, "leads to 'lab'"),
        ({"upstream": URL, "routes": (RouteSettings(model="x", to=("default/",)),)}, "leads to"),
        ({"upstream": URL, "routes": (RouteSettings(model="x", to=("default",)),) * 1001},
         "1000 routes"),
    ],
)  # fmt: skip
def test_what_leads_nowhere_is_refused_in_words(settings: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        GatewaySettings(**settings).check()


def test_a_key_that_was_given_as_the_name_of_a_variable_is_not_shown() -> None:
    with pytest.raises(InputError) as caught:
        GatewaySettings(upstreams=(one(key_variable="sk-secret 1"),)).check()

    assert "sk-secret" not in str(caught.value)
