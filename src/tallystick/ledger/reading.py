"""Reading a ledger: find, prove, watch. The same for the writing process and for all others."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Any, Final

from tallystick.errors import EncodingError, InputError, LimitError, NotFoundError, RefusedError
from tallystick.identity import Signer
from tallystick.ledger.batches import Batches
from tallystick.ledger.creation import Card
from tallystick.ledger.delegated import grants_of, key_holder
from tallystick.ledger.entries import read_statement, verify_entry
from tallystick.ledger.index import Index, Property
from tallystick.ledger.indexed_appeals import IndexedAppeals
from tallystick.ledger.indexed_marks import IndexedMarks
from tallystick.ledger.names import GRANTS_MAX, KEYS_MAX, InNameOf
from tallystick.ledger.rules import batch_of
from tallystick.log import Snapshot
from tallystick.merkle import HASH_BYTES
from tallystick.statement import Found, Proof, SignedStatement, receipt_header, sign_receipt
from tallystick.statement.governance import StatementType
from tallystick.vault import Vault

PAGE_MAX: Final = 1000
"""Most statements that one search returns."""
END: Final = 2**62
"""Larger than any index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to look for; everything that is given must hold.

    Attributes:
        issuer: DID of who signed.
        subject: What it is about.
        type: Statement type.
        model: SHA-256 of the model that was used.
        link: Id of a statement that it points to.
        emitter: 16-byte id of the process that wrote it.
        since: Issued at or after, seconds since 1970. An issuer's claim, not a proof.
        until: Issued at or before.
        in_name_of: Whoever signed, was acted for, or is what it is about.
        before: Index below which to look; hand in the last page's `next` for the next page.
        limit: Most results, at most `PAGE_MAX`.
    """

    issuer: str | None = None
    subject: str | None = None
    type: str | None = None
    model: bytes | None = None
    link: bytes | None = None
    emitter: bytes | None = None
    since: int | None = None
    until: int | None = None
    in_name_of: InNameOf | None = None
    before: int = END
    limit: int = 100

    def properties(self) -> list[Property]:
        """Return what to search by, the rarest first."""
        wanted = [
            Property("link", self.link) if self.link else None,
            Property("subject", self.subject.encode()) if self.subject else None,
            Property("emitter", self.emitter) if self.emitter else None,
            Property("model", self.model) if self.model else None,
            Property("issuer", self.issuer.encode()) if self.issuer else None,
            Property("type", self.type.encode()) if self.type else None,
        ]
        return [property_ for property_ in wanted if property_]

    def matches(self, statement: SignedStatement) -> bool:
        """Compare a statement itself, since index keys only locate."""
        header = statement.header
        iat = header.issued_at
        return (
            self.issuer in {None, header.issuer}
            and self.subject in {None, header.subject}
            and self.type in {None, header.type}
            and self.model in {None, header.model}
            and (self.link is None or any(self.link in ids for ids in header.links.values()))
            and (
                self.emitter is None
                or (header.sequence is not None and header.sequence.emitter == self.emitter)
            )
            and (self.since is None or (iat is not None and iat >= self.since))
            and (self.until is None or (iat is not None and iat <= self.until))
            and (self.in_name_of is None or self.in_name_of.matches(statement))
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some results, newest first.

    Attributes:
        found: At most as many as were asked for.
        next: Hand in as `before` to go on; None where this was all.
    """

    found: tuple[Found, ...]
    next: int | None


class Reads:
    """What can be asked of a ledger; the writing process and all others answer alike.

    Attributes:
        card: Which ledger it is.
        batches: Leaf hashes of batch statements.
    """

    card: Card
    batches: Batches

    @property
    def vault(self) -> Vault:
        """Encrypted content.

        Raises:
            RefusedError: The key file is not open.
        """
        raise NotImplementedError

    @property
    def receipt_signer(self) -> Signer:
        """Signs receipts.

        Raises:
            RefusedError: The key file is not open.
        """
        raise NotImplementedError

    @property
    def snapshot(self) -> Snapshot:
        """The log at its newest signed size."""
        raise NotImplementedError

    @property
    def index(self) -> Index:
        """The index, up to date with `snapshot`."""
        raise NotImplementedError

    def at(self, index: int) -> Found:
        """Return the statement at an index.

        Raises:
            NotFoundError: The log ends before.
            DamagedError: Its files are.
        """
        return Found(index, read_statement(self.snapshot.reader, index))

    def get(self, statement_id: bytes) -> Found:
        """Return the statement with an id.

        Raises:
            NotFoundError: No such statement is registered.
            DamagedError: It may be, but the entry where it should be is damaged.
            EncodingError: An id has 32 bytes.
        """
        if len(statement_id) != HASH_BYTES:
            raise EncodingError(f"a statement id has {HASH_BYTES} bytes, got {len(statement_id)}")
        size = self.snapshot.checkpoint.size
        for index in self.index.find([Property("id", statement_id)], size):
            found = self.at(index)
            if found.statement.id == statement_id:
                return found
            verify_entry(self.snapshot.reader, found.index, found.statement.entry)
        raise NotFoundError(f"no statement {statement_id.hex()} is registered here")

    def content(self, statement_id: bytes) -> dict[str, Any] | None:
        """Return opened content; None where it is not here, or the key file is not open."""
        try:
            return self.vault.get(statement_id).values()
        except (NotFoundError, RefusedError):
            return None

    def find(self, query: Query) -> Page:
        """Search, newest first.

        A result is complete only as far as the index is trusted: the operator could leave out
        what it likes. What is returned can be proven.

        Raises:
            InputError: The limit is outside 1..PAGE_MAX.
        """
        if not 1 <= query.limit <= PAGE_MAX:
            raise InputError(f"limit must be in 1..{PAGE_MAX}, got {query.limit}")
        matching = self._matching(query)
        found = tuple(islice(matching, query.limit))
        more = next(matching, None) if len(found) == query.limit else None
        return Page(found, found[-1].index if more else None)

    def find_all(self, query: Query) -> Iterator[Found]:
        """Search to the end, newest first, page by page; `limit` is the size of a page.

        Raises:
            InputError: The limit is outside 1..PAGE_MAX.
        """
        following: int | None = query.before
        while following is not None:
            page = self.find(replace(query, before=following))
            yield from page.found
            following = page.next

    def in_name_of(self, issuer: str) -> InNameOf:
        """Return how to tell what is registered in an issuer's name, as of now.

        Raises:
            LimitError: It has more keys, or gave more delegations, than are searched for.
        """
        query = Query(type=StatementType.KEY, subject=issuer, limit=KEYS_MAX + 1)
        found = self.find(query).found
        if len(found) > KEYS_MAX:
            raise LimitError(f"{issuer:.200} has more than {KEYS_MAX} keys")
        index, snapshot = self.index, self.snapshot
        grants = list(islice(grants_of(index, snapshot, issuer), GRANTS_MAX + 1))
        if len(grants) > GRANTS_MAX:
            raise LimitError(f"{issuer:.200} gave more than {GRANTS_MAX} delegations")

        def holder(statement_id: bytes) -> str | None:
            known = key_holder(self.index, self.snapshot, statement_id)
            return None if known is None else known[1]

        return InNameOf(issuer, (one.statement.id for one in found), grants, holder)

    def prove(self, statement_id: bytes) -> Proof:
        """Prove that a statement is registered, as of now.

        Raises:
            NotFoundError: It is not.
        """
        found = self.get(statement_id)
        return self.prove_found(found, self.snapshot)

    def prove_found(self, found: Found, snapshot: Snapshot) -> Proof:
        """Prove a statement that was found, as of a snapshot that contains it."""
        claim, signer = snapshot.checkpoint, self.receipt_signer
        path = snapshot.reader.inclusion_path(found.index)
        protected = receipt_header(
            algorithm=signer.algorithm,
            key_id=signer.public.thumbprint(),
            origin=claim.origin,
            subject=found.statement.header.subject,
            size=claim.size,
            index=found.index,
        )
        receipt = sign_receipt(protected, claim.root, claim.size, found.index, path, signer.sign)
        return Proof(found, receipt, path, snapshot.note)

    @property
    def marks(self) -> IndexedMarks:
        """Holds and restrictions, as of now."""
        return IndexedMarks(self.index, lambda: self.snapshot)

    @property
    def appeals(self) -> IndexedAppeals:
        """What people asked of decisions about them, as of now."""
        return IndexedAppeals(self.index, lambda: self.snapshot)

    def leaves(self, statement: SignedStatement) -> bytes:
        """Return all leaf hashes of a batch statement, concatenated.

        Raises:
            InputError: The statement is no batch.
            NotFoundError: They are not here.
            DamagedError: They do not lead to the batch's root.
        """
        batch = batch_of(statement)
        if batch is None:
            raise InputError(f"statement {statement.id.hex()} is not a batch")
        return self.batches.leaves(statement.id, batch)

    def _matching(self, query: Query) -> Iterator[Found]:
        before = min(query.before, self.snapshot.checkpoint.size)
        wanted, timed = query.properties(), (query.since, query.until) != (None, None)
        if query.in_name_of is not None:
            # In each of several ways; every way gives its places once, the newest first.
            ways = [
                self.index.find([way, *wanted], before) for way in query.in_name_of.properties()
            ]
            places: Iterator[int] = (at for at, _ in groupby(heapq.merge(*ways, reverse=True)))
        elif timed and not wanted:
            places = self.index.in_time(query.since, query.until, before)
        else:
            places = self.index.find(wanted, before)
        found = (self.at(index) for index in places)
        return (one for one in found if query.matches(one.statement))
