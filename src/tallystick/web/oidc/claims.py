"""From claims to a role: what a person is to the organisation, and what that opens here."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tallystick.capture.roles import Role
from tallystick.web.problems import SignInError
from tallystick.web.settings import RoleRule

VALUES_MAX: Final = 1000
"""Values of the claim that are looked at."""
NAME_LETTERS_MAX: Final = 80
_NAMES: Final = ("name", "preferred_username", "email")
"""Claims by which a person knows themselves on a page, the best first."""
_ELSEWHERE: Final = "_claim_names"


def has_claim(claims: Mapping[str, Any], path: str) -> bool:
    """Tell whether a claim is there at all."""
    return _at(claims, path) is not None


def values_at(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """Return the values of the claim that says what a person is.

    Args:
        claims: Believed.
        path: Its name; dots lead into objects, unless a claim has that very name.

    Returns:
        One for a text, all texts of a list; none if it is something else, or not there.

    Raises:
        SignInError: The provider says that they are elsewhere, as for somebody in very many groups.
    """
    found = _at(claims, path)
    if found is None:
        elsewhere = claims.get(_ELSEWHERE)
        if isinstance(elsewhere, dict) and path in elsewhere:
            raise SignInError(
                f"the provider gives {path!r} elsewhere, as it does for too many of them",
                reason="oidc.groups-elsewhere",
                advice="let the provider send only the groups that are for this service, or roles",
            )
    if isinstance(found, str):
        return frozenset({found})
    listed = found[:VALUES_MAX] if isinstance(found, list) else []
    return frozenset(one for one in listed if isinstance(one, str))


def role_of(values: Iterable[str], rules: Iterable[RoleRule]) -> Role | None:
    """Return the role of the first rule that fits; None if none does."""
    held = frozenset(values)
    return next((rule.role for rule in rules if rule.value in held), None)


def name_in(claims: Mapping[str, Any]) -> str:
    """Return what a person is called on pages: shown to themselves, and kept nowhere else."""
    for one in _NAMES:
        found = claims.get(one)
        if isinstance(found, str) and found.strip():
            return found.strip()[:NAME_LETTERS_MAX]
    return str(claims["sub"])[:NAME_LETTERS_MAX]


def _at(claims: Mapping[str, Any], path: str) -> Any:
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
