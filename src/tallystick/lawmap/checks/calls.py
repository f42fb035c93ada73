"""Checks of AI calls: whether they are recorded, whole, in order, with model and originator."""

from typing import Final

from tallystick.lawmap.answer import (
    Answer,
    Evidence,
    does,
    does_not,
    either,
    listed,
    not_applicable,
    setting,
    unseen,
)
from tallystick.lawmap.checks.check import Check
from tallystick.lawmap.seen import Seen, day

_NO_CALLS: Final = "no call is registered"
_NO_GATEWAY: Final = "no gateway is set up"


def calls_recorded(seen: Seen) -> Answer:
    """Look for registered calls."""
    kind = seen.kind("inference")
    if not seen.calls:
        return does_not(_NO_CALLS, kind.evidence("inference statements"))
    since = f", since {day(kind.first_at)}" if kind.first_at is not None else ""
    return does(f"{seen.calls} calls are registered{since}", kind.evidence("inference statements"))


def nothing_missing(seen: Seen) -> Answer:
    """Look at the numbers that emitters gave."""
    if seen.faults:
        return does_not(
            f"{len(seen.faults)} numbers are missing or out of order",
            Evidence("faults", listed(seen.faults)),
        )
    if not seen.emitters:
        return unseen("nobody but the log itself numbers what it says")
    return does(
        "between the first and last number of every epoch none is missing; what was never "
        "numbered cannot be seen",
        Evidence("emitters that number", str(seen.emitters)),
    )


def calls_have_outcomes(seen: Seen) -> Answer:
    """Look for calls without outcome."""
    if not seen.calls:
        return not_applicable(_NO_CALLS)
    return either(
        not seen.open_calls,
        f"each of {seen.calls} calls has an outcome",
        f"{len(seen.open_calls)} of {seen.calls} calls have no outcome",
        Evidence("open intents at index", listed(map(str, seen.open_calls)) or "none"),
    )


def calls_name_model(seen: Seen) -> Answer:
    """Look for calls that name their model by digest."""
    if not seen.calls:
        return not_applicable(_NO_CALLS)
    number = seen.modelless.number
    return either(
        not number,
        f"each of {seen.calls} calls names a registered model by its digest",
        f"{number} of {seen.calls} calls name no model by its digest",
        seen.modelless.evidence("calls without a model"),
    )


def calls_registered(seen: Seen) -> Answer:
    """Look for what a gateway wrote down and the ledger does not have."""
    spooled = seen.stored.spooled
    evidence = Evidence("statements in the spool beyond its mark", str(spooled))
    if spooled and seen.stored.written:
        return unseen("a service is registering what its gateway wrote down", evidence)
    return either(
        not spooled,
        "nothing that a gateway wrote down waits to be registered",
        f"{spooled} statements of a gateway wait to be registered, and nothing registers them",
        evidence,
    )


def fail_closed(seen: Seen) -> Answer:
    """Look at what happens to a call that cannot be recorded."""
    if not seen.configured.gateway:
        return not_applicable(_NO_GATEWAY)
    return either(
        not seen.configured.fail_open,
        "a call that cannot be recorded is refused",
        "a call that cannot be recorded goes through",
        setting("fail_open", seen.configured.fail_open),
    )


def originators_named(seen: Seen) -> Answer:
    """Look whether calls can be made under no name."""
    if not seen.configured.gateway:
        return not_applicable(_NO_GATEWAY)
    return either(
        seen.configured.require_key,
        "every caller needs an API key, which names for whom the AI acts",
        "callers on this machine need no API key; for whom they act is not known",
        setting("require_key", seen.configured.require_key),
        Evidence("valid API keys", str(seen.configured.api_keys)),
    )


CHECKS: Final = (
    Check("calls-recorded", "AI calls are recorded as they happen", calls_recorded,
          "point clients at the gateway: `tally up --upstream URL`"),
    Check("nothing-missing", "What was numbered is all there, and in order", nothing_missing,
          "`tally gaps` names what is missing"),
    Check("calls-have-outcomes", "Each recorded call has its outcome", calls_have_outcomes,
          "`tally gaps` names the open ones; each is to be explained"),
    Check("calls-name-model", "Each recorded call names the model by its digest", calls_name_model,
          "register the model: `tally register --type model`"),
    Check("calls-registered", "What a gateway wrote down is registered", calls_registered,
          "start the gateway once: `tally up`"),
    Check("fail-closed", "No call passes unrecorded", fail_closed, "set fail_open = false"),
    Check("originators-named", "Each call says for whom the AI acts", originators_named,
          "set require_key = true, and give each caller a key: `tally keys api create`"),
)  # fmt: skip
