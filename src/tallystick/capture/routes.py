"""Which upstreams are asked for a model, in which order, and under which name.

A caller asks for a model. The first route that fits its name gives the targets; without one it is
the first upstream that answers for such names. Every attempt at a target is a call of its own,
with an intent that is durable before that model is asked, and an outcome: a failed attempt is
evidence like any other.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from tallystick.capture.problems import Problem, ProblemError, content_must_stay
from tallystick.capture.settings import GatewaySettings, RouteSettings
from tallystick.capture.upstream import Upstream

_WILDCARDS: Final = frozenset("*?")
KNOWN_MAX: Final = 1024
"""Names of models whose targets are remembered; callers choose names."""


def fits(model: str, pattern: str) -> bool:
    """Tell whether a model's name fits a pattern with `*` and `?`; letters count as they are."""
    return fnmatchcase(model, pattern.replace("[", "[[]"))


@dataclass(frozen=True, slots=True)
class Target:
    """Whom an attempt asks.

    Attributes:
        upstream: The model API.
        model: Name that it is asked for in place of the caller's; None leaves that.
    """

    upstream: Upstream
    model: str | None = None


class Routes:
    """All upstreams of a gateway, and the ways to them. Belongs to the event loop's thread."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Connect to nothing yet."""
        self.upstreams = tuple(Upstream(settings, one) for one in settings.all_upstreams())
        self._by_name = {one.name: one for one in self.upstreams}
        self._routes = settings.routes
        self.targets = lru_cache(KNOWN_MAX)(self._targets)

    @property
    def names(self) -> list[str]:
        """Names of models that exist only here, by their routes."""
        return [one.model for one in self._routes if not _WILDCARDS & set(one.model)]

    @property
    def plain(self) -> bool:
        """Whether there is one upstream and nothing to choose."""
        return len(self.upstreams) == 1 and not self._routes

    def close(self) -> None:
        """Give all connections back."""
        for upstream in self.upstreams:
            upstream.close()

    def _targets(self, model: str) -> tuple[Target, ...]:
        """Return the attempts that a call for a model may make, at least one.

        Raises:
            ProblemError: No upstream answers for it, or none that content may be sent to.
        """
        found = self._found(model)
        inside = tuple(target for target in found if target.upstream.allowed)
        if not inside:
            raise ProblemError(content_must_stay(model))
        return inside

    def _found(self, model: str) -> tuple[Target, ...]:
        for route in self._routes:
            if fits(model, route.model):
                return tuple(self._of_route(route))
        for upstream in self.upstreams:
            if any(fits(model, pattern) for pattern in upstream.models):
                return (Target(upstream),)
        raise ProblemError(
            Problem(404, "model_not_found", f"no upstream answers for the model {model!r:.200}")
        )

    def _of_route(self, route: RouteSettings) -> list[Target]:
        targets: list[Target] = []
        for one in route.to:
            name, _, model = one.partition("/")
            targets += [Target(self._by_name[name], model or None)] * (1 + route.retries)
        return targets
