"""Places: which lies in which, and what is refused."""

import pytest

from tallystick.errors import InputError, LocationError
from tallystick.vault.location import (
    COUNTRIES,
    EEA,
    EU,
    check_location,
    holds,
    parse_location,
    parse_locations,
)


def test_there_are_as_many_countries_as_the_standard_has() -> None:
    assert (len(COUNTRIES), len(EU), len(EEA)) == (249, 27, 30)
    assert EEA <= COUNTRIES
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES)


@pytest.mark.parametrize("text", ["", "UK", "de", "EU ", "Mars", "D", "DEU", "E\u0055\u0301"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="a location is EU, EEA or"):
        parse_location(text)


def test_several_places_stand_between_commas() -> None:
    assert parse_locations(" CH, GB,,") == ("CH", "GB")
    assert parse_locations("") == ()
    with pytest.raises(InputError, match="'UK'"):
        parse_locations("CH, UK")


@pytest.mark.parametrize(
    ("where", "place", "inside"),
    [("EU", "DE", True), ("EU", "EU", True), ("EEA", "EU", True), ("EEA", "NO", True),
     ("DE", "DE", True), ("EU", "NO", False), ("EU", "EEA", False), ("DE", "EU", False),
     ("EU", "GB", False), ("DE", "FR", False)],
)  # fmt: skip
def test_a_place_lies_in_another(where: str, place: str, inside: bool) -> None:
    assert holds(where, place) is inside


def test_no_place_asks_for_nothing_and_a_place_for_one() -> None:
    check_location(None, None, "it")
    check_location(None, "US", "it")
    check_location("EU", "FR", "it")
    with pytest.raises(LocationError, match="must stay in EU, and it is declared to lie in US"):
        check_location("EU", "US", "it")
    with pytest.raises(LocationError, match="nobody says where it lies") as caught:
        check_location("EU", None, "it")
    assert (caught.value.code, caught.value.reason) == ("refused.location", "location")
    assert (caught.value.exit_code, caught.value.http_status) == (5, 403)
