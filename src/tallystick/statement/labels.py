"""Numbers and names of the wire format. Frozen: changed only by an ADR and a new version.

Source:
    RFC 9052 (COSE), RFC 9597 (CWT claims in headers), RFC 9942 (receipts), RFC 9943 (SCITT),
    RFC 9995 (hash envelope). Private labels lie below -65536, as RFC 9052 section 1.4 reserves.
"""

from enum import IntEnum, StrEnum
from typing import Final


class Label(IntEnum):
    """Header labels of statements and receipts."""

    ALG = 1
    CRIT = 2
    CONTENT_TYPE = 3
    KID = 4
    CWT_CLAIMS = 15
    TYP = 16
    PAYLOAD_HASH_ALG = 258
    PREIMAGE_CONTENT_TYPE = 259
    PAYLOAD_LOCATION = 260
    RECEIPTS = 394
    VDS = 395
    VDP = 396
    TYPE = -70001
    EMITTER = -70002
    EPOCH = -70003
    SEQ = -70004
    PREV = -70005
    LINKS = -70006
    MODEL = -70007
    ASSURANCE = -70008
    TREE_SIZE = -70020
    LEAF_INDEX = -70021


class Claim(IntEnum):
    """CWT claims that we read and write."""

    ISS = 1
    SUB = 2
    IAT = 6


class Alg(IntEnum):
    """Signature algorithms that are accepted; -8 and -7 are what we emit."""

    EDDSA = -8
    ED25519 = -19
    ES256 = -7
    ESP256 = -9


class Relation(StrEnum):
    """How one statement may point to another, by statement id."""

    USED = "used"
    GENERATED_BY = "generated_by"
    DERIVED_FROM = "derived_from"
    ACTED_FOR = "acted_for"
    DECIDED_ON = "decided_on"
    SUPERSEDES = "supersedes"
    REFUTES = "refutes"
    SETTLES = "settles"
    ERASES = "erases"
    PUBLISHES = "publishes"


class Assurance(StrEnum):
    """How strongly the originator is known, weakest first."""

    ASSERTED = "asserted"
    API_KEY = "api-key"
    KEY = "key"
    PASSKEY = "passkey"
    CREDENTIAL = "credential"


COSE_SIGN1_TAG: Final = 18
SHA_256: Final = -16
"""COSE algorithm number of SHA-256, in the hash envelope."""
VDS_RFC9162_SHA256: Final = 1
INCLUSION: Final = -1
"""Key of the inclusion proofs in a receipt."""

ENTRY_BYTES_MAX: Final = 65_535
"""An entry bundle gives each entry a length of 16 bits."""

FIELDS_MEDIA_TYPE: Final = "application/vnd.tallystick.fields+cbor"
"""Preimage of a hash envelope: salted commitments, field by field."""
BATCH_MEDIA_TYPE: Final = "application/vnd.tallystick.batch+cbor"
"""Inline payload of a batch statement."""
INLINE_MEDIA_TYPE: Final = "application/cbor"
"""Inline payload that must be computed on: policies, keys, heartbeats."""


def media_type(statement_type: str) -> str:
    """Return the `typ` of a statement type."""
    return f"application/vnd.tallystick.{statement_type}+cbor"
