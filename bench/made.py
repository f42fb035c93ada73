"""Statements made in advance, by the million: what grows a ledger in the bench.

Statement number n is the same on every run, so it can be asked for again without being kept. They
are real entries but for one thing: their signatures are random bytes, because signing ten million
statements would take longer than all the rest. `Prechecked` vouches for them, in the place where
processes check signatures otherwise; what checking costs is measured by `bench.http_register`.
"""

import random
from collections.abc import Sequence
from dataclasses import fields
from hashlib import sha256, sha512

from tallystick.errors import TallystickError
from tallystick.identity import SoftwareSigner
from tallystick.ledger import InlineChecks, RegistrationPolicy, Rule
from tallystick.ledger.signatures import Examined, Keys
from tallystick.statement import (
    Header,
    KeyKind,
    SignedStatement,
    encode_header,
    parse_header,
    parse_statement,
)
from tallystick.statement.cose import statement_id
from tallystick.statement.governance import IssuerKind, KeyRecord

ORIGIN = "localhost/bench"
ISSUERS = 100
START = 1_790_000_000
PER_SECOND = 200
"""Statements with the same issue time."""
COMMON, OFTEN, RARE = "inference", "decision", "evaluation"
OFTEN_EVERY, RARE_EVERY = 19, 9_973  # share no factor with the number of issuers
_SUBJECT = "urn:uuid:00000000-0000-4000-8000-000000000000"
_SEED = b"tallystick/bench/"


class Issuer:
    """A registered issuer."""

    def __init__(self, number: int) -> None:
        self.signer = SoftwareSigner(KeyKind.ED25519, sha256(_SEED + b"%d" % number).digest())
        self.did = self.signer.public.did()

    def record(self) -> KeyRecord:
        """Return what the operator registers."""
        kind = IssuerKind.ORGANISATION
        return KeyRecord.signed(ORIGIN, self.signer.public, kind, "Bench", self.signer.sign)

    def header(self, type_: str) -> Header:
        """Return a header to be filled in."""
        return Header(
            algorithm=self.signer.algorithm,
            key_id=self.signer.public.thumbprint(),
            issuer=self.did,
            subject=_SUBJECT,
            issued_at=START,
            type=type_,
        )


POLICY = RegistrationPolicy(
    (Rule(frozenset({COMMON, OFTEN, RARE}), kinds=frozenset({IssuerKind.ORGANISATION})),)
)


class Maker:
    """Makes statement number n; quick, because only subject, time and payload differ."""

    def __init__(self) -> None:
        self.issuers = [Issuer(number) for number in range(ISSUERS)]
        self._forms = {
            (number, type_): _Form(issuer.header(type_))
            for number, issuer in enumerate(self.issuers)
            for type_ in (COMMON, OFTEN, RARE)
        }
        sample = self.statement(7)
        if parse_statement(sample.entry) != sample:
            raise AssertionError("a made statement is not what its entry parses to")

    def statement(self, number: int) -> SignedStatement:
        """Return statement `number`."""
        return self._forms[number % ISSUERS, type_of(number)].fill(number)

    def statements(self, first: int, count: int) -> list[SignedStatement]:
        """Return `count` statements from number `first` on."""
        return [self.statement(number) for number in range(first, first + count)]


def type_of(number: int) -> str:
    """Return the type of statement `number`."""
    if number % RARE_EVERY == RARE_EVERY // 2:
        return RARE
    return OFTEN if number % OFTEN_EVERY == 1 else COMMON


class _Form:
    """One issuer's header of one type, cut where subject and time stand."""

    def __init__(self, header: Header) -> None:
        parsed = parse_header(encode_header(header))
        members = {f.name: getattr(parsed, f.name) for f in fields(parsed)}
        self._members = {k: v for k, v in members.items() if k not in {"subject", "issued_at"}}
        protected = encode_header(header)
        subject, time = _SUBJECT.encode(), b"\x1a" + START.to_bytes(4)
        self._subject_at, self._time_at = protected.index(subject), protected.index(time) + 1
        self._protected = protected

    def fill(self, number: int) -> SignedStatement:
        noise = sha512(_SEED + number.to_bytes(8)).digest()
        text = noise[:16].hex()
        subject = f"urn:uuid:{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"
        issued_at = START + number // PER_SECOND
        head = bytearray(self._protected)
        head[self._subject_at : self._subject_at + len(subject)] = subject.encode()
        head[self._time_at : self._time_at + 4] = issued_at.to_bytes(4)
        protected, payload = bytes(head), noise[32:]
        entry = b"".join(
            (b"\xd2\x84", _head(len(protected)), protected, b"\xa0\x58\x20", payload,
             b"\x58\x40", noise)
        )  # fmt: skip
        return SignedStatement(
            id=statement_id(protected, payload),
            header=Header(**self._members, subject=subject, issued_at=issued_at),
            protected=protected,
            payload=payload,
            signature=noise,
            entry=entry,
        )


def _head(length: int) -> bytes:
    return b"\x58" + length.to_bytes(1) if length < 256 else b"\x59" + length.to_bytes(2)


class Prechecked:
    """Vouches for statements that it was told of; examines all others as usual."""

    def __init__(self) -> None:
        self._inline = InlineChecks()
        self._known: dict[bytes, Examined] = {}

    def tell(self, statements: Sequence[SignedStatement]) -> None:
        """Take these for signed, and forget all others."""
        self._known = {s.entry: Examined(s, signed=True) for s in statements}

    def examine(self, entries: Sequence[bytes], keys: Keys) -> list[Examined | TallystickError]:
        """Return one answer per entry, in order."""
        known = self._known
        return [known.get(entry) or self._inline.examine([entry], keys)[0] for entry in entries]

    def close(self) -> None:
        """Nothing is held."""


def chosen(size: int, count: int, seed: int = 1) -> list[int]:
    """Return random statement numbers below `size`, the same ones on every run."""
    dice = random.Random(seed)
    return [dice.randrange(size) for _ in range(count)]
