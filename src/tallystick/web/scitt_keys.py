"""SCRAPI: the keys that verify receipts of this service, and what older clients ask for.

Source:
    SCRAPI (draft-ietf-scitt-scrapi-11), sections 2.1 and 2.2. `transparency-configuration` stood
    in the drafts before October 2025, and clients of that time still ask for it: a map in CBOR,
    or the same in JSON where the client asks for that only.
"""

from tallystick.statement import Alg, PublicKey, b64, dcbor
from tallystick.statement.keys import ALGORITHMS
from tallystick.web.answers import CBOR, JSON, Answer, json_answer
from tallystick.web.call import Call
from tallystick.web.problems import NoSuchKeyError

HOURLY = (b"cache-control", b"public, max-age=3600")
_KID, _ALG = 2, 3
"""Members of a COSE_Key."""


async def key_set(call: Call) -> Answer:
    """Return all receipt keys as a COSE_KeySet."""
    keys = [_cose_key(key) for key in _receipt_keys(call)]
    return Answer(dcbor.encode(keys), CBOR, headers=(HOURLY,))


async def one_key(call: Call) -> Answer:
    """Return the COSE_Key with a key id.

    Raises:
        NoSuchKeyError: No receipt of this service was signed with such a key.
    """
    for key in _receipt_keys(call):
        if b64.encode_url(key.thumbprint()) == call.path["kid"]:
            return Answer(dcbor.encode(_cose_key(key)), CBOR, headers=(HOURLY,))
    raise NoSuchKeyError("No key could be found for this kid value")


async def configuration(call: Call) -> Answer:
    """Describe the service as older drafts of SCRAPI did."""
    members = {
        "issuer": call.service.ledger.card.origin,
        "registration_endpoint": call.url("/entries"),
        "cose_keys_uri": call.url("/.well-known/scitt-keys"),
        "supported_signature_algorithms": [int(alg) for alg in Alg],
    }
    if call.accepts(JSON) and not call.accepts(CBOR):
        return json_answer(members, headers=(HOURLY,))
    return Answer(dcbor.encode(members), CBOR, headers=(HOURLY,))


def _receipt_keys(call: Call) -> list[PublicKey]:
    """Return the keys, the newest first; retired ones stay here as long as their receipts."""
    terms = call.service.ledger.state.log_keys.terms
    return [term.receipt_key for term in reversed(terms)]


def _cose_key(key: PublicKey) -> dict[int, object]:
    return {
        **key.cose_key(),
        _KID: key.thumbprint(),
        _ALG: int(ALGORITHMS[key.kind][0]),
    }
