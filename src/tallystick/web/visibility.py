"""Who gets content over HTTP: by the class that the registration policy gives its type.

Where the policy says nothing, the setting `show_content` does, for callers who may see content. A
class binds the service, not whoever holds the vault's key.
"""

from collections.abc import Callable

from tallystick.capture.roles import Right
from tallystick.errors import RefusedError
from tallystick.ledger import Found
from tallystick.ledger.originators import known_originator
from tallystick.ledger.policy import Visibility
from tallystick.vault import unsafe_unrecorded
from tallystick.web.call import Call


def visible_to(call: Call) -> Callable[[Found], bool]:
    """Return what tells whether the caller gets the content of a statement."""
    policy = call.service.ledger.state.policy

    def visible(found: Found) -> bool:
        match policy.visibility_of(found.statement.header.type):
            case None:
                return call.service.settings.show_content and call.caller.may(Right.CONTENT)
            case Visibility.PUBLIC:
                return True
            case Visibility.PARTIES:
                return _is_entitled(call) and call.caller.originator in _parties(call, found)
        return False

    return visible


def check_visible(call: Call, found: Found) -> None:
    """Refuse a caller who asks for the content of a statement and does not get it.

    Raises:
        RefusedError: `content.withheld` whoever asks, `content.caller` where another one would.
    """
    if visible_to(call)(found):
        return
    type_ = found.statement.header.type
    visibility = call.service.ledger.state.policy.visibility_of(type_)
    if visibility is Visibility.PARTIES:
        raise RefusedError(
            "content of this statement is given to its issuer and to whom it was made for, with "
            "an API key of theirs",
            reason="content.caller",
        )
    if visibility is not None:
        raise RefusedError(
            f"the policy calls content of {type_ or 'untyped'} statements {visibility}: nobody "
            "gets it here",
            reason="content.withheld",
            advice="what is published later stands in the log: `tally publish`",
        )
    if not call.service.settings.show_content:
        raise RefusedError(
            "this service gives no content over HTTP",
            reason="content.withheld",
            advice="set show_content = true, or use `tally export` beside the ledger",
        )
    raise RefusedError(
        "content is given to callers on the same machine, or with an API key whose role allows it",
        reason="content.caller",
    )


def _is_entitled(call: Call) -> bool:
    """Tell whether a key's role, and what it is for, lets it see what is its holder's own."""
    return call.caller.may(Right.REGISTER) or call.caller.may(Right.CONTENT)


def _parties(call: Call, found: Found) -> set[str | None]:
    """Return who has a part in a statement: who signed, and for whom, as far as that is known."""
    ledger = call.service.ledger
    with unsafe_unrecorded():  # only who approved is taken from it, and shown to nobody
        known = known_originator(
            ledger.index, ledger.snapshot, found.statement, found.index, ledger.content
        )
    return {found.statement.header.issuer, known.principal, known.agent} - {None}
