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
from tallystick.errors import TallystickError
from tallystick.web.access import Caller, identify
from tallystick.web.answers import NEVER, Answer, Receive, Scope, Send
from tallystick.web.problems import KeyRequiredError

if TYPE_CHECKING:
    from tallystick.web.call import Call
    from tallystick.web.service import Service

_APPROVAL: Final = re.compile(r"/ledgers/[^/]*/approvals/([^/]+)")
"""Whoever has the address of a question may see it: it is handed out to one person."""
_VARY: Final = (b"vary", b"authorization, cookie")


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


async def who_calls(call: "Call") -> Caller:
    """Tell who calls: somebody who signed in, else by an API key, else by where they are.

    Raises:
        KeyRequiredError: A key or token was given, and it is not valid here.
        RefusedError: A session, in a request that no page of ours sent.
        UnavailableError: Whether to believe a token cannot be told now.
    """
    sign_in = call.service.load.sign_in
    if sign_in is not None:
        from tallystick.web.oidc.admission import identify_person

        if (somebody := await identify_person(sign_in, call)) is not None:
            return somebody
    return identified(call.service, call.scope, call.headers)


async def admit_reader(call: "Call") -> None:
    """Refuse whoever may not read the log that is asked; nobody, where it is public.

    Raises:
        KeyRequiredError: The log is private, and the caller is a stranger.
    """
    if call.service.private:
        call.caller = await who_calls(call)
        check_reader(call)


def check_reader(call: "Call") -> None:
    """The same again, later in an answer: a key may be revoked, a session or a token end.

    Raises:
        KeyRequiredError: The log is private, and the caller is a stranger, by now.
    """
    service = call.service
    if not service.private:
        return
    caller = call.caller
    if caller.person is None:
        caller = identified(service, call.scope, call.headers)
    elif not _is_signed_in(call):
        caller = Caller(local=False)
    if not caller.local and caller.grant is None:
        raise KeyRequiredError(
            "this needs an API key",
            reason="api-key.missing",
            advice="send `Authorization: Bearer tly_…`; the operator makes keys",
        )


def _is_signed_in(call: "Call") -> bool:
    """Tell whether somebody who signed in still is; looking at that does not count as use."""
    from tallystick.web.oidc.cookies import SESSION, cookie

    sign_in, person = call.service.load.sign_in, call.caller.person
    if sign_in is None or person is None:
        return False
    if person.until is not None:
        return sign_in.clock() < person.until
    return sign_in.sessions.counts(cookie(call, SESSION))


def is_reader(call: "Call") -> bool:
    """Tell whether the caller may read the log."""
    return not call.service.private or call.caller.local or call.caller.grant is not None


def kept_private(call: "Call", answer: Answer) -> Answer:
    """Keep what a private log answers out of caches that others share."""
    if not call.service.private:
        return answer
    session = call.caller.person is not None  # a browser goes on when somebody has signed out
    headers = tuple(
        (name, _kept(value, session=session) if name == b"cache-control" else value)
        for name, value in answer.headers
    )
    return Answer(answer.body, answer.media, answer.status, (*headers, _VARY))


def _kept(control: bytes, *, session: bool) -> bytes:
    return NEVER[1] if session else control.replace(b"public", b"private")


class Concealing:
    """Tells which further ledgers are there for a caller."""

    def __init__(self, first: "Service", further: "Mapping[str, Service | None]") -> None:
        """Know the services; None stands for one that could not be opened, and may be private."""
        self._first, self._further = first, further

    async def sees(self, name: str, scope: Scope, receive: Receive, send: Send) -> bool:
        """Tell whether there is a ledger of a name, for this caller."""
        if (asked := self._further.get(name)) is not None and not asked.private:
            return True
        seen = {
            other
            for other, one in self._further.items()
            if await self._admits(one, scope, receive, send)
        }
        return name in seen

    async def _admits(
        self, service: "Service | None", scope: Scope, receive: Receive, send: Send
    ) -> bool:
        from tallystick.web.resource import make_call

        require_key = (service or self._first).settings.require_key
        if identify(scope, dict(scope["headers"]), None, require_key=require_key).local:
            return True
        if service is None or not service.private:
            return False
        # What is wrong with one ledger is no answer to whoever asks for another one.
        with suppress(TallystickError, OSError):
            if (await who_calls(make_call(service, scope, receive, send))).grant is not None:
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
