"""An emitter signs, numbers and registers what one issuer says, so that gaps can be proven.

    with Emitter(ledger, signer, name="trainer") as ai:
        ai.register(Model(...), links={Relation.USED: (dataset.id,)}, model=digest)

It opens an epoch with a heartbeat when it begins and closes it when it ends. Between two
registered points of an epoch no number is missing or out of order; what an issuer never numbered
cannot be seen.
"""

import os
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Self

from tallystick.errors import TallystickError, UnavailableError
from tallystick.evidence.committing import RowCommitter
from tallystick.evidence.numbering import Numbering, emitter_id
from tallystick.evidence.records import Record
from tallystick.identity import Signer
from tallystick.ledger import Ledger, Registered, Rows, Submission
from tallystick.merkle import HASH_BYTES, tree_root
from tallystick.statement import Batch, Relation, SignedStatement, commit
from tallystick.statement.commitment import Entropy
from tallystick.statement.governance import StatementType
from tallystick.statement.labels import BATCH_MEDIA_TYPE
from tallystick.vault import About

Links = Mapping[str, tuple[bytes, ...]]


class Emitter:
    """One issuer's numbered voice in a ledger; safe to share between threads."""

    def __init__(
        self,
        ledger: Ledger,
        signer: Signer,
        name: str = "main",
        entropy: Entropy = os.urandom,
    ) -> None:
        """Open a new epoch.

        Args:
            ledger: Where to register.
            signer: The issuer's key, registered there.
            name: Tells processes of one issuer apart.
            entropy: Source of salts.

        Raises:
            RefusedError: The issuer may not register heartbeats.
        """
        self._ledger, self._entropy = ledger, entropy
        self._lock = Lock()
        self.issuer = signer.issuer
        emitter = emitter_id(bytes.fromhex(ledger.card.genesis), self.issuer, name)
        last = ledger.index.last_epoch(self.issuer, emitter)
        epoch = 0 if last is None else last + 1
        self._numbering = Numbering(signer, emitter, epoch, ledger.clock)
        self._unsure: tuple[Submission, SignedStatement] | None = None
        self.heartbeat("start")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def register(
        self,
        record: Record,
        *,
        subject: str | None = None,
        links: Links | None = None,
        model: bytes | None = None,
        assurance: str | None = None,
        acting_for: bytes | None = None,
        about: About | None = None,
    ) -> Registered:
        """Register a record; its fields go to the vault.

        Args:
            record: What to say.
            subject: What it is about; random by default.
            links: Statements that it points to.
            model: Digest of the model that was used.
            assurance: How strongly the originator is known; what is shown is computed.
            acting_for: Id of the delegation under which this issuer acts.
            about: Whom the content is about, so that it can be erased; stays in the vault.

        Raises:
            RefusedError: The registration policy says no.
            UnavailableError: The ledger cannot append.
        """
        content = commit(record.values(), self._entropy)
        links = dict(links or {})
        if acting_for is not None:
            links[Relation.ACTED_FOR] = (*links.get(Relation.ACTED_FOR, ()), acting_for)
        members = {"links": links, "model": model, "assurance": assurance}
        if subject is not None:
            members["subject"] = subject
        with self._lock:
            self._settle()
            statement = self._numbering.sign(record.statement_type, content.commitment(), **members)
            return self._register(Submission(statement.entry, content, about=about), statement)

    def register_rows(
        self,
        records: Sequence[bytes],
        *,
        schema: bytes = bytes(32),
        subjects: Sequence[object] | None = None,
        links: Links | None = None,
        committer: RowCommitter | None = None,
    ) -> Registered:
        """Register encoded rows as one batch statement; the rows go to the vault.

        Args:
            records: Encoded rows, at least one.
            schema: Digest of the schema that they follow.
            subjects: Whom each row is about, if rows of one subject are to be erased together.
            links: Statements that the batch points to.
            committer: Spreads the hashing over processes; worth it from some 100 000 rows on.

        Raises:
            RefusedError: The registration policy says no; then nothing is kept either.
            UnavailableError: The ledger cannot append.
        """
        committed = (committer or RowCommitter()).commit(records)
        rows = Rows(committed.salts, records, subjects)
        return self._register_batch(committed.leaves, schema, links or {}, rows)

    def register_selection(self, leaves: bytes, *, links: Links) -> Registered:
        """Register a choice of rows that other batches registered, such as a training set.

        Args:
            leaves: Their leaf hashes in the order of the selection, concatenated.
            links: `derived_from` names the batches.

        Raises:
            RefusedError: The registration policy says no.
            UnavailableError: The ledger cannot append.
        """
        return self._register_batch(leaves, bytes(32), links, None)

    def heartbeat(self, state: str = "beat", open_intents: int = 0) -> Registered:
        """Say that this emitter lives, and how far it counted."""
        with self._lock:
            self._settle()
            statement = self._numbering.heartbeat(state, open_intents)
            return self._register(Submission(statement.entry), statement)

    def close(self) -> None:
        """Close the epoch: from here on nothing more of it can appear."""
        self.heartbeat("end")

    def _register_batch(
        self, leaves: bytes, schema: bytes, links: Links, rows: Rows | None
    ) -> Registered:
        batch = Batch(rows=len(leaves) // HASH_BYTES, root=tree_root(leaves), schema=schema)
        with self._lock:
            self._settle()
            statement = self._numbering.sign(
                StatementType.DATASET,
                batch.encode(),
                hashed=False,
                content_type=BATCH_MEDIA_TYPE,
                links=links,
            )
            submission = Submission(statement.entry, leaves=leaves, rows=rows)
            return self._register(submission, statement)

    def _register(self, submission: Submission, statement: SignedStatement) -> Registered:
        """Register and, only if that succeeds, take the number: a refusal leaves no gap.

        Where it is not known whether the ledger has it, the number may be taken: the same bytes
        are sent again before anything else is.
        """
        self._unsure = submission, statement
        try:
            registered = self._ledger.register_one(submission)
        except UnavailableError:
            raise
        except TallystickError:
            self._unsure = None
            raise
        self._unsure = None
        self._numbering.take(statement)
        return registered

    def _settle(self) -> None:
        """Send again what may or may not have been registered."""
        if self._unsure is not None:
            self._register(*self._unsure)
