"""Where content may lie, and whether a place is there: a declaration, not geography.

A vault says where its content may lie; whoever runs a machine says where that machine is. What
does not agree is refused. Nobody measures anything: who declares a wrong place is not found out,
but it is on record that it was declared.

Source:
    ISO 3166-1 alpha-2 for countries; `EU` and `EEA` for their member states, as of 2026-11.
"""

from typing import Final

from tallystick.errors import InputError, LocationError

_EU: Final = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
EU: Final = frozenset(_EU.split())
EEA: Final = EU | {"IS", "LI", "NO"}
UNIONS: Final = {"EU": EU, "EEA": EEA}
"""Names that stand for several countries."""
_CODES: Final = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
COUNTRIES: Final = frozenset(_CODES.split())


def parse_location(text: str) -> str:
    """Read the name of a place.

    Raises:
        InputError: Neither a country's two letters nor `EU` or `EEA`.
    """
    if text not in UNIONS and text not in COUNTRIES:
        raise InputError(
            f"a location is EU, EEA or the two capital letters of a country, got {text!r:.40}",
            advice="write GB for the United Kingdom, CH for Switzerland; see ISO 3166-1",
        )
    return text


def parse_locations(text: str) -> tuple[str, ...]:
    """Read names of places that stand between commas.

    Raises:
        InputError: One is no name of a place.
    """
    return tuple(parse_location(one.strip()) for one in text.split(",") if one.strip())


def holds(where: str, place: str) -> bool:
    """Tell whether a place lies in another one, or is the same."""
    members = UNIONS.get(where, frozenset({where}))
    return place == where or UNIONS.get(place, frozenset({place})) <= members


def check_location(where: str | None, place: str | None, what: str) -> None:
    """Refuse to keep or open content outside the place where it may lie.

    Args:
        where: Where it may lie; None allows every place.
        place: Where it is said to lie, or to be about to; None if nobody says.
        what: What is to be there, in words.

    Raises:
        LocationError: It may not lie there, or nobody says where that is.
    """
    if where is None or (place is not None and holds(where, place)):
        return
    if place is None:
        raise LocationError(
            f"content of this ledger must stay in {where}, and nobody says where {what} lies",
            advice="set data_location, or TALLYSTICK_DATA_LOCATION, to where this machine is",
        )
    raise LocationError(
        f"content of this ledger must stay in {where}, and {what} is declared to lie in {place}",
        advice="`tally law location` shows what the vault asks for, and changes it",
    )
