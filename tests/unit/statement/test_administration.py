"""Administrative acts hold codes and numbers, and nothing else."""

from typing import Any

import pytest

from tallystick.errors import EncodingError, VersionError
from tallystick.statement import dcbor
from tallystick.statement.administration import Act, AdminAct, is_act, parse_act
from tallystick.statement.labels import INLINE_MEDIA_TYPE
from tests.ledgers import Issuer

MADE = AdminAct(
    act=Act.KEY_MADE, target="0a1b", at=1_790_000_000, details={"role": "admin", "n": 3}
)
MEMBERS = {
    "version": 1, "act": "api-key.made", "target": "0a1b", "at": 1, "details": {"role": "admin"},
}  # fmt: skip


def test_an_act_is_read_as_it_was_written() -> None:
    assert parse_act(MADE.encode()) == MADE
    assert MADE.subject == "urn:tallystick:act:api-key.made:0a1b"
    assert parse_act(dcbor.encode(MEMBERS)).details == {"role": "admin"}


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([], "must be a map"),
        ({**MEMBERS, "extra": 1}, "has the members"),
        ({**MEMBERS, "act": "api-key.eaten"}, "no act 'api-key.eaten'"),
        ({**MEMBERS, "target": "Ada Lovelace"}, "a code has"),
        ({**MEMBERS, "target": 7}, "a code has"),
        ({**MEMBERS, "target": "x" * 81}, "a code has"),
        ({**MEMBERS, "at": -1}, "a number is"),
        ({**MEMBERS, "at": True}, "a number is"),
        ({**MEMBERS, "at": 2**53 + 1}, "a number is"),
        ({**MEMBERS, "details": []}, "details must be a map"),
        ({**MEMBERS, "details": {str(n): n for n in range(9)}}, "details must be a map"),
        ({**MEMBERS, "details": {"label": "for Ada"}}, "a code has"),
        ({**MEMBERS, "details": {"Label": 1}}, "a code has"),
        ({**MEMBERS, "details": {"label": b"x"}}, "a number is"),
    ],
)
def test_anything_else_is_refused(members: Any, words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        parse_act(dcbor.encode(members))


@pytest.mark.parametrize("version", [0, 2, True, None, "1"])
def test_another_version_is_said(version: object) -> None:
    with pytest.raises(VersionError, match="expected 1"):
        parse_act(dcbor.encode({**MEMBERS, "version": version}))


def test_only_an_inline_access_statement_is_an_act() -> None:
    issuer = Issuer()
    inline = {"hashed": False, "content_type": INLINE_MEDIA_TYPE}

    assert is_act(issuer.sign(MADE.encode(), type="access", **inline))
    assert not is_act(issuer.sign(type="access"))
    assert not is_act(issuer.sign(MADE.encode(), type="document", **inline))
    assert not is_act(
        issuer.sign(MADE.encode(), type="access", hashed=False, content_type="text/plain")
    )
