"""Virtual API keys: which registered issuer a caller of the gateway is.

    keys = ApiKeys(home.api_keys, ledger.api_secret)
    token, key = keys.create(originator_of(ledger, did), label="night batch")
    keys.resolve(token, now).statement      # goes into links["acted_for"]

What a key is good for stands in `tallystick.capture.roles` and `scope`, how much it may use in
`tallystick.capture.budgets`.

A key is `tly_` and 256 random bits. Stored is only its HMAC-SHA-256 under a secret of the ledger's
key file, so whoever reads the file can use no key and try no guess.

Trust: whoever can write the file and has the ledger's secret can make keys for any originator;
whoever can write the file alone can delete keys, or bring a revoked one back.
"""

import hmac
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, TypedDict, Unpack

import msgspec

from tallystick.capture.budgets import Budget
from tallystick.capture.roles import Grant, Right, Role, Use
from tallystick.capture.scope import check_patterns
from tallystick.errors import (
    EncodingError,
    InputError,
    LimitError,
    NotFoundError,
    RefusedError,
)
from tallystick.ledger import Query, Reads
from tallystick.ledger.versioned import parse_versioned, replace_private
from tallystick.log import WriterLock
from tallystick.statement.governance import StatementType
from tallystick.statement.keylife import parse_key_statement, registered_key

PREFIX: Final = "tly_"
KEY_BYTES: Final = 32
KEYS_MAX: Final = 100_000
LABEL_LETTERS_MAX: Final = 200
FORMAT: Final = 4
"""Of the file. Format 1 knew neither scope nor budget, format 2 no roles, format 3 no delegations:
see `tally migrate`."""
_BESIDE: Final = PREFIX + "beside_"
_BESIDE_SECONDS: Final = 60
_ID: Final = re.compile(r"[0-9a-f]{64}")
_LOOK_SECONDS: Final = 1
"""How long a change by another process may go unnoticed."""


@dataclass(frozen=True, slots=True)
class Originator:
    """A registered issuer for whom an AI may act.

    Attributes:
        issuer: DID.
        statement: Id of the `key` statement that registered it.
    """

    issuer: str
    statement: bytes


class ApiKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One key as it is stored; times are seconds since 1970.

    Attributes:
        id: Names the key where it is listed or revoked; tells nothing about it.
        digest: HMAC of the token, in hex.
        issuer: DID of the originator.
        statement: Id of the statement that registered the originator's key, in hex.
        label: For people; it stays in this file.
        created_at: When it was made.
        expires_at: From then on it is refused.
        revoked_at: Since then it is refused.
        models: Patterns of the models it may ask for; none of them allows every model.
        only: The one thing it is good for; None is everything.
        budget: The most it may use, if there is a limit.
        role: What its holder may do here.
        delegation: Id of the delegation under which calls are made, in hex; None where its
            originator acts for nobody else.
        principal: DID for whom, as that delegation says.
    """

    id: str
    digest: str
    issuer: str
    statement: str
    label: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    models: tuple[str, ...] = ()
    only: Use | None = None
    budget: Budget | None = None
    role: Role = Role.ORIGINATOR
    delegation: str | None = None
    principal: str | None = None

    @property
    def grant(self) -> Grant:
        """What role and scope allow."""
        return Grant(self.role, self.only, self.issuer)

    def check(self) -> None:
        """Refuse what no key can be.

        Raises:
            InputError: Patterns or budget cannot be meant, or the key would allow nothing, or acts
                for somebody where nothing is done for them.
            LimitError: The label is too long.
        """
        if self.delegation is not None:
            self._check_delegation(self.delegation)
        if len(self.label) > LABEL_LETTERS_MAX:
            raise LimitError(
                f"a label has at most {LABEL_LETTERS_MAX} letters, got {len(self.label)}"
            )
        check_patterns(self.models)
        if self.budget is not None:
            self.budget.check()
        if self.only is not None and self.grant.rights == {Right.READ}:
            raise InputError(
                f"a key of the role `{self.role}` that is for `{self.only}` only allows nothing"
            )

    def _check_delegation(self, delegation: str) -> None:
        if not _ID.fullmatch(delegation) or self.principal is None:
            raise InputError(f"a delegation is named by 64 hex digits, got {delegation[:80]!r}")
        if self.only != "gateway":
            raise InputError(
                "a key that acts for somebody else calls models, and writes nothing over HTTP: "
                "it is for `gateway` only"
            )


class Terms(TypedDict, total=False):
    """What may be said of a key that is made; see `ApiKey`."""

    label: str
    expires_at: int | None
    models: tuple[str, ...]
    only: Use | None
    budget: Budget | None
    role: Role
    delegation: str | None
    principal: str | None


ChangeKeys = Callable[[list[ApiKey]], list[ApiKey]]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    keys: list[ApiKey]
    format: int = FORMAT


def originator_of(ledger: Reads, issuer: str) -> Originator:
    """Find the newest registered key of an issuer.

    Raises:
        NotFoundError: It has none.
    """
    said = ledger.find(Query(type=StatementType.KEY, subject=issuer)).found
    found = [one for one in said if registered_key(parse_key_statement(one.statement.payload))]
    if not found:
        raise NotFoundError(
            f"no key of {issuer:.200} is registered here",
            advice="register the originator first: `tally keys create`",
        )
    return Originator(issuer, found[0].statement.id)


class ApiKeys:
    """The keys of one ledger; safe to share between threads, and to change from outside."""

    def __init__(self, path: Path, secret: bytes) -> None:
        """Read the file when it is needed; there need not be one."""
        self._path, self._secret = path, secret
        self._lock = Lock()
        self._keys: dict[str, ApiKey] = {}
        self._version: tuple[int, int, int] | None = None
        self._looked_at = -_LOOK_SECONDS

    def create(
        self, originator: Originator, *, now: int, **terms: Unpack[Terms]
    ) -> tuple[str, ApiKey]:
        """Make a key for an originator.

        Returns:
            The token, which is shown once and cannot be found again, and what is stored.

        Raises:
            LimitError: There are too many keys, or the label is too long.
            InputError: Patterns or budget cannot be meant, or the key would allow nothing.
            ConflictError: Another process is changing keys.
        """
        token, key = self.draft(originator, now=now, **terms)
        self.add(key)
        return token, key

    def draft(
        self, originator: Originator, *, now: int, **terms: Unpack[Terms]
    ) -> tuple[str, ApiKey]:
        """Return a token and its key, as `create` does, that opens nothing before `add`.

        Raises:
            LimitError: The label is too long.
            InputError: Patterns or budget cannot be meant, or the key would allow nothing.
        """
        token = PREFIX + secrets.token_urlsafe(KEY_BYTES)
        terms.setdefault("label", "")
        key = ApiKey(
            id=secrets.token_hex(8),
            digest=self._digest(token),
            issuer=originator.issuer,
            statement=originator.statement.hex(),
            created_at=now,
            **terms,
        )
        key.check()
        return token, key

    def add(self, key: ApiKey) -> None:
        """Accept a key from now on.

        Raises:
            LimitError: There are too many keys.
            ConflictError: Another process is changing keys.
        """
        self._change(lambda keys: [*keys, key])

    def known(self) -> list[ApiKey]:
        """Return all keys, the oldest first."""
        with self._lock:
            self._load()
            return sorted(self._keys.values(), key=lambda key: (key.created_at, key.id))

    def revoke(self, key_id: str, *, now: int) -> ApiKey:
        """Refuse a key from now on; a running gateway learns of it within a second.

        Raises:
            NotFoundError: There is none with that id.
            ConflictError: Another process is changing keys.
        """
        revoked: list[ApiKey] = []

        def change(keys: list[ApiKey]) -> list[ApiKey]:
            revoked.extend(
                msgspec.structs.replace(key, revoked_at=key.revoked_at or now)
                for key in keys
                if key.id == key_id
            )
            if not revoked:
                raise NotFoundError(f"no API key has the id {key_id!r:.40}")
            return [key for key in keys if key.id != key_id] + revoked

        self._change(change)
        return revoked[0]

    def resolve(self, token: str, now: int) -> ApiKey:
        """Return the key of a token.

        Raises:
            RefusedError: Unknown, expired or revoked; `reason` says which.
        """
        with self._lock:
            if not self._looked_at <= now < self._looked_at + _LOOK_SECONDS:
                self._looked_at = now
                self._load()
            digest = self._digest(token)
            if digest not in self._keys:  # it may have been made just now
                self._load()
            key = self._keys.get(digest)
        if key is None:
            raise RefusedError("this API key is not known", reason="api-key.unknown")
        if key.revoked_at is not None:
            raise RefusedError("this API key was revoked", reason="api-key.revoked")
        if key.expires_at is not None and now >= key.expires_at:
            raise RefusedError("this API key has expired", reason="api-key.expired")
        return key

    def grant(self, token: str, now: int) -> Grant:
        """Return what a token allows; also that of a command beside the ledger.

        Raises:
            RefusedError: Unknown, expired or revoked; `reason` says which.
        """
        if not token.startswith(_BESIDE):
            return self.resolve(token, now).grant
        made = token[len(_BESIDE) :].partition("_")[0]
        at = int(made) if made.isdecimal() and len(made) < 13 else 0
        right = hmac.compare_digest(token.encode(), self.beside(at).encode())
        if not right or abs(now - at) > _BESIDE_SECONDS:
            raise RefusedError("this API key is not known", reason="api-key.unknown")
        return Grant(Role.ADMIN)

    def beside(self, now: int) -> str:
        """Return a token for a command that has the ledger's secret; for a minute, and for admins.

        Whoever has the secret can make any key anyway. So the first key of a service that demands
        keys can be made, and recorded, while it runs.
        """
        return f"{_BESIDE}{now}_{self._digest(f'{_BESIDE}{now}')}"

    def _digest(self, token: str) -> str:
        return hmac.digest(self._secret, b"tallystick/api-key/1\0" + token.encode(), "sha256").hex()

    def _change(self, change: ChangeKeys) -> None:
        """Read, change and replace the file; one process at a time."""
        lock = WriterLock(self._path.with_name(self._path.name + ".lock"))
        try:
            with self._lock:
                self._load()
                keys = change(list(self._keys.values()))
                if len(keys) > KEYS_MAX:
                    raise LimitError(f"there are {KEYS_MAX} API keys, the most there may be")
                replace_private(self._path, msgspec.json.encode(_File(keys)))
                self._load()
        finally:
            lock.release()

    def _load(self) -> None:
        """Read the file again if it is another one than was read last."""
        version = None
        with suppress(FileNotFoundError):
            status = self._path.stat()
            version = status.st_ino, status.st_mtime_ns, status.st_size
        if version == self._version:
            return
        self._keys = {} if version is None else {key.digest: key for key in _read(self._path)}
        self._version = version


def _read(path: Path) -> list[ApiKey]:
    keys = parse_versioned(path, path.read_bytes(), _File, FORMAT).keys
    try:
        for key in keys:
            key.check()
    except InputError as error:
        raise EncodingError(f"{path} is damaged: {error}") from error
    return keys
