"""Who reads a private log, and who learns that it is there.

Where the registration policy says `"log": "private"`, all that speaks of the log is for callers on
this machine and for holders of an API key of this ledger, whatever its role. A stranger is answered
before anything is looked up: the same refusal for what there is and for what there is not.

A further ledger that is private is for strangers not there at all: the first ledger answers in its
place, as it does for a name that nobody has. The same keys are tried for either, so that time does
not tell them apart.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tallystick.approvals import Kind
from tallystick.errors import RefusedError, TallystickError
from tallystick.web.access import Caller, identify
from tallystick.web.answers import Answer, Scope
from tallystick.web.problems import KeyRequiredError

if TYPE_CHECKING:
    from tallystick.web.call import Call
    from tallystick.web.service import Service

_APPROVAL: Final = re.compile(r"/ledgers/[^/]*/approvals/([^/]+)")
"""Whoever has the address of a question may see it: it is handed out to one person."""
_VARY: Final = (b"vary", b"authorization")


def identified(service: "Service", scope: Scope, headers: dict[bytes, bytes]) -> Caller:
    """Tell who calls a ledger's service.

    Raises:
        KeyRequiredError: A key was given, and it is not valid here.
    """
    return identify(
        scope,
        headers,
        service.authorize,
        others=service.load.authorizers,
        require_key=service.settings.require_key,
    )


def check_reader(call: "Call") -> None:
    """Refuse whoever may not read the log that is asked; nobody, where it is public.

    Raises:
        KeyRequiredError: The log is private, and the caller is a stranger.
    """
    service = call.service
    if not service.private:
        return
    caller = identified(service, call.scope, call.headers)
    if not caller.local and caller.grant is None:
        raise KeyRequiredError(
            "this needs an API key",
            reason="api-key.missing",
            advice="send `Authorization: Bearer tly_…`; the operator makes keys",
        )


def is_reader(call: "Call") -> bool:
    """Tell whether the caller may read the log."""
    return not call.service.private or call.caller.local or call.caller.grant is not None


def kept_private(call: "Call", answer: Answer) -> Answer:
    """Keep what a private log answers out of caches that others share."""
    if not call.service.private:
        return answer
    headers = tuple(
        (name, value.replace(b"public", b"private") if name == b"cache-control" else value)
        for name, value in answer.headers
    )
    return Answer(answer.body, answer.media, answer.status, (*headers, _VARY))


class Concealing:
    """Tells which further ledgers are there for a caller."""

    def __init__(self, first: "Service", further: "Mapping[str, Service | None]") -> None:
        """Know the services; None stands for one that could not be opened, and may be private."""
        self._first, self._further = first, further

    def sees(self, name: str, scope: Scope) -> bool:
        """Tell whether there is a ledger of a name, for this caller."""
        if (asked := self._further.get(name)) is not None and not asked.private:
            return True
        seen = {other for other, one in self._further.items() if self._admits(one, scope)}
        return name in seen

    def _admits(self, service: "Service | None", scope: Scope) -> bool:
        headers = dict(scope["headers"])
        require_key = (service or self._first).settings.require_key
        if identify(scope, headers, None, require_key=require_key).local:
            return True
        if service is None or not service.private:
            return False
        with suppress(RefusedError):
            if identified(service, scope, headers).grant is not None:
                return True
        return _asked(service, scope["path"])


def _asked(service: "Service", path: str) -> bool:
    """Tell whether a path is the address of a question that this ledger asks."""
    found = _APPROVAL.fullmatch(path)
    if found is None:
        return False
    try:
        service.asked.open(Kind.APPROVAL, found[1])
    except TallystickError:
        return False
    return True
