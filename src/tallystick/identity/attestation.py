"""The key of a passkey that a browser just made; nothing is believed of the authenticator.

What an attestation says of the make of an authenticator is not looked at: whether the key is held
by whoever makes it is shown by its first assertion (`tallystick.statement.passkey`).

Source:
    W3C Web Authentication Level 3, sections 6.5.4 and 7.1.
"""

from typing import Final

from tallystick.errors import EncodingError
from tallystick.statement import PublicKey, dcbor
from tallystick.statement.webauthn import (
    Asked,
    check_authenticator_data,
    check_client_data,
    parse_authenticator_data,
    parse_client_data,
)

ATTESTATION_BYTES_MAX: Final = 16_384
CREATE: Final = "webauthn.create"


def verify_made(attestation: bytes, client_data: bytes, asked: Asked) -> PublicKey:
    """Return the public key of a passkey, if it was made in answer to what was asked.

    Args:
        attestation: The attestation object.
        client_data: What the browser says, as JSON.
        asked: What was asked; its type is `CREATE`.

    Raises:
        EncodingError: A part is malformed.
        ApprovalError: It was not; `reason` names the rule.
    """
    check_client_data(parse_client_data(client_data), asked)
    said = parse_authenticator_data(parse_attestation(attestation))
    if said.key is None:
        raise EncodingError("the attestation holds no key")
    check_authenticator_data(said, asked)
    return said.key


def parse_attestation(data: bytes) -> bytes:
    """Return the authenticator data of an attestation object.

    Raises:
        EncodingError: Not one.
    """
    if len(data) > ATTESTATION_BYTES_MAX:
        raise EncodingError(
            f"attestation has {len(data)} bytes, at most {ATTESTATION_BYTES_MAX} allowed"
        )
    match dcbor.decode(data, "attestation"):
        case {"fmt": str(), "attStmt": dict(), "authData": bytes() as said}:
            return said
    raise EncodingError("an attestation must be a map with 'fmt', 'attStmt' and 'authData'")
