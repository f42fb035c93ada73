"""Content on its way from the forwarder's spool to the ledger's vault: encrypted where it lies."""

from typing import Any

from tallystick.errors import DamagedError
from tallystick.ledger import Submission
from tallystick.statement import Preimage, dcbor
from tallystick.statement.commitment import OpenField
from tallystick.vault import About, SealedContent
from tallystick.vault.wrapping import Wrapping, seal, unseal


class Sealing:
    """Encrypts content under a key of the forwarder, each under a key of its own."""

    def __init__(self, key: bytes) -> None:
        """Use a 32-byte key."""
        self._key = Wrapping(key)

    def seal(self, statement_id: bytes, plain: bytes, about: About | None) -> SealedContent:
        """Encrypt what `commit_encoded` encoded, and whom it is about."""
        whom = None if about is None else [about.subject, about.purpose]
        key, sealed = seal(dcbor.encode([plain, whom]), statement_id)
        return SealedContent(statement_id, self._key.wrap(key, statement_id), sealed)

    def submission(self, entry: bytes, sealed: SealedContent | None) -> Submission:
        """Return what the ledger is sent.

        Raises:
            DamagedError: It does not decrypt to what `seal` was given.
        """
        if sealed is None:
            return Submission(entry)
        data = unseal(self._key.unwrap(sealed.wrapped, sealed.id), sealed.sealed, sealed.id)
        match dcbor.decode(data, "spooled content"):
            case [bytes() as plain, whom]:
                about = None if whom is None else About(*whom)
                return Submission(entry, content=_preimage(plain), about=about)
        raise DamagedError(f"spooled content of {sealed.id.hex()} is not what a forwarder writes")


def _preimage(plain: bytes) -> Preimage:
    fields: dict[str, Any]
    salt, fields = dcbor.decode(plain, "content")
    return Preimage(salt, {name: OpenField(*pair) for name, pair in fields.items()})
