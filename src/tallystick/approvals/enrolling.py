"""A person makes a passkey: invited by a code, once, and registered by the operator.

The browser makes the key, and then signs with it the digest of all that is registered of it: the
log, the issuer, the pages. So a passkey can be registered neither for somebody else nor by
somebody who only saw its public key. The codes live in `tallystick.approvals.waiting`.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from tallystick.approvals.party import Party
from tallystick.approvals.waiting import Held, Kind, Waiting, replayed
from tallystick.errors import (
    ApprovalError,
    InputError,
    RefusedError,
    TallystickError,
    UnavailableError,
)
from tallystick.identity import Signer
from tallystick.identity.attestation import CREATE, verify_made
from tallystick.ledger import Ledger, Registered
from tallystick.ledger.state import LedgerState
from tallystick.statement import dcbor
from tallystick.statement.governance import IssuerKind
from tallystick.statement.keylife import parse_key_statement
from tallystick.statement.passkey import Passkey
from tallystick.statement.webauthn import Asked, Assertion

INVITED_SECONDS: Final = 86_400
"""How long an invitation counts, unless somebody says otherwise."""
INVITED_SECONDS_MAX: Final = 7 * 86_400
_CREATE_TAG: Final = b"tallystick/passkey-create/1"


@dataclass(frozen=True, slots=True)
class Made:
    """What a browser answers when it made a passkey.

    Attributes:
        attestation: The attestation object.
        client_data: As JSON.
    """

    attestation: bytes
    client_data: bytes


def check_person(state: LedgerState, issuer: str) -> None:
    """Refuse an issuer that can have no passkeys.

    Raises:
        RefusedError: It has no registered key, or is no person.
    """
    keys = state.chains.keys_of(issuer)
    if not keys:
        raise RefusedError(
            f"no key is registered for {issuer}",
            reason="issuer.unknown",
            advice="register one first: `tally keys create NAME --kind person`",
        )
    _, record = state.chains.records[issuer, keys[-1]]
    if record.kind is not IssuerKind.PERSON:
        raise RefusedError(
            f"{issuer} is registered as {record.kind}, and only a person has passkeys",
            reason="key.person",
        )


def invite(
    waiting: Waiting,
    state: LedgerState,
    issuer: str,
    now: int,
    seconds: int = INVITED_SECONDS,
    *,
    agreement: bool = False,
) -> str:
    """Return a code with which one passkey can be made for an issuer.

    Args:
        waiting: Where the invitation is kept.
        state: Of the ledger.
        issuer: DID of the person.
        now: Seconds since 1970.
        seconds: How long the code counts.
        agreement: The passkey is registered only once a key of the issuer agrees, see `agree`.

    Raises:
        RefusedError: It is no registered person.
        LimitError: Too many questions are waiting.
    """
    check_person(state, issuer)
    content = dcbor.encode({"issuer": issuer, "agreement": agreement})
    return waiting.add(Kind.INVITATION, content, now + seconds, now)


def agree(waiting: Waiting, code: str, origin: str, signer: Signer) -> Passkey:
    """Return a passkey that was made and waits for agreement, with that of a key of its issuer.

    Args:
        waiting: Where it is kept.
        code: Of the invitation.
        origin: The log.
        signer: The issuer's key.

    Raises:
        NotFoundError: There is no such invitation.
        InputError: No passkey was made with it yet, or it is another issuer's.
    """
    made = waiting.open(Kind.INVITATION, code).outcome
    if made is None:
        raise InputError(
            "no passkey was made with this code yet", advice="open the address of the invitation"
        )
    passkey = parse_key_statement(made)
    if not isinstance(passkey, Passkey) or passkey.issuer != signer.issuer:
        raise InputError(f"the passkey is one of {passkey.issuer}, not of {signer.issuer}")
    return passkey.signed_by(origin, signer.public, signer.sign)


class Enrolling:
    """Makes passkeys of a ledger's persons, for the pages of one relying party."""

    def __init__(self, ledger: Ledger, waiting: Waiting, party: Party) -> None:
        """Register in a ledger that is open for writing."""
        self._ledger, self._waiting, self._party = ledger, waiting, party

    def begin(self, code: str) -> tuple[str, bytes]:
        """Return for whom a code is, and the challenge to make a passkey with.

        Raises:
            NotFoundError: There is no such code.
            ApprovalError: It has ended, or was used.
        """
        return self._issuer(self._held(code)), _challenge(code)

    def possession(self, code: str, made: Made) -> bytes:
        """Return what a passkey that was just made must sign to be registered.

        Raises:
            ApprovalError: It was not made in answer to this code, or not on our page.
        """
        issuer = self._issuer(self._held(code))
        return self._passkey(code, issuer, made, None).digest(self._ledger.card.origin)

    def enrol(self, code: str, made: Made, assertion: Assertion) -> Registered | None:
        """Register a passkey; the code is used up, unless the ledger refuses.

        Returns:
            Where it is; None where it waits for the agreement of a key of its issuer.

        Raises:
            ApprovalError: The passkey did not agree, or the code has ended or was used.
            RefusedError: It is registered already, or its person has too many; the code counts on.
            UnavailableError: The ledger cannot append; it is registered when the code is used next.
        """
        held = self._held(code)
        issuer = self._issuer(held)
        passkey = self._passkey(code, issuer, made, assertion)
        passkey.verify_possession(self._ledger.card.origin)
        check_person(self._ledger.state, issuer)
        if (index := self._registered_at(passkey)) is not None:
            raise RefusedError(f"this passkey was registered at index {index}", reason="key.known")
        self._waiting.settle(Kind.INVITATION, code, passkey.encode())
        if _agreement(held):
            return None
        return self._register(code, passkey)

    def _register(self, code: str, passkey: Passkey) -> Registered:
        try:
            return self._ledger.register_key(passkey)
        except UnavailableError:
            raise  # the same bytes are registered later, see `_resume`
        except TallystickError:
            index = self._registered_at(passkey)
            if index is None:
                self._waiting.reopen(Kind.INVITATION, code)
                raise
        found = self._ledger.at(index)  # whoever used the same code at this moment was faster
        return Registered(found.statement.id, index, True, self._ledger.snapshot)  # noqa: FBT003

    def _registered_at(self, passkey: Passkey) -> int | None:
        name = passkey.issuer, passkey.key.thumbprint()
        index, known = self._ledger.state.chains.passkeys.get(name, (None, None))
        return index if known == passkey else None

    def _resume(self, code: str, held: Held) -> None:
        """Register a passkey that was made with a code just before a process ended."""
        passkey = parse_key_statement(held.outcome or b"")
        if _agreement(held) or not isinstance(passkey, Passkey):
            return
        if self._registered_at(passkey) is None:
            self._register(code, passkey)

    def _passkey(self, code: str, issuer: str, made: Made, said: Assertion | None) -> Passkey:
        party = self._party
        asked = Asked(_challenge(code), party.rp_id, (party.origin,), CREATE)
        key = verify_made(made.attestation, made.client_data, asked)
        said = said or Assertion(b"", b"", b"")
        return Passkey(
            issuer=issuer, key=key, rp_id=party.rp_id, origins=(party.origin,),
            authenticator_data=said.authenticator_data, client_data=said.client_data,
            possession=said.signature,
        )  # fmt: skip

    def _held(self, code: str) -> Held:
        held, now = self._waiting.open(Kind.INVITATION, code), self._ledger.clock()
        if held.outcome is not None:
            self._resume(code, held)
            raise replayed(Kind.INVITATION)
        if now >= held.not_after:
            raise ApprovalError(
                f"the invitation ended at {held.not_after}, and it is {now}",
                reason="approval.expired",
                advice="ask the operator for another one",
            )
        return held

    @staticmethod
    def _issuer(held: Held) -> str:
        issuer: str = dcbor.decode(held.content, "invitation")["issuer"]
        return issuer


def _agreement(held: Held) -> bool:
    """Tell whether a passkey made with an invitation waits for a key of its issuer to agree."""
    return bool(dcbor.decode(held.content, "invitation")["agreement"])


def _challenge(code: str) -> bytes:
    """Return the challenge of a code: whoever does not know the code cannot tell it."""
    return sha256(_CREATE_TAG + code.encode()).digest()
