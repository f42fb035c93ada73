"""A decision, for the person it is about: they see it, ask, and read what they are answered.

Nobody signs in. What they hold says who they are: see `tallystick.affected`. The code comes in
bodies only, never in an address; requests are logged by their route. Pages work without a script.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from tallystick.affected import DecisionSeen, Entitled, Held, ask, identify, see, withdraw
from tallystick.affected.holding import HELD_BYTES_MAX
from tallystick.errors import (
    EncodingError,
    NotFoundError,
    RefusedError,
    TallystickError,
    VerificationError,
)
from tallystick.merkle import HASH_BYTES
from tallystick.web.answers import JSON, Answer, json_answer
from tallystick.web.call import Call
from tallystick.web.lookup import parse_hex
from tallystick.web.mine_pages import decision_page, held_page
from tallystick.web.pages import problem_page
from tallystick.web.reading import is_reader
from tallystick.web.schemas import HeldBody, RequestBody, WithdrawalBody

T = TypeVar("T", bound=HeldBody)
FORM: Final = "application/x-www-form-urlencoded"
BODY_BYTES_MAX: Final = 3 * HELD_BYTES_MAX
"""A form may write three letters for one."""
FIELDS_MAX: Final = 8


def mine_page(call: Call) -> Answer:
    """Ask for what the person holds."""
    return held_page(call)


async def look(call: Call) -> Answer:
    """Show a decision to whoever holds a receipt of it, and all of it to whom it is about.

    Raises:
        RefusedError: The receipt is of another log, or the code of another decision.
    """
    return await _answered(call, HeldBody, lambda body: _look(call, body), 200)


async def ask_about(call: Call) -> Answer:
    """Register what a person asks of a decision about them; their words stay in the vault.

    Raises:
        RefusedError: They did not show that it is about them, or the rules say no.
    """
    return await _answered(call, RequestBody, lambda body: _ask(call, body), 201)


async def withdraw_one(call: Call) -> Answer:
    """Register that a person does not ask something any more.

    Raises:
        RefusedError: They did not show that it is about them, or it has ended.
    """
    return await _answered(call, WithdrawalBody, lambda body: _withdraw(call, body), 201)


async def _answered(
    call: Call, kind: type[T], work: Callable[[T], DecisionSeen], status: int
) -> Answer:
    """Do what a body asks for; answer as JSON, or to a form as a page."""
    if call.media == JSON:
        call.service.load.strangers.take(call.scope)
        body = _read_json(await call.body.read(BODY_BYTES_MAX), kind)
        return json_answer(await call.blocking(work, body), status)
    try:
        call.service.load.strangers.take(call.scope)
        form = _read_form(await call.body.read(BODY_BYTES_MAX), kind)
        seen = await call.blocking(work, form)
    except TallystickError as error:
        return problem_page(call, error, back="/mine")
    return decision_page(call, seen, form, done=status != 200)


def _look(call: Call, body: HeldBody) -> DecisionSeen:
    return see(call.service.ledger, _entitled(call, body))


def _entitled(call: Call, body: HeldBody) -> Entitled:
    """Return what somebody holds; a stranger to a private log must show that it is theirs.

    Raises:
        NotFoundError: The log is private, and nothing shows that; also where nothing is there.
    """
    held = Held(body.receipt, body.code)
    if is_reader(call):
        return identify(call.service.ledger, held)
    with suppress(NotFoundError, RefusedError, VerificationError):
        entitled = identify(call.service.ledger, held)
        if entitled.by is not None:
            return entitled
    raise NotFoundError(
        "nothing is here that this shows to be about you",
        advice="give the code that was handed out with the receipt, or the whole record",
    )


def _ask(call: Call, body: RequestBody) -> DecisionSeen:
    ledger, days = call.service.ledger, call.service.settings.appeal_days_max
    entitled = _entitled(call, body)
    ask(ledger, entitled, body.kind, body.words, days_max=days)
    return see(ledger, entitled)


def _withdraw(call: Call, body: WithdrawalBody) -> DecisionSeen:
    ledger = call.service.ledger
    entitled = _entitled(call, body)
    withdraw(ledger, entitled, parse_hex("request", body.request, HASH_BYTES), body.words)
    return see(ledger, entitled)


def _read_json(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise EncodingError(f"not what is expected here, in JSON: {error}") from error


def _read_form(data: bytes, kind: type[T]) -> T:
    try:
        pairs = parse_qsl(
            data.decode("ascii"), keep_blank_values=True, errors="strict",
            max_num_fields=FIELDS_MAX,
        )  # fmt: skip
        return msgspec.convert(dict(pairs), kind)
    except (ValueError, msgspec.ValidationError) as error:
        raise EncodingError(f"not what is expected here, from a form: {error}") from error
