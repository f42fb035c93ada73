"""Who is signed in, and who is about to be: in memory only, known by digests of random tokens.

A restart signs everybody out, and the provider lets them in again without asking. In return there
is no file that names people, and signing out ends a session for good.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Generic, TypeVar

T = TypeVar("T")
TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that was begun.

    Attributes:
        browser: Digest of the cookie of the browser that began it.
        nonce: Must stand in the ID token.
        verifier: Of PKCE.
        redirect: Where the provider sends the browser back to.
        back: Path of the page that the person wanted.
    """

    browser: bytes
    nonce: str
    verifier: str
    redirect: str
    back: str


@dataclass(slots=True)
class Session:
    """Somebody who is signed in.

    Attributes:
        subject: What the provider calls them.
        name: What they are called on pages.
        values: What they are to the organisation.
        id_token: Shows the provider who wants to sign out.
        until: When they must sign in again, whatever they do; seconds since 1970.
        used: When they last did something.
    """

    subject: str
    name: str
    values: frozenset[str]
    id_token: str
    until: float
    used: float = 0.0


class _Table(Generic[T]):
    """Values by the digest of a random token; of too many, the oldest goes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_digest: OrderedDict[bytes, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_digest)

    def put(self, value: T) -> str:
        """Keep a value, and return the token that finds it."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._by_digest[digest_of(token)] = value
        if len(self._by_digest) > self._most:
            self._by_digest.popitem(last=False)
        return token

    def take(self, token: str) -> T | None:
        """Return a value and forget it."""
        return self._by_digest.pop(digest_of(token), None)

    def look(self, token: str) -> T | None:
        """Return a value, and change nothing."""
        return self._by_digest.get(digest_of(token))

    def touch(self, token: str) -> T | None:
        """Return a value, which is the newest from now on."""
        digest = digest_of(token)
        found = self._by_digest.get(digest)
        if found is not None:
            self._by_digest.move_to_end(digest)
        return found


class Sessions:
    """Sessions of one service, for all its ledgers; belongs to the event loop."""

    def __init__(self, clock: Callable[[], float], *, idle: int, longest: int, most: int) -> None:
        """Begin with nobody.

        Args:
            clock: Seconds since 1970.
            idle: Seconds in which somebody does nothing, until they are signed out.
            longest: Seconds from sign-in until that happens anyway.
            most: People at the same time.
        """
        self._clock, self._idle, self._longest = clock, idle, longest
        self._known = _Table[Session](most)

    def __len__(self) -> int:
        return len(self._known)

    def begin(
        self, subject: str, *, name: str, values: frozenset[str], id_token: str
    ) -> tuple[str, Session]:
        """Sign somebody in; return the token for their browser, and the session."""
        now = self._clock()
        session = Session(subject, name, values, id_token, now + self._longest, now)
        return self._known.put(session), session

    def find(self, token: str) -> Session | None:
        """Return a session that still counts; it is used by that."""
        if not self.counts(token):
            self._known.take(token)
            return None
        session = self._known.touch(token)
        if session is not None:
            session.used = self._clock()
        return session

    def counts(self, token: str) -> bool:
        """Tell whether a session still counts; it is not used by that."""
        session = self._known.look(token)
        return session is not None and self._clock() < min(session.until, session.used + self._idle)

    def end(self, token: str) -> Session | None:
        """Sign somebody out."""
        return self._known.take(token)


class SignIns:
    """Sign-ins that were begun; each can be ended once. Belongs to the event loop."""

    def __init__(self, clock: Callable[[], float], *, seconds: int, most: int) -> None:
        """Begin with none; after `seconds` a sign-in must be begun anew."""
        self._clock, self._seconds = clock, seconds
        self._known = _Table[tuple[float, Begun]](most)

    def begin(self, begun: Begun) -> str:
        """Keep a sign-in, and return its state."""
        return self._known.put((self._clock() + self._seconds, begun))

    def take(self, state: str) -> Begun | None:
        """Return the sign-in of a state; the second time there is none."""
        found = self._known.take(state)
        return found[1] if found is not None and self._clock() < found[0] else None


def digest_of(token: str) -> bytes:
    """Return what a token is known by: whoever reads the memory of it can use no token."""
    return sha256(token.encode()).digest()
