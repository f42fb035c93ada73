"""What a client says and hears, as generators of steps: no I/O, and the only place with logic.

Every word of the client is a method here. `tallystick.client.blocking` and `.asynchronous` perform
its steps; neither knows what they mean.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

from tallystick.client import answers, questions
from tallystick.client.address import Address
from tallystick.client.answers import Registered, Told, check
from tallystick.client.http1 import Line, Request, Response
from tallystick.client.patience import AGAIN, Patience, Retries
from tallystick.client.problems import error_of
from tallystick.client.questions import Filters, get, id_of
from tallystick.client.steps import Connect, Give, Pause, Steps
from tallystick.client.submissions import Batch, Registrable, encode_batches
from tallystick.client.trust import need_trust, read_checkpoint
from tallystick.errors import (
    EncodingError,
    InputError,
    ProofError,
    TallystickError,
    UnavailableError,
)
from tallystick.merkle import HASH_BYTES
from tallystick.statement import Checkpoint, Proof
from tallystick.verify import Report, TrustPolicy, verify_bundle
from tallystick.verify.bundle import BUNDLE_BYTES_MAX

IDLE_MAX: Final = 4
"""Connections that are kept for the next request."""
PAGE: Final = 500
"""Statements that one page of a search asks for."""
_ID_LETTERS: Final = 2 * HASH_BYTES


class Conversation:
    """One client's side of it. Requests may run at the same time, each on its own connection."""

    def __init__(
        self, address: Address, api_key: str | None, trust: TrustPolicy | None, patience: Patience
    ) -> None:
        """Connect to nothing yet.

        Raises:
            InputError: The key would be sent in clear over a network.
        """
        if api_key is not None and not address.private:
            raise InputError(
                f"an API key would be sent to {address} in clear",
                advice="use the service's https address",
            )
        self.address, self.trust, self.patience = address, trust, patience
        self._headers = questions.headers(address.authority, api_key)
        self._idle: list[Line] = []
        self._closed = False

    # --- the words

    def register(
        self, records: Sequence[Registrable], *, receipts: bool
    ) -> Steps[list[Registered | TallystickError]]:
        """Register records in their order."""
        found: list[Registered | TallystickError] = []
        for batch in encode_batches(records):
            response = yield from self._ask(_register(batch, receipts=receipts))
            found += answers.read_registered(response, batch.entries, self.trust, receipts=receipts)
        return found

    def statement(self, statement_id: bytes | str) -> Steps[Told]:
        """Return a registered statement."""
        wanted = id_of(statement_id)
        return answers.read_found((yield from self._ask(get(_place(wanted)))), wanted)

    def prove(self, statement_id: bytes | str) -> Steps[Proof]:
        """Return a registered statement with its proof."""
        wanted = id_of(statement_id)
        response = yield from self._ask(get(_place(wanted)))
        return answers.read_proof(response, wanted, self.trust)

    def find(
        self,
        filters: Filters,
        *,
        since: datetime | int | None,
        until: datetime | int | None,
        limit: int | None,
    ) -> Steps[None]:
        """Give all that is found, page after page."""
        fields = {
            **questions.filter_fields(filters),
            "since": questions.seconds_of(since),
            "until": questions.seconds_of(until),
            "entries": "true",
        }
        cursor, left, last = None, limit, None
        while left is None or left > 0:
            most = PAGE if left is None else min(left, PAGE)
            asked = get("/statements", {**fields, "limit": most, "cursor": cursor})
            found, cursor = answers.read_page((yield from self._ask(asked)))
            for one in found[:most]:
                questions.check_match(filters, one.statement)
                if last is not None and one.index >= last:
                    raise ProofError(f"a search is newest first, and {one.index} follows {last}")
                last = one.index
                yield Give(one)
            left = None if left is None else left - len(found[:most])
            if cursor is None or not found:
                return

    def checkpoint(self) -> Steps[Checkpoint]:
        """Return the newest published checkpoint."""
        response = yield from self._ask(get("/checkpoint"))
        return read_checkpoint(response.body, self.trust)

    def bundle(self, statement_id: bytes | str, *, content: bool, rows: bool) -> Steps[bytes]:
        """Return the evidence bundle of a statement."""
        fields = {"content": content or None, "rows": rows or None}
        shown = {name: "true" for name, asked in fields.items() if asked}
        path = f"/bundles/{id_of(statement_id).hex()}"
        asked = get(path, shown, answer_bytes_max=BUNDLE_BYTES_MAX)
        return (yield from self._ask(asked)).body

    def verify(self, what: bytes | str | Path, *, any_signer: bool) -> Steps[Report]:
        """Verify a bundle here, or get the bundle of a statement and verify that here."""
        policy = need_trust(self.trust)
        wanted = _named(what)
        if wanted is None:
            return verify_bundle(_bytes_of(what), policy, any_signer=any_signer)
        data = yield from self.bundle(wanted, content=False, rows=False)
        report = verify_bundle(data, policy, any_signer=any_signer)
        if report.subject != wanted:
            raise ProofError("the service gave the bundle of another statement")
        return report

    # --- one request

    def _ask(self, request: Request) -> Steps[Response]:
        """Send a request until it is answered; always the very same bytes."""
        request, retries = self.ready(request), Retries(self.patience)
        kept = self._idle_line()
        while True:
            line, kept, fresh = kept, None, kept is None
            try:
                response = yield from self._once(line or (yield from self.line()), request)
            except UnavailableError as error:
                if fresh:  # else the service closed a connection that was kept: no outage
                    yield Pause(retries.pause(error))
                continue
            if response.status not in AGAIN:
                return check(response)
            yield Pause(retries.pause(error_of(response), response))

    def _once(self, line: Line, request: Request) -> Steps[Response]:
        """Send a request once; keep the connection if it can carry another one."""
        kept = False
        try:
            deadline = monotonic() + self.patience.answer_seconds_max
            response = yield from line.ask(request, deadline)
            closing = response.headers.get("connection", "").lower() == "close"
            kept = not self._closed and not closing and line.ready()
        finally:
            if kept and len(self._idle) < IDLE_MAX:
                self._idle.append(line)
            else:
                line.close()
        return response

    def ready(self, request: Request) -> Request:
        """Return a request as it is sent to this service."""
        target = self.address.path + request.target
        return replace(request, target=target, headers=(*self._headers, *request.headers))

    def line(self) -> Steps[Line]:
        """Open a connection."""
        if self._closed:
            raise InputError("the client is closed")
        return Line((yield Connect(self.address, self.patience.answer_seconds_max)))

    def close(self) -> None:
        """Close all connections that are kept; those in use close when they are done."""
        self._closed = True
        while (line := self._idle_line()) is not None:
            line.close()

    def _idle_line(self) -> Line | None:
        try:
            return self._idle.pop()  # at once: threads may share a client
        except IndexError:
            return None


def _register(batch: Batch, *, receipts: bool) -> Request:
    target = questions.target("/statements", {"receipts": "true"} if receipts else None)
    return Request("POST", target, (("content-type", batch.media),), batch.body)


def _place(statement_id: bytes) -> str:
    return f"/statements/{statement_id.hex()}"


def _named(what: Any) -> bytes | None:
    """Return the id that is meant; None for a bundle."""
    if isinstance(what, str) or (isinstance(what, bytes) and len(what) == HASH_BYTES):
        return id_of(what)
    return None


def _bytes_of(bundle: bytes | str | Path) -> bytes:
    if isinstance(bundle, Path):
        try:
            return bundle.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read the bundle: {error}") from error
    if not isinstance(bundle, bytes):
        raise EncodingError(f"a bundle is bytes or a path, got {type(bundle).__name__}")
    return bundle
