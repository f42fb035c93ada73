"""What people are asked and have not answered yet: invitations to make a passkey, and approvals.

    waiting = Waiting(home.asked, ledger.api_secret)
    token = waiting.add(Kind.APPROVAL, content, not_after)
    held = waiting.open(Kind.APPROVAL, token, now)
    waiting.settle(Kind.APPROVAL, token, outcome)      # once

Each is named by 256 random bits, which only whoever is asked gets. Stored is a digest of them, and
the content encrypted under a secret of the ledger's key file and bound to it, so that the file
alone shows neither a link nor what was asked. Several processes may use the file.

Trust: whoever can write the file can have questions forgotten, and an answer given again; the
ledger refuses the second one. Whoever knows a token sees the question, and answers nothing
without the passkey.
"""

import hmac
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.errors import (
    ApprovalError,
    DamagedError,
    LimitError,
    NotFoundError,
    UnavailableError,
    VersionError,
)
from tallystick.statement import b64

FORMAT: Final = 1
TOKEN_BYTES: Final = 32
WAITING_MAX: Final = 10_000
"""Questions that wait at the same time."""
WAITING_EACH_MAX: Final = 500
"""Of these, so many of one asker: nobody keeps all others from asking."""
KEPT_SECONDS: Final = 86_400
"""How long it is still known what became of a question that has ended."""
BUSY_SECONDS: Final = 10.0
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"tallystick/asked/1"
_SCHEMA: Final = """
BEGIN;
CREATE TABLE IF NOT EXISTS asked (
    digest BLOB PRIMARY KEY, kind TEXT NOT NULL, not_after INTEGER NOT NULL,
    sealed BLOB NOT NULL, outcome BLOB) WITHOUT ROWID;
COMMIT;
"""
_ASKERS: Final = """
CREATE TABLE IF NOT EXISTS askers (digest BLOB PRIMARY KEY, asker BLOB NOT NULL) WITHOUT ROWID
"""
"""Apart, so that an earlier release goes on reading and writing what it knows."""


class Kind(StrEnum):
    """What is asked."""

    INVITATION = "invitation"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True)
class Held:
    """A question.

    Attributes:
        content: As it was handed in.
        not_after: From then on it is too late, seconds since 1970.
        outcome: What it was settled with; None while it waits.
    """

    content: bytes
    not_after: int
    outcome: bytes | None


class Waiting:
    """The file of questions; safe to share between threads."""

    def __init__(self, path: Path, ledger_secret: bytes) -> None:
        """Open the file, or make an empty one.

        Raises:
            UnavailableError: It cannot be opened now.
            VersionError: A newer release made it.
        """
        self._path, self._lock = path, Lock()
        secret = hmac.digest(ledger_secret, _PURPOSE, "sha256")
        self._cipher, self._secret = AESGCM(secret), secret
        with self._errors():
            self._database = _connect(path)
            [[seen]] = self._database.execute("PRAGMA user_version")
        if seen != FORMAT:
            self._database.close()
            raise VersionError(
                f"{path} has format {seen}, this release reads {FORMAT}",
                advice="a newer release wrote it: use that one",
            )

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def add(
        self, kind: Kind, content: bytes, not_after: int, now: int, asker: str | None = None
    ) -> str:
        """Keep a question, and return its token. What ended a day ago is forgotten.

        Args:
            kind: What is asked.
            content: Of the question.
            not_after: From then on it is too late, seconds since 1970.
            now: Seconds since 1970.
            asker: Whose share it takes a place of; None for the operator, who has all.

        Raises:
            LimitError: Too many are waiting, of this asker or of all.
            UnavailableError: The file cannot be written.
        """
        token = os.urandom(TOKEN_BYTES)
        digest = sha256(token).digest()
        row = (digest, kind, not_after, self._seal(content, digest))
        with self._transaction() as database:
            ended = database.execute("DELETE FROM asked WHERE not_after < ?", (now - KEPT_SECONDS,))
            database.execute("DELETE FROM askers WHERE digest NOT IN (SELECT digest FROM asked)")
            self._check_room(database, asker)
            database.execute("INSERT INTO asked VALUES (?, ?, ?, ?, NULL)", row)
            if asker is not None:
                database.execute("INSERT INTO askers VALUES (?, ?)", (digest, self._name(asker)))
        if ended.rowcount:
            self._empty_log()
        return b64.encode_url(token)

    def _check_room(self, database: sqlite3.Connection, asker: str | None) -> None:
        waiting = "SELECT count(*) FROM asked LEFT JOIN askers USING (digest) WHERE outcome IS NULL"
        [[count]] = database.execute(waiting)
        if count >= WAITING_MAX:
            raise LimitError(f"{count} questions are waiting, at most {WAITING_MAX} may")
        if asker is None:
            return
        [[own]] = database.execute(f"{waiting} AND asker = ?", (self._name(asker),))
        if own >= WAITING_EACH_MAX:
            raise LimitError(
                f"{own} questions of {asker[:80]} are waiting, at most {WAITING_EACH_MAX} of one "
                "asker may",
                advice="ask again once some of them are answered, or ended a day ago",
            )

    def _name(self, asker: str) -> bytes:
        """Return under which name an asker is counted; the file alone does not show who."""
        return hmac.digest(self._secret, asker.encode(), "sha256")

    def open(self, kind: Kind, token: str) -> Held:
        """Return a question, whatever became of it.

        Raises:
            NotFoundError: There is none with this token.
            DamagedError: It does not decrypt.
        """
        digest = _digest(token)
        query = "SELECT not_after, sealed, outcome FROM asked WHERE digest = ? AND kind = ?"
        with self._lock, self._errors():
            row = self._database.execute(query, (digest, kind)).fetchone()
        if row is None:
            raise _nothing(kind)
        not_after, sealed, outcome = row
        opened = None if outcome is None else self._open(outcome, digest)
        return Held(self._open(sealed, digest), not_after, opened)

    def settle(self, kind: Kind, token: str, outcome: bytes) -> None:
        """Keep what a question was answered with: the first answer counts.

        Raises:
            ApprovalError: It was answered before; reason `approval.replayed`.
            UnavailableError: The file cannot be written.
        """
        digest = _digest(token)
        sealed = self._seal(outcome, digest)
        with self._transaction() as database:
            done = database.execute(
                "UPDATE asked SET outcome = ? WHERE digest = ? AND kind = ? AND outcome IS NULL",
                (sealed, digest, kind),
            )
        if done.rowcount != 1:
            raise replayed(kind)

    def reopen(self, kind: Kind, token: str) -> None:
        """Let a question wait again: what it was settled with was refused.

        Raises:
            UnavailableError: The file cannot be written.
        """
        with self._transaction() as database:
            database.execute(
                "UPDATE asked SET outcome = NULL WHERE digest = ? AND kind = ?",
                (_digest(token), kind),
            )

    def finish(self, kind: Kind, token: str, content: bytes, outcome: bytes) -> None:
        """Keep of a question that was carried out only what need not be erased.

        Raises:
            UnavailableError: The file cannot be written.
        """
        digest = _digest(token)
        with self._transaction() as database:
            database.execute(
                "UPDATE asked SET sealed = ?, outcome = ? WHERE digest = ? AND kind = ?",
                (self._seal(content, digest), self._seal(outcome, digest), digest, kind),
            )
        self._empty_log()

    def drop(self, kind: Kind, token: str) -> None:
        """Forget a question."""
        with self._transaction() as database:
            database.execute(
                "DELETE FROM asked WHERE digest = ? AND kind = ?", (_digest(token), kind)
            )
        self._empty_log()

    def _empty_log(self) -> None:
        """Empty the write-ahead log, in which what was removed stands as it was.

        Another process that reads at this moment keeps it; whoever removes something next does it.
        """
        with self._lock, self._errors():
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _seal(self, plain: bytes, digest: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, digest)

    def _open(self, sealed: bytes, digest: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], digest)
        except InvalidTag as error:
            raise DamagedError(
                f"{self._path} holds a question that the ledger's key file does not open",
                advice="ask again; the file may be removed",
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._errors(), self._database as database:
            database.execute("BEGIN IMMEDIATE")
            yield database

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise UnavailableError(f"{self._path} cannot be used: {error}") from error


def replayed(kind: Kind) -> ApprovalError:
    """Return the error for a question that is answered a second time."""
    return ApprovalError(
        f"this {kind} was answered before: each counts once",
        reason="approval.replayed",
        advice="ask again",
    )


def _nothing(kind: Kind) -> NotFoundError:
    return NotFoundError(
        f"there is no such {kind}: it ended more than a day ago, or the ledger was restored from "
        "a backup since",
        advice="ask again",
    )


def _digest(token: str) -> bytes:
    return sha256(b64.decode_url(token, "the code")).digest()


def _connect(path: Path) -> sqlite3.Connection:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.close(descriptor)
    database = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    database.execute("PRAGMA journal_mode = wal")
    database.execute("PRAGMA synchronous = full")
    database.execute("PRAGMA secure_delete = on")
    [[seen]] = database.execute("PRAGMA user_version")
    if not seen:
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA user_version = {FORMAT}")
        seen = FORMAT
    if seen == FORMAT:
        database.execute(_ASKERS)
    return database
