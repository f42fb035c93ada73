"""How strongly the originator of a statement is known: computed from evidence, never believed.

| computed | evidence |
|---|---|
| `passkey` | a passkey of the principal signed an approval of exactly this |
| `key` | the principal signed the delegation that the statement names, or signed it itself |
| `api-key` | the statement names the registered key whose API key a recorder says it saw |
| `asserted` | none: the signer says that somebody asked |

A delegation to the holder of that key may stand beside it: then the holder is the agent, and the
delegation names the principal.
An approval counts only where its content was opened and verified: without that, or after it was
erased, the word of whoever registered it is all there is. `credential` is computed by nothing yet,
so whoever claims it claims too much.
A signer that claims less than `key` and names nobody says that somebody else was the originator,
and is taken at its word: a claim can lower what is shown, and never raise it.
"""

from dataclasses import dataclass
from typing import Final

from tallystick.statement.approval import Approved
from tallystick.statement.delegation import (
    FindHolder,
    Granted,
    LookUp,
    is_recorded,
    links_of,
    use_fault,
)
from tallystick.statement.governance import StatementType
from tallystick.statement.header import Header
from tallystick.statement.labels import Assurance, Relation

_ORDER: Final = {str(one): rank for rank, one in enumerate(Assurance)}


@dataclass(frozen=True, slots=True)
class Known:
    """Who was behind a statement, as far as evidence goes.

    Attributes:
        assurance: Computed.
        basis: In words: what that rests on.
        principal: DID for whom was acted; None where nobody is named.
        agent: DID that acted.
        claimed: What the header claims.
        delegation: The grant by which the agent acted; None where there is none.
    """

    assurance: Assurance
    basis: str
    principal: str | None
    agent: str
    claimed: str | None = None
    delegation: bytes | None = None

    @property
    def exceeded(self) -> bool:
        """Tell whether the header claims more than there is evidence for."""
        if self.claimed is None:
            return False
        return _ORDER.get(self.claimed, len(_ORDER)) > _ORDER[self.assurance]


def assurance_of(
    header: Header,
    index: int,
    look_up: LookUp,
    holder: FindHolder,
    now: int = 0,
    approved: Approved | None = None,
) -> Known:
    """Compute how strongly the originator of a statement is known.

    Args:
        header: Of the statement; its signature is verified already.
        index: Where it stands.
        look_up: Finds grants.
        holder: Finds holders of registered keys.
        now: The ledger's time there; 0 where admission has seen to expiry.
        approved: The verified approval that it is, or that covers it.
    """
    if approved is not None:
        return _approved(approved, header)
    targets, claimed = header.links.get(Relation.ACTED_FOR, ()), header.assurance
    for grant in filter(None, map(look_up, targets)):
        if use_fault(grant, header, now, index, look_up, holder) is None:
            recorded = is_recorded(grant, header, holder)
            return _delegated(grant, header, look_up, recorded=recorded)
    for named in filter(None, map(holder, targets)):
        basis = "its recorder says that the call came with an API key of this originator"
        return Known(Assurance.API_KEY, basis, named, header.issuer, claimed)
    if targets:
        basis = (
            "what it names as acted for is neither a delegation to it nor a registered key, nor "
            "an approval whose content was seen"
        )
        return Known(Assurance.ASSERTED, basis, None, header.issuer, claimed)
    if claimed in {Assurance.ASSERTED, Assurance.API_KEY}:
        basis = "its signer says that somebody else asked, and names nobody"
        return Known(Assurance.ASSERTED, basis, None, header.issuer, claimed)
    basis = "the originator itself signed it"
    return Known(Assurance.KEY, basis, header.issuer, header.issuer, claimed)


def _approved(approved: Approved, header: Header) -> Known:
    by, declined = approved.by, "declined" if approved.approval.declined else "approved"
    basis = (
        f"the passkey registered at index {by.index} {declined} it, on a page of one of "
        f"{', '.join(by.passkey.origins)}"
    )
    principal = by.passkey.issuer
    return Known(Assurance.PASSKEY, basis, principal, header.issuer, header.assurance)


def intent_of(header: Header) -> bytes | None:
    """Return the intent whose outcome this is, which names for whom the call was made.

    An outcome names nobody itself. Whether the intent is of the same signer, and came before, is
    for the caller to see to.
    """
    links = header.links
    if header.type != StatementType.INFERENCE or Relation.ACTED_FOR in links or header.assurance:
        return None
    generated_by = links.get(Relation.GENERATED_BY, ())
    return generated_by[0] if len(generated_by) == 1 else None


def is_intent_for(intent: Header, outcome: Header) -> bool:
    """Tell whether an outcome belongs to what it names as its intent."""
    same = (intent.issuer, intent.type) == (outcome.issuer, outcome.type)
    return same and Relation.GENERATED_BY not in intent.links


def _delegated(leaf: Granted, header: Header, look_up: LookUp, *, recorded: bool) -> Known:
    chain = [link for link in links_of(leaf, look_up) if link is not None]
    first = chain[-1]
    passed = f", passed on {len(chain) - 1} times" if len(chain) > 1 else ""
    basis = f"the principal signed the delegation at index {first.index}{passed}"
    assurance = Assurance.KEY
    if recorded:
        assurance = Assurance.API_KEY
        basis = f"its recorder says that the call came with an API key of the agent; {basis}"
    principal, agent = first.delegation.principal, leaf.delegation.agent
    return Known(assurance, basis, principal, agent, header.assurance, leaf.id)
