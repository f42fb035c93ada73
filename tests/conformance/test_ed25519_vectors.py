"""Ed25519 edge cases of C2SP CCTV: two libraries, one verdict, once our rule goes first."""

from collections.abc import Callable
from typing import Any

import pytest

from tallystick.errors import SignatureError
from tallystick.identity import fastest_equation
from tallystick.statement.ed25519 import CheckEquation, check_equation, verify_ed25519

Vectors = Callable[[str], list[tuple[str, Any]]]
Case = tuple[bytes, bytes, bytes]


@pytest.fixture(scope="module")
def cases(vectors: Vectors) -> list[tuple[Case, set[str]]]:
    [(_, rows)] = vectors("ed25519")
    return [
        (
            (bytes.fromhex(r["key"]), bytes.fromhex(r["sig"]), r["msg"].encode()),
            set(r["flags"] or ()),
        )
        for r in rows
    ]


def accepts(case: Case, equation: CheckEquation) -> bool:
    try:
        verify_ed25519(*case, equation)
    except SignatureError:
        return False
    return True


def test_libraries_disagree_without_the_rule_and_agree_with_it(
    cases: list[tuple[Case, set[str]]],
) -> None:
    sodium = fastest_equation()
    assert sodium is not check_equation, "libsodium is missing: pip install tallystick[fast]"

    apart = sum(sodium(*case) != check_equation(*case) for case, _ in cases)
    apart_with_rule = sum(
        accepts(case, sodium) != accepts(case, check_equation) for case, _ in cases
    )

    assert len(cases) == 914
    assert apart == 165
    assert apart_with_rule == 0


def test_nothing_of_small_order_or_not_canonical_is_accepted(
    cases: list[tuple[Case, set[str]]],
) -> None:
    refused = {"low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R"}

    assert not [flags for case, flags in cases if accepts(case, check_equation) and flags & refused]
    assert any(accepts(case, check_equation) for case, _ in cases)
