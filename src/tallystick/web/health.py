"""Does the process live, can the service take entries, what has it counted."""

from dataclasses import replace

import msgspec

from tallystick import __version__
from tallystick.capture.roles import Right
from tallystick.errors import UnavailableError
from tallystick.web.answers import NEVER, Answer, encode_json, json_answer
from tallystick.web.call import Call
from tallystick.web.metrics import TEXT_FORMAT
from tallystick.web.parts import Part, Parts, look
from tallystick.web.problems import native_answer


class Health(msgspec.Struct):
    """How the service is.

    Attributes:
        status: `alive` or `ready`.
        size: Entries that are signed.
        published: Entries that everybody can read.
        version: Release of the service.
    """

    status: str
    size: int
    published: int
    version: str = __version__


class Readiness(Health, kw_only=True):
    """How the service is, part by part.

    Attributes:
        status: `ready`.
        size: Entries that are signed.
        published: Entries that everybody can read.
        version: Release of the service.
        parts: How each part does; none of them has a problem.
    """

    parts: dict[str, Part]


async def alive(call: Call) -> Answer:
    """Answer as long as the process does; says nothing about the ledger."""
    ledger = call.service.ledger
    return json_answer(Health("alive", ledger.snapshot.checkpoint.size, ledger.published))


async def ready(call: Call) -> Answer:
    """Answer 200 while the service takes statements, 503 with the reasons otherwise.

    Either way `parts` tells of each part; its details are for callers who may see the metrics.
    """
    ledger, parts = call.service.ledger, await look_now(call)
    shown = parts.states if call.caller.may(Right.OBSERVE) else _states(parts.states)
    if not parts.troubles:
        size, published = ledger.snapshot.checkpoint.size, ledger.published
        return json_answer(Readiness("ready", size, published, parts=shown))
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
