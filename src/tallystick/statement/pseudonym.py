"""Whose pseudonym is whose: said under commitment, and agreed to by the pseudonym's own key.

A person signs under another DID in each relation. What binds one of them to a name is a `label`
statement of the operator whose subject is the pseudonym; its fields lie in the vault, each
committed to with a salt of its own. So it can be shown to one stranger, and erased for all.

Source:
    docs/reference/formats.md, section "Pseudonyms".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from tallystick.errors import EncodingError
from tallystick.statement import dcbor
from tallystick.statement.governance import Sign
from tallystick.statement.keys import parse_did_key

TAG: Final = "tallystick/pseudonym/1"
NAME_LETTERS_MAX: Final = 200
AGREEMENT: Final = "agreement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A pseudonym and whose it is.

    Attributes:
        pseudonym: The DID, a did:key.
        name: Of the person.
        relation: In which relation it is used, such as with a clinic; None where not shown.
        agreement: Signature by the key of the DID; empty where the operator alone says so, None
            where that is not shown.
    """

    pseudonym: str
    name: str
    relation: str | None
    agreement: bytes | None

    @classmethod
    def signed(
        cls, origin: str, pseudonym: str, name: str, relation: str, sign: Sign | None
    ) -> Self:
        """Return a binding that the pseudonym's first key agrees to, if it is at hand."""
        agreement = sign(agreement_bytes(origin, pseudonym, name)) if sign else b""
        return cls(pseudonym=pseudonym, name=name, relation=relation, agreement=agreement)

    def fields(self) -> dict[str, Any]:
        """Return the content of the statement."""
        return {
            "pseudonym": self.pseudonym,
            "name": self.name,
            "relation": self.relation,
            AGREEMENT: self.agreement,
        }

    def verify_agreement(self, origin: str) -> None:
        """Accept only if the key that the pseudonym names agreed to this name, at this log.

        Raises:
            EncodingError: The pseudonym is no did:key.
            SignatureError: It did not agree.
        """
        claim = agreement_bytes(origin, self.pseudonym, self.name)
        parse_did_key(self.pseudonym).verify(self.agreement or b"", claim)


def agreement_bytes(origin: str, pseudonym: str, name: str) -> bytes:
    """Return what a pseudonym's key signs to be bound to a name."""
    return dcbor.encode([TAG, origin, pseudonym, name])


def read_binding(values: Mapping[str, Any]) -> Binding | None:
    """Read fields as far as they are shown; None where they do not say whose pseudonym it is.

    Raises:
        EncodingError: They say so, and are not well-formed.
    """
    if not {"pseudonym", "name"} <= set(values):
        return None
    texts = values["pseudonym"], values["name"], values.get("relation", "")
    if not all(isinstance(text, str) for text in texts):
        raise EncodingError("'pseudonym', 'name' and 'relation' must be text")
    agreement = values.get(AGREEMENT)
    if agreement is not None and not isinstance(agreement, bytes):
        raise EncodingError(f"'agreement' must be bytes, got {agreement!r:.40}")
    return Binding(
        pseudonym=values["pseudonym"],
        name=values["name"],
        relation=values.get("relation"),
        agreement=agreement,
    )
