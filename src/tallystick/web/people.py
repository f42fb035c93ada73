"""Passkeys and approvals over HTTP: the pages that people see, and what those pages send.

Whoever has the address of an approval sees the question, and can answer nothing without the
passkey; whoever has an invitation's code can make one passkey with it. Neither stands in a log:
the code comes behind `#`, which browsers do not send, and requests are logged by their route.
"""

from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from tallystick.approvals import (
    Answers,
    Enrolling,
    Made,
    Party,
    Question,
    Wanted,
    ask,
    party_of,
)
from tallystick.approvals.party import LOCAL
from tallystick.errors import EncodingError, InputError, NotFoundError, TallystickError
from tallystick.merkle import HASH_BYTES
from tallystick.statement import b64
from tallystick.statement.approval import check_in_time
from tallystick.statement.keys import ALGORITHMS
from tallystick.statement.webauthn import Assertion
from tallystick.web.answers import NEVER, Answer, json_answer
from tallystick.web.call import Call
from tallystick.web.lookup import parse_hex
from tallystick.web.pages import base_of, outcome_lines, page, problem_page, table, tag
from tallystick.web.reading import is_reader
from tallystick.web.schemas import (
    AgreedBody,
    AnswerBody,
    AnsweredView,
    AskBody,
    AskedView,
    BegunView,
    CodeBody,
    EnrolBody,
    EnrolledView,
    MadeBody,
    PossessionView,
)
from tallystick.web.settings import is_loopback

T = TypeVar("T")
BODY_BYTES_MAX: Final = 128 << 10
"""A question, or what a browser answers."""
NAME_LETTERS: Final = 8
"""Last letters of a DID by which a person tells passkeys apart."""


def passkeys_page(call: Call) -> Answer:
    """Show where a passkey is made."""
    try:
        party = party_at(call)
    except TallystickError as error:
        return problem_page(call, error)
    log = call.service.ledger.card.origin if is_reader(call) else "this log"
    whom = "for all who may read it" if call.service.private else "in public"
    parts = [
        tag("p", f"With a passkey you approve what is registered in {log}. You were given a code."),
        f'<form id="make" data-base="{base_of(call)}">',
        '<label for="code">Code</label>',
        '<input id="code" name="code" required autocomplete="off" spellcheck="false">',
        "<button>Make the passkey</button>",
        "</form>",
        *outcome_lines(),
        tag("h2", "What happens"),
        tag("p", "Your device asks you twice: to make the passkey, and to sign what is registered "
            f"of it. The log then holds, {whom} and for ever: the public key, the pseudonym that "
            f"you have there, and the address of this page, {party.origin}. It does not hold your "
            "name, nor which device you use.", class_="note"),
    ]  # fmt: skip
    return page(call, "Make a passkey", parts)


async def begin(call: Call) -> Answer:
    """Return what a browser needs to make a passkey."""
    body = _parse(await call.body.read(BODY_BYTES_MAX), CodeBody)
    return await call.blocking(_begin, call, body)


def _begin(call: Call, body: CodeBody) -> Answer:
    party = party_at(call)
    issuer, challenge = _enrolling(call, party).begin(body.code)
    view = BegunView(
        challenge=b64.encode_url(challenge),
        rp_id=party.rp_id,
        log=call.service.ledger.card.origin,
        name=f"…{issuer[-NAME_LETTERS:]}",
        algorithms=[int(usual) for usual, _ in reversed(ALGORITHMS.values())],
    )
    return json_answer(view)


async def possession(call: Call) -> Answer:
    """Return what a passkey that was just made must sign to be registered."""
    body = _parse(await call.body.read(BODY_BYTES_MAX), MadeBody)
    return await call.blocking(_possession, call, body)


def _possession(call: Call, body: MadeBody) -> Answer:
    challenge = _enrolling(call, party_at(call)).possession(body.code, _made(body))
    return json_answer(PossessionView(b64.encode_url(challenge)))


async def enrol(call: Call) -> Answer:
    """Register a passkey."""
    body = _parse(await call.body.read(BODY_BYTES_MAX), EnrolBody)
    return await call.blocking(_enrol, call, body)


def _enrol(call: Call, body: EnrolBody) -> Answer:
    enrolling = _enrolling(call, party_at(call))
    done = enrolling.enrol(body.made.code, _made(body.made), _assertion(body.agreed))
    if done is None:
        return json_answer(EnrolledView(), 202)
    return json_answer(EnrolledView(done.index, done.id.hex()), 201)


async def ask_approval(call: Call) -> Answer:
    """Ask a person to approve something; the answer says where they find it.

    Raises:
        RefusedError: They have no passkey, or the policy would refuse what is asked.
    """
    body = _parse(await call.body.read(BODY_BYTES_MAX), AskBody)
    return await call.blocking(_ask, call, body)


def _ask(call: Call, body: AskBody) -> Answer:
    ledger, base = call.service.ledger, _address_for_people(call)
    targets = tuple(parse_hex("targets", one, HASH_BYTES) for one in body.targets)
    for target in targets:
        ledger.get(target)
    wanted = Wanted(
        issuer=body.issuer, action=body.action, targets=targets, fields=body.fields,
        seconds=body.seconds,
    )  # fmt: skip
    token, question = ask(
        call.service.asked, ledger.state, wanted, ledger.clock(), asker=_asker(call)
    )
    approval = question.approval
    url = f"{base}/approvals/{token}"
    view = AskedView(url, approval.subject(), approval.expiry)
    return json_answer(view, 201, (NEVER, (b"location", url.encode())))


def _asker(call: Call) -> str:
    """Return whose questions they are: an originator's, with however many keys."""
    grant = call.caller.grant
    if grant is None:
        return "this machine"
    return grant.originator or f"the {grant.role} keys"


def approval_page(call: Call) -> Answer:
    """Show what is to be approved, or what became of it."""
    try:
        answers = Answers(call.service.ledger, call.service.asked)
        question, held = answers.look(call.path["token"])
        if held.outcome is not None:
            return _answered_page(call, question, answers)
        check_in_time(question.approval, call.service.ledger.clock())
        return _question_page(call, question, party_at(call))
    except TallystickError as error:
        return problem_page(call, error)


async def answer_approval(call: Call) -> Answer:
    """Register what a person answered."""
    body = _parse(await call.body.read(BODY_BYTES_MAX), AnswerBody)
    return await call.blocking(_answer, call, body)


def _answer(call: Call, body: AnswerBody) -> Answer:
    answers = Answers(call.service.ledger, call.service.asked)
    done = answers.answer(call.path["token"], _assertion(body), declined=body.declined)
    indexes = [one.index for one in done.registered]
    return json_answer(AnsweredView(done.declined, indexes, [r.id.hex() for r in done.registered]))


def party_at(call: Call) -> Party:
    """Return the relying party that this service is, as the settings or the request say.

    Raises:
        InputError: Browsers do not let pages at this address use passkeys.
    """
    public = call.service.settings.public_url
    if public is not None:
        return party_of(public)
    scheme, host = call.scope.get("scheme", "http"), call.header(b"host") or ""
    name, _, port = host.partition(":")
    if name != LOCAL:
        raise InputError(
            f"browsers use passkeys at no bare address, and at no other host than public_url "
            f"names; this page was asked for at {host!r:.80}",
            advice=f"on this machine, open {scheme}://{LOCAL}{':' + port if port else ''}; "
            "for others, set public_url",
        )
    return party_of(f"{scheme}://{host}")


def _address_for_people(call: Call) -> str:
    """Return what the addresses of pages begin with, for somebody who asks at any address of ours.

    Raises:
        InputError: Browsers do not let pages there use passkeys.
    """
    if call.service.settings.public_url is not None:
        party_at(call)
        return call.url("")
    name, _, port = (call.header(b"host") or "").rpartition(":")
    if is_loopback(name.strip("[]")) and port.isdigit():
        return f"{call.scope.get('scheme', 'http')}://{LOCAL}:{port}{base_of(call)}"
    return party_at(call).origin + base_of(call)


def _question_page(call: Call, question: Question, party: Party) -> Answer:
    approval = question.approval
    buttons = [
        tag("button", words, type="button", class_=look, data_challenge=b64.encode_url(challenge),
            data_rp=party.rp_id, data_declined=declined)
        for words, look, challenge, declined in (
            ("Approve with passkey", "first", approval.challenge(), "false"),
            ("Decline with passkey", "second", approval.decline().challenge(), "true"),
        )
    ]  # fmt: skip
    parts = [
        *_shown(call, question),
        "<p>" + "\n".join(buttons) + "</p>",
        *outcome_lines(),
        tag("p", "Your passkey signs a digest of exactly this: the action, the statements and "
            "every word above. The log shows that your pseudonym did so on this page; the words "
            "are kept encrypted.", class_="note"),
    ]  # fmt: skip
    return page(call, f"Approve: {approval.action}?", parts)


def _answered_page(call: Call, question: Question, answers: Answers) -> Answer:
    done = answers.resume(call.path["token"])
    if done is None:
        raise NotFoundError("there is no such approval")
    word = "Declined" if done.declined else "Approved"
    places = " and ".join(str(one.index) for one in done.registered)
    said = tag("p", f"{word}, and registered at index {places}.", role="status")
    return page(call, f"{word}: {question.approval.action}", [said, *_shown(call, question)])


def _shown(call: Call, question: Question) -> list[str]:
    """Return what is asked, as everybody who has the address sees it."""
    approval, ledger = question.approval, call.service.ledger
    facts = {
        "action": approval.action,
        "log": approval.origin,
        "for": question.issuer,
        "until": _moment(approval.expiry),
    }
    parts = [table(facts)]
    if question.content.fields:  # once it is answered they are in the vault alone
        parts += [tag("h2", "What it says"), _fields(question)]
    if approval.targets:
        parts.append(tag("h2", "About these statements"))
    for target in approval.targets:
        found = ledger.get(target)
        header = found.statement.header
        parts.append(
            table(
                {
                    "index": f"{found.index}, {header.type or 'statement'}",
                    "signed by": header.issuer,
                    "id": target.hex(),
                }
            )
        )
    return parts


def _fields(question: Question) -> str:
    return table({name: _words(v) for name, v in question.content.values().items()}, class_="said")


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value.hex() if isinstance(value, bytes) else msgspec.json.encode(value).decode()


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _enrolling(call: Call, party: Party) -> Enrolling:
    return Enrolling(call.service.ledger, call.service.asked, party)


def _made(body: MadeBody) -> Made:
    return Made(
        b64.decode_url(body.attestation, "attestation"),
        b64.decode_url(body.client_data, "client_data"),
    )


def _assertion(body: AgreedBody) -> Assertion:
    return Assertion(
        b64.decode_url(body.authenticator_data, "authenticator_data"),
        b64.decode_url(body.client_data, "client_data"),
        b64.decode_url(body.signature, "signature"),
    )


def _parse(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise EncodingError(f"not what is expected here, in JSON: {error}") from error
