"""Trust policies: the grammar of C2SP tlog-policy, and who makes a quorum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import EncodingError, InputError, LimitError
from tallystick.statement import VerifierKey
from tallystick.verify import Group, log_policy, parse_policy

LOG = VerifierKey("log.example/a", 1, b"L" * 32)
WITNESSES = [VerifierKey(f"w{n}.example", 4, bytes([n]) * 32) for n in range(1, 6)]
LINES = [f"log {LOG.encode()} https://log.example/a"] + [
    f"witness w{n} {key.encode()}" for n, key in enumerate(WITNESSES, start=1)
]


def text(*lines: str) -> bytes:
    return "\n".join([*LINES, *lines, ""]).encode()


def test_groups_of_groups_make_a_quorum() -> None:
    policy = parse_policy(
        text("group xs 2 w1 w2 w3", "group ys any w4 w5", "group all-of all xs ys", "quorum all-of")
    )
    fulfilled = [{1, 2, 4}, {2, 3, 5}, {1, 2, 3, 4, 5}]
    missing: list[set[int]] = [{1, 2}, {1, 4}, {4, 5}, set()]

    assert policy.groups["xs"] == Group(2, ("w1", "w2", "w3"))
    for names in fulfilled:
        assert policy.fulfilled({WITNESSES[n - 1] for n in names})
    for names in missing:
        assert not policy.fulfilled({WITNESSES[n - 1] for n in names})


def test_a_quorum_of_nobody_is_always_there() -> None:
    assert parse_policy(text("quorum none")).fulfilled(set())
    assert log_policy(LOG).fulfilled(set())
    assert not parse_policy(text("quorum w1")).fulfilled({WITNESSES[1]})


def test_comments_blanks_and_tabs_are_allowed_and_names_are_octets() -> None:
    policy = parse_policy(
        b"# trust\n\n \t log\t" + LOG.encode().encode() + b"  \nwitness \xff\xfe "
        + WITNESSES[0].encode().encode() + b"\nquorum \xff\xfe\n"
    )  # fmt: skip

    assert policy.logs == (LOG,)
    assert policy.fulfilled({WITNESSES[0]})


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "no quorum line"),
        (["quorum none", "quorum none"], "line 8: there must be one quorum"),
        (["quorum nobody"], "not defined above"),
        (["group g 2 w1", "quorum g"], "threshold is 2, but there are 1"),
        (["group g 0 w1", "quorum g"], "threshold must be"),
        (["group g some w1", "quorum g"], "threshold must be"),
        (["group g all", "quorum g"], "expected log"),
        (["group none all w1", "quorum none"], "is taken"),
        (["group w1 all w2", "quorum w1"], "is taken"),
        (["group g all w1", "group h all w1", "quorum h"], "member twice"),
        ([f"witness w9 {WITNESSES[0].encode()}", "quorum none"], "listed twice"),
        ([f"log {LOG.encode()}", "quorum none"], "listed twice"),
        (["log nonsense", "quorum none"], "verifier key must be"),
        (["believe me"], "line 7: expected log"),
    ],
)
def test_lines_that_break_the_grammar_are_named(lines: list[str], message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        parse_policy(text(*lines))


def test_limits_and_control_characters() -> None:
    with pytest.raises(LimitError):
        parse_policy(b"\n" * 2000)
    with pytest.raises(LimitError):
        parse_policy(b"#" * 300_000)
    with pytest.raises(EncodingError, match="control"):
        parse_policy(b"quorum none\r\n")


@given(st.binary(max_size=200))
def test_hostile_bytes_raise_our_error_and_no_other(data: bytes) -> None:
    try:
        parse_policy(data)
    except InputError:
        return
