"""The client for threads: steps performed with sockets."""

import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack

from tallystick.client.address import Address, parse_address
from tallystick.client.answers import Registered, Told
from tallystick.client.conversation import Conversation
from tallystick.client.patience import Patience
from tallystick.client.questions import Filters
from tallystick.client.recording import Terms, sign_record
from tallystick.client.steps import Connect, Give, Pause, Progress, Read, Step, Steps, Write, lost
from tallystick.client.submissions import Registrable
from tallystick.client.trust import Trust, read_trust
from tallystick.client.watching import Watch
from tallystick.errors import TallystickError
from tallystick.identity import Signer
from tallystick.statement import Checkpoint, Proof
from tallystick.verify import Report

T = TypeVar("T")
READ_BYTES: Final = 64 << 10


class Client:
    """A service, for threads; may be shared between them."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        trust: Trust | None = None,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Use `tallystick.connect`."""
        self._tls = tls
        self._talk = Conversation(
            parse_address(url), api_key, read_trust(trust), patience or Patience()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; closing again does nothing."""
        self._talk.close()

    def register(
        self, records: Sequence[Registrable], *, receipts: bool = False
    ) -> list[Registered | TallystickError]:
        """Register statements durably; return, for each, where it is or why it is not.

        Sent again after a lost answer, the same bytes get their first index.

        Args:
            records: Entries, signed statements, or submissions with what they commit to.
            receipts: Also give a receipt for each; it is checked.

        Raises:
            UnavailableError: Nothing more is known; call again with the same records.
            RefusedError: An API key is needed.
        """
        return self._run(self._talk.register(records, receipts=receipts))

    def register_one(self, record: Registrable, *, receipt: bool = False) -> Registered:
        """Register one statement.

        Raises:
            RefusedError: The registration policy says no.
            SignatureError: The signature does not match.
            InputError: Not a statement.
            UnavailableError: As `register`.
        """
        [answer] = self.register([record], receipts=receipt)
        if isinstance(answer, TallystickError):
            raise answer
        return answer

    def record(
        self,
        signer: Signer,
        type_: str,
        fields: Mapping[str, Any],
        *,
        receipt: bool = False,
        **terms: Unpack[Terms],
    ) -> Registered:
        """Sign fields here as a statement, and register it; the fields go to the vault.

        Args:
            signer: Key of a registered issuer: under `acting_for`, of the agent.
            type_: Statement type.
            fields: Content by name.
            receipt: Also give a receipt; it is checked.
            terms: acting_for, about, purpose, subject, links, model.

        Raises:
            InputError: A term that there is not, or one of the wrong form.
            RefusedError: The registration policy, or the delegation, says no; `reason` says which.
            UnavailableError: As `register`.
        """
        return self.register_one(sign_record(signer, type_, fields, terms), receipt=receipt)

    def statement(self, statement_id: bytes | str) -> Told:
        """Return a registered statement; that the log holds it is what the service says.

        Raises:
            NotFoundError: Nothing of that id is registered.
        """
        return self._run(self._talk.statement(statement_id))

    def prove(self, statement_id: bytes | str) -> Proof:
        """Return a registered statement with its proof, which is checked up to its checkpoint.

        Raises:
            NotFoundError: Nothing of that id is registered.
            VerificationError: The proof leads elsewhere, or the checkpoint is not the log's.
        """
        return self._run(self._talk.prove(statement_id))

    def find(
        self,
        *,
        since: datetime | int | None = None,
        until: datetime | int | None = None,
        limit: int | None = None,
        **filters: Unpack[Filters],
    ) -> Iterator[Told]:
        """Search, newest first; pages are fetched as they are needed.

        Complete only as far as the operator's index is trusted; what is found can be proven.

        Args:
            since: Issued then or later, by the issuer's claim.
            until: Issued then or before.
            limit: Most results; all by default.
            filters: issuer, subject, type, model, link, emitter, in_name_of; all that is given
                must hold.
        """
        return self._each(self._talk.find(filters, since=since, until=until, limit=limit))

    def watch(
        self, since: int | None = None, *, limit: int | None = None, **filters: Unpack[Filters]
    ) -> Iterator[Told]:
        """Yield statements in log order as they are registered; broken connections are resumed.

        Args:
            since: Index to begin at; by default, the next one to come.
            limit: End after so many.
            filters: issuer, subject, type, model, link, emitter, in_name_of; all that is given
                must hold.

        Raises:
            NotFoundError: The log does not reach that far: is it the same log?
            UnavailableError: The service is away for longer than the client is patient.
            ProofError: The service left something out, or sent it twice.
        """
        return self._each(Watch(self._talk, since, filters, limit).run())

    def checkpoint(self) -> Checkpoint:
        """Return the newest published checkpoint, verified if a log is pinned.

        Raises:
            SignatureError: It is not signed by the log that is pinned.
            IndeterminateError: It is of another log, or lacks the quorum that is asked for.
        """
        return self._run(self._talk.checkpoint())

    def bundle(
        self, statement_id: bytes | str, *, content: bool = False, rows: bool = False
    ) -> bytes:
        """Return the evidence bundle of a statement, unverified; content where that is allowed.

        Raises:
            NotFoundError: Nothing of that id is registered.
            RefusedError: Content was asked for, and is not given.
        """
        return self._run(self._talk.bundle(statement_id, content=content, rows=rows))

    def verify(self, what: bytes | str | Path, *, any_signer: bool = False) -> Report:
        """Verify, here and under the pinned log key, a bundle or the statement with an id.

        Args:
            what: A bundle's bytes or path; or an id, as 32 bytes or 64 hex digits.
            any_signer: Also accept issuers that nobody registered, by their did:key alone.

        Raises:
            IndeterminateError: No log is pinned, or something needed is missing.
            VerificationError: Some part failed.
        """
        return self._run(self._talk.verify(what, any_signer=any_signer))

    # --- performing steps

    def _run(self, steps: Steps[T]) -> T:
        progress = Progress(steps)
        for _ in self._perform(progress):
            pass  # what has a result gives nothing on the way
        return progress.result

    def _each(self, steps: Steps[None]) -> Iterator[Told]:
        return self._perform(Progress(steps))

    def _perform(self, progress: Progress[T]) -> Iterator[Told]:
        """Perform steps; yield what they give."""
        with closing(progress):
            step = progress.go_on()
            while step is not None:
                if isinstance(step, Give):
                    yield step.value
                    step = progress.go_on()
                    continue
                try:
                    answer = _perform_one(step, self._tls)
                except BaseException as error:  # noqa: BLE001 - the conversation decides
                    step = progress.fail(error)
                else:
                    step = progress.go_on(answer)


class SocketWire:
    """A connection by sockets."""

    def __init__(self, line: socket.socket) -> None:
        """Take an open socket."""
        self.socket = line

    def close(self) -> None:
        """Close it."""
        self.socket.close()


def _perform_one(step: Step, tls: ssl.SSLContext | None) -> Any:
    """Perform a step.

    Raises:
        UnavailableError: The service cannot be reached, or takes too long.
        VerificationError: Its certificate is not believed.
    """
    try:
        match step:
            case Connect(address, seconds):
                return _connect(address, seconds, tls)
            case Write(SocketWire() as wire, data, seconds):
                wire.socket.settimeout(seconds)
                return wire.socket.sendall(data)
            case Read(SocketWire() as wire, seconds):
                wire.socket.settimeout(seconds)
                return wire.socket.recv(READ_BYTES)
            case Pause(seconds):
                return sleep(seconds)
    except OSError as error:
        raise lost(error) from error
    raise AssertionError(step)


def _connect(address: Address, seconds: float, tls: ssl.SSLContext | None) -> SocketWire:
    line = socket.create_connection((address.host, address.port), timeout=seconds)
    try:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.tls:
            context = tls or ssl.create_default_context()
            line = context.wrap_socket(line, server_hostname=address.host)
    except BaseException:
        line.close()
        raise
    return SocketWire(line)
