"""Put the service together as one ASGI application."""

from collections.abc import Mapping

from starlette.routing import BaseRoute, Mount, Route, Router

from tallystick.errors import NotFoundError, RefusedError, TallystickError
from tallystick.web.answers import App, Receive, Scope, Send
from tallystick.web.gate import Gate
from tallystick.web.ledgers import Closed, Ledgers
from tallystick.web.lifespan import Lifespan
from tallystick.web.operations import Operation
from tallystick.web.problems import native_answer
from tallystick.web.reading import Concealing, admit_reader
from tallystick.web.resource import Resource, finish, make_call
from tallystick.web.routes import OPERATIONS, PEOPLE
from tallystick.web.service import Served, Service

GATEWAY: str = "/v1"
"""Where the gateway for AI calls is mounted."""


def application(service: Service, first: Served, further: Mapping[str, Served | None]) -> App:
    """Return the service of all ledgers as one ASGI application.

    Args:
        service: Of the first ledger; it holds those of the further ones.
        first: What it was made of.
        further: What those were made of.
    """
    root = gate(service, first.gateway_app)
    if not further:
        return root
    apps = {name: _gate_or_closed(service, name, further[name]) for name in further}
    return Ledgers(root, apps, Concealing(service, service.further).sees)


def _gate_or_closed(service: Service, name: str, served: Served | None) -> App:
    inner = service.further[name]
    return Closed(name) if served is None or inner is None else gate(inner, served.gateway_app)


def gate(service: Service, gateway_app: App | None = None) -> Gate:
    """Return one ledger's service as an ASGI application.

    Args:
        service: Its ledger stays open for as long as the application runs.
        gateway_app: Another ASGI application, mounted under `/v1`, which looks after access and
            bodies itself. Its lifespan runs within ours.
    """
    routes = _routes(service)
    if gateway_app is not None:
        routes.append(Mount(GATEWAY, app=gateway_app))
    router = Router(routes, redirect_slashes=False, default=_Nowhere(service))
    return Gate(service, router, Lifespan(gateway_app, service.close))


def _routes(service: Service) -> list[BaseRoute]:
    served = (*OPERATIONS, *PEOPLE, *_sign_in(service))
    paths = dict.fromkeys(operation.path for operation in served)
    return [Route(path, Resource(service, [o for o in served if o.path == path])) for path in paths]


def _sign_in(service: Service) -> tuple[Operation, ...]:
    """Return the pages for signing in, where somebody can."""
    if service.load.sign_in is None:
        return ()
    from tallystick.web.oidc.routes import SIGN_IN

    return SIGN_IN


class _Nowhere:
    """Answers for paths that are not in the table."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer that there is nothing; where a log is private, as for what there is."""
        call = make_call(self._service, scope, receive, send)
        error: TallystickError = NotFoundError(
            f"there is nothing at {scope['path'][:200]!r}",
            advice="the API is described at /openapi.json",
        )
        try:
            await admit_reader(call)
        except RefusedError as refused:
            self._service.telemetry.denied.add(1, refused.reason)
            error = refused
        await finish(call, native_answer(error))
