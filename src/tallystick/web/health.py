"""Does the process live, can the service take entries, what has it counted."""

from dataclasses import replace

import msgspec

from tallystick import __version__
from tallystick.capture.roles import Right
from tallystick.errors import UnavailableError
from tallystick.web.answers import NEVER, Answer, encode_json, json_answer
from tallystick.web.call import Call
from tallystick.web.metrics import TEXT_FORMAT
from tallystick.web.parts import FURTHER, Part, Parts, look
from tallystick.web.problems import native_answer
from tallystick.web.reading import is_reader


class Health(msgspec.Struct):
    """How the service is.

    Attributes:
        status: `alive` or `ready`.
        size: Entries that are signed; not told to strangers to a private log.
        published: Entries that everybody can read; as `size`.
        version: Release of the service.
    """

    status: str
    size: int | msgspec.UnsetType = msgspec.UNSET
    published: int | msgspec.UnsetType = msgspec.UNSET
    version: str = __version__


class Readiness(Health, kw_only=True):
    """How the service is, part by part.

    Attributes:
        status: `ready`.
        size: Entries that are signed; not told to strangers to a private log.
        published: Entries that everybody can read; as `size`.
        version: Release of the service.
        parts: How each part does; none of them has a problem.
    """

    parts: dict[str, Part]


async def alive(call: Call) -> Answer:
    """Answer as long as the process does; says nothing about the ledger."""
    return json_answer(Health("alive", *_sizes(call)))


def _sizes(call: Call) -> tuple[int | msgspec.UnsetType, int | msgspec.UnsetType]:
    ledger = call.service.ledger
    if not is_reader(call):
        return msgspec.UNSET, msgspec.UNSET
    return ledger.snapshot.checkpoint.size, ledger.published


async def ready(call: Call) -> Answer:
    """Answer 200 while the service takes statements, 503 with the reasons otherwise.

    Either way `parts` tells of each part; its details are for callers who may see the metrics.
    """
    parts = await look_now(call)
    shown = parts.states if call.caller.may(Right.OBSERVE) else _states(parts.states)
    if not call.caller.local:  # others need not know that there are further ledgers
        shown = {name: part for name, part in shown.items() if name != FURTHER}
    if not parts.troubles:
        return json_answer(Readiness("ready", *_sizes(call), parts=shown))
    words = parts.troubles if call.caller.may(Right.OBSERVE) else parts.in_trouble
    answer = native_answer(UnavailableError("; ".join(words)))
    body = {**msgspec.json.decode(answer.body), "parts": msgspec.to_builtins(shown)}
    return replace(answer, body=encode_json(body))


async def metrics(call: Call) -> Answer:
    """Return all counts in the text format of Prometheus."""
    telemetry = call.service.telemetry
    telemetry.parts = await look_now(call)
    return Answer(telemetry.render(), TEXT_FORMAT, headers=(NEVER,))


async def look_now(call: Call) -> Parts:
    """Look at every part; the gateway is asked in the event loop that it belongs to."""
    service = call.service
    return await call.blocking(look, service, service.gateway_status())


def _states(parts: dict[str, Part]) -> dict[str, Part]:
    return {name: Part(part.state) for name, part in parts.items()}
