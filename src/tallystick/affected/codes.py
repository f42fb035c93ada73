"""The code that is handed out with a receipt: it shows that somebody is whom a decision is about.

A receipt proves what everybody may know; whoever reads the public log can have one of any
statement. The code is 128 bits of a digest under a secret of the ledger's key file, over the log
and the statement: nothing public leads to it, none leads to another, and none is stored. Leaving
out what lies in the vault, it stays the same after an erasure, which its holder is told of.

Trust: whoever holds the ledger's key file can make the code of any statement.
"""

from base64 import b32encode
from hmac import compare_digest, digest
from typing import Final

from tallystick.statement import dcbor

CODE_BYTES: Final = 16
_TAG: Final = "tallystick/affected/1"
_GROUP: Final = 5
_MISREAD: Final = str.maketrans({"0": "o", "1": "l", "8": "b", "-": "", " ": "", "\n": ""})
"""What people write for letters that the code does have, and what stands between them."""


def make_code(secret: bytes, origin: str, statement_id: bytes) -> str:
    """Return the code of a statement, in groups that people can copy.

    Args:
        secret: 32 bytes of the ledger's key file.
        origin: The log.
        statement_id: Of the decision.
    """
    made = digest(secret, dcbor.encode([_TAG, origin, statement_id]), "sha256")[:CODE_BYTES]
    text = b32encode(made).decode().rstrip("=").lower()
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def is_code(given: str, secret: bytes, origin: str, statement_id: bytes) -> bool:
    """Tell whether somebody has the code of a statement; how wrong it is shows in no time."""
    expected = make_code(secret, origin, statement_id).translate(_MISREAD)
    return compare_digest(given.lower().translate(_MISREAD).encode(), expected.encode())
