"""Which models there are: passed through from one upstream, put together from several.

Of several upstreams each shows the models that calls would go to it for; names that only routes
know stand before them. An upstream that does not answer, or not with a list, shows none. Nothing is
recorded: no model is called.
"""

import asyncio
from typing import Any, Final

import msgspec

from tallystick.capture.connection import Response
from tallystick.capture.problems import Headers, Problem, ProblemError
from tallystick.capture.relay import Message, Send
from tallystick.capture.running import Running
from tallystick.capture.scope import not_for_calls
from tallystick.capture.upstream import (
    UPSTREAM_ERRORS,
    Upstream,
    describe,
    passed_headers,
    sent_headers,
)

LIST_BYTES_MAX: Final = 4 << 20
"""Longest list of one upstream."""
LIST_SECONDS_MAX: Final = 10.0
"""Longest time to wait for the list of one of several upstreams."""
PATH: Final = "/models"

_JSON: Final = (b"content-type", b"application/json")


class _Models(msgspec.Struct):
    """What of a list must be as it should; everything else is passed on."""

    data: list[dict[str, Any]]


class ModelList:
    """Answers `GET /models` or `GET /models/NAME`; used once."""

    def __init__(self, running: Running, path: str, scope: Message, send: Send) -> None:
        """Answer a request of an ASGI server; `path` begins with `/models`."""
        self._running, self._path, self._scope, self._send = running, path, scope, send
        self._brought: str | None = None

    async def run(self) -> None:
        """Answer.

        Raises:
            ProblemError: The caller may not ask, no upstream answers, or there is no such model.
        """
        caller = self._running.callers.identify(self._scope)
        if caller.key and (problem := not_for_calls(caller.key.grant)) is not None:
            raise ProblemError(problem)
        self._brought = caller.brought
        routes, name = self._running.routes, self._path.removeprefix(PATH).removeprefix("/")
        if routes.plain:
            await self._pass(routes.upstreams[0])
        elif not name:
            await self._answer({"object": "list", "data": await self._all()})
        elif name in routes.names:
            await self._answer(_routed(name))
        else:
            await self._pass(routes.targets(name)[0].upstream)

    async def _pass(self, upstream: Upstream) -> None:
        """Pass an upstream's answer through as it comes."""
        response = None
        try:
            async with asyncio.timeout(self._running.settings.total_s):
                response = await self._ask(upstream)
                start = {"type": "http.response.start", "status": response.status}
                await self._send(start | {"headers": passed_headers(response.raw_headers)})
                while chunk := await response.readany():
                    await self._body(chunk, more=True)
            await self._body(b"")
        except UPSTREAM_ERRORS as error:
            if response is None:
                raise ProblemError(describe(error, upstream.name).problem) from error
        finally:
            if response is not None:
                response.close()

    async def _all(self) -> list[dict[str, Any]]:
        """Return the models of all upstreams, each once.

        Raises:
            ProblemError: No upstream answers, and no route has a name of its own.
        """
        routes = self._running.routes
        lists = await asyncio.gather(*(self._of(one) for one in routes.upstreams))
        found = {name: _routed(name) for name in routes.names}
        for upstream, models in zip(routes.upstreams, lists, strict=True):
            for model in models or ():
                name = model.get("id")
                if isinstance(name, str) and self._leads(name, upstream):
                    found.setdefault(name, model)
        if not found and all(models is None for models in lists):
            raise ProblemError(
                Problem(502, "upstream_unreachable", "no upstream says which models it has")
            )
        return list(found.values())

    def _leads(self, name: str, upstream: Upstream) -> bool:
        """Tell whether a call for a model goes to an upstream first."""
        try:
            return self._running.routes.targets(name)[0].upstream is upstream
        except ProblemError:
            return False

    async def _of(self, upstream: Upstream) -> list[dict[str, Any]] | None:
        """Return an upstream's list; None where it gives none."""
        response = None
        try:
            async with asyncio.timeout(LIST_SECONDS_MAX):
                response = await self._ask(upstream, PATH)
                data = b""
                while len(data) <= LIST_BYTES_MAX and (chunk := await response.readany()):
                    data += chunk
            if response.status != 200 or len(data) > LIST_BYTES_MAX:
                return None
            return msgspec.json.decode(data, type=_Models).data
        except (*UPSTREAM_ERRORS, msgspec.DecodeError, RecursionError):
            return None
        finally:
            if response is not None:
                response.close()

    async def _ask(self, upstream: Upstream, path: str | None = None) -> Response:
        headers = sent_headers(self._scope["headers"], upstream.authorization(self._brought))
        query = self._scope.get("query_string", b"")
        return await upstream.ask("GET", path or self._path, query, headers, b"")

    async def _answer(self, content: object) -> None:
        data = msgspec.json.encode(content)
        headers: Headers = [_JSON, (b"content-length", b"%d" % len(data))]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._body(data)

    async def _body(self, data: bytes, *, more: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


def _routed(name: str) -> dict[str, Any]:
    """Describe a name that only a route knows, as OpenAI's API describes models."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "gateway"}
