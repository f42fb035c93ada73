"""Where a webhook may go: the public Internet, and elsewhere only what the operator allows."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import InputError, LimitError, RefusedError, UnavailableError
from tallystick.webhooks.addresses import (
    NETWORKS_MAX,
    URL_LETTERS_MAX,
    Allowed,
    is_public,
    parse_networks,
    parse_target,
    resolve,
)

NOTHING = Allowed()
INWARD = [
    "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255",  # noqa: S104
    "192.168.1.1", "169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192",
    "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "203.0.113.7", "::1", "::",
    "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "2001:db8::1",
    "fec0::1",
]  # fmt: skip
"""Each a way inwards that was used against somebody, or the edge of one."""
PRIVATE = [ip_network(text) for text in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
)]  # fmt: skip
"""Written down anew, from RFC 6890 and RFC 5771, so that it does not agree by being the same."""


@pytest.mark.parametrize("text", INWARD)
def test_what_is_inside_is_refused_however_it_is_written(text: str) -> None:
    host = f"[{text}]" if ":" in text else text

    assert not is_public(ip_address(text))
    with pytest.raises(RefusedError, match="inside") as refused:
        parse_target(f"https://{host}/hook", NOTHING)
    assert refused.value.reason == "webhook.inward"


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111"])
def test_the_public_internet_is_where_webhooks_go(text: str) -> None:
    host = f"[{text}]" if ":" in text else text

    assert parse_target(f"https://{host}/hook?x=1", NOTHING).path == "/hook?x=1"


@given(st.sampled_from(PRIVATE), st.data())
def test_no_address_of_a_private_network_is_public(network: object, data: st.DataObject) -> None:
    low, high = int(network[0]), int(network[-1])  # type: ignore[index]
    number = data.draw(st.integers(low, high))

    assert not is_public(IPv4Address(number))
    assert not is_public(IPv6Address((0xFFFF << 32) | number))


@given(st.ip_addresses())
def test_mapped_addresses_are_judged_as_what_they_stand_for(
    address: IPv4Address | IPv6Address,
) -> None:
    if isinstance(address, IPv4Address):
        mapped = IPv6Address((0xFFFF << 32) | int(address))
        assert is_public(mapped) == is_public(address)
    if is_public(address):
        assert not any((address.is_private, address.is_loopback, address.is_multicast))


@given(st.ip_addresses(), st.booleans())
def test_an_address_is_accepted_only_with_a_reason(
    address: IPv4Address | IPv6Address, tls: bool
) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    try:
        parse_target(f"{'https' if tls else 'http'}://{host}/", NOTHING)
    except RefusedError:
        return
    assert tls
    assert is_public(address)


def test_an_operator_allows_networks_by_https_and_this_machine_by_both() -> None:
    office, here = Allowed(networks=parse_networks("10.20.0.0/16, fd00:1::/64")), Allowed(True)  # noqa: FBT003

    assert parse_target("https://10.20.3.4/", office).port == 443
    assert parse_target("https://[fd00:1::9]:8443/", office).authority == "[fd00:1::9]:8443"
    assert parse_target("http://127.0.0.1:9/", here).authority == "127.0.0.1:9"
    for url, allowed in [
        ("https://10.21.0.1/", office), ("http://10.20.3.4/", office),
        ("https://10.20.3.4/", here), ("http://1.1.1.1/", here),
        ("http://[::ffff:10.0.0.1]/", here),
    ]:  # fmt: skip
        with pytest.raises(RefusedError):
            parse_target(url, allowed)


@pytest.mark.parametrize(
    "url",
    ["", "ftp://example.org/", "https://", "https:///x", "https://u:p@example.org/", "//x/y",
     "https://example.org/#part", "https://example.org:99999/", "https://exa mple.org/",
     "https://example.org\\@10.0.0.1/", "https://[::1/", "https://example.org/\r\nx: y"],
)  # fmt: skip
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        parse_target(url, NOTHING)


def test_a_name_is_judged_by_the_address_that_it_has_now() -> None:
    target = parse_target("https://localhost:9/", NOTHING)

    with pytest.raises(RefusedError, match="inside"):
        resolve(target, NOTHING)
    assert resolve(target, Allowed(True))  # noqa: FBT003
    # Written as a number, an address is a name to us, and an address to the resolver.
    for host in ("2130706433", "0x7f000001", "127.1"):
        with pytest.raises((RefusedError, UnavailableError)):
            resolve(parse_target(f"https://{host}/", NOTHING), NOTHING)


def test_limits_hold_on_both_sides() -> None:
    longest = "https://1.1.1.1/".ljust(URL_LETTERS_MAX, "x")
    most = ", ".join(["10.0.0.0/8"] * NETWORKS_MAX)

    assert parse_target(longest, NOTHING).url == longest
    assert len(parse_networks(most)) == NETWORKS_MAX
    with pytest.raises(LimitError):
        parse_target(longest + "x", NOTHING)
    with pytest.raises(LimitError):
        parse_networks(most + ", 10.0.0.0/8")
    with pytest.raises(InputError, match="webhook_networks"):
        parse_networks("10.0.0.1/8")
