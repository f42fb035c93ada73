"""Random chains of delegations, decided as a slow model that follows the words of the format."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tallystick.statement.delegation import Delegation, Granted, fault_of

PARTIES = tuple(f"did:key:{letter}" for letter in "abc")
TYPES = ("action", "call")
IDS = st.integers(0, 5)


@st.composite
def logs(draw: st.DrawFn) -> dict[bytes, Granted]:
    found = dict[bytes, Granted]()
    for at in range(draw(st.integers(1, 5))):
        parent = draw(st.none() | IDS.map(lambda one: bytes([one])))
        above = found.get(parent or b"")
        follows = above is not None and draw(st.integers(0, 9))  # else hardly a chain would hold
        principal = above.delegation.agent if above and follows else draw(st.sampled_from(PARTIES))
        said = Delegation(
            principal=principal,
            agent=draw(st.sampled_from([one for one in PARTIES if one != principal])),
            types=frozenset(draw(st.sets(st.sampled_from(TYPES), min_size=1))),
            not_after=draw(st.integers(5, 8)),
            depth=draw(st.integers(0, 3)),
        )
        signer = principal if draw(st.integers(0, 9)) else PARTIES[0]
        revoked = draw(st.none() | st.integers(at + 1, 9))
        id_ = bytes([at])
        found[id_] = Granted(id_, at, signer, b"", said, parent, revoked)
    return found


def allowed(
    log: dict[bytes, Granted], names: bytes, agent: str, type_: str, now: int, index: int
) -> bool:
    """Say it without any shortcut: collect the whole chain, then ask each thing of all of it."""
    chain, at = list[Granted](), bytes(names)
    while True:
        if at not in log or len(chain) > len(log):
            return False
        chain.append(log[at])
        if log[at].parent is None:
            break
        at = log[at].parent or b""
    said = [link.delegation for link in chain]
    return (
        said[0].agent == agent
        and all(type_ in one.types for one in said)
        and all(now < one.not_after for one in said)
        and all(link.issuer == link.delegation.principal for link in chain)
        and all(not (link.revoked is not None and link.revoked < index) for link in chain)
        and all(link.index < index for link in chain)
        and all(low.principal == high.agent for low, high in pairwise(said))
        and all(low.types <= high.types for low, high in pairwise(said))
        and all(low.not_after <= high.not_after for low, high in pairwise(said))
        and all(low.depth < high.depth for low, high in pairwise(said))
        and all(low.index > high.index for low, high in pairwise(chain))
    )


@given(logs(), st.sampled_from(PARTIES), st.sampled_from(TYPES), st.integers(3, 8), IDS)
def test_a_chain_is_decided_as_the_words_say(
    log: dict[bytes, Granted], agent: str, type_: str, now: int, index: int
) -> None:
    for names, leaf in log.items():
        fault = fault_of(leaf, agent, type_, now, index, log.get)

        assert (fault is None) == allowed(log, names, agent, type_, now, index)
