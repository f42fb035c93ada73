"""The ledger façade: open, register, prove, find, watch; policy, index and what is kept beside.

Start with `tallystick.ledger.Ledger`. The rules of admission stand in `tallystick.ledger.rules`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tallystick.ledger.batches import Batches
    from tallystick.ledger.creation import Card, create, read_card
    from tallystick.ledger.erasures import check_targets, erased_rows, erasures_of, sign_erasures
    from tallystick.ledger.home import Home, default_home
    from tallystick.ledger.index import Index, Property
    from tallystick.ledger.ledger import Ledger
    from tallystick.ledger.names import InNameOf
    from tallystick.ledger.operator import operator_says
    from tallystick.ledger.policy import RegistrationPolicy, Rule, parse_policy_payload, read_policy
    from tallystick.ledger.publications import (
        disclosure_to_publish,
        publications_of,
        sign_publication,
    )
    from tallystick.ledger.reader import LedgerReader
    from tallystick.ledger.reading import Page, Query, Reads
    from tallystick.ledger.rules import Candidate, batch_of, decide
    from tallystick.ledger.signatures import (
        BorrowedChecks,
        InlineChecks,
        PooledChecks,
        SignatureChecks,
    )
    from tallystick.ledger.state import Counted, LedgerState
    from tallystick.ledger.submission import Registered, Rows, Submission
    from tallystick.statement import Found, Proof

_MODULES: Final = {
    "Batches": "batches",
    "BorrowedChecks": "signatures",
    "Candidate": "rules",
    "Card": "creation",
    "Counted": "state",
    "Found": "reading",
    "Home": "home",
    "InNameOf": "names",
    "Index": "index",
    "InlineChecks": "signatures",
    "Ledger": "ledger",
    "LedgerReader": "reader",
    "LedgerState": "state",
    "Page": "reading",
    "PooledChecks": "signatures",
    "Proof": "reading",
    "Property": "index",
    "Query": "reading",
    "Reads": "reading",
    "Registered": "submission",
    "RegistrationPolicy": "policy",
    "Rows": "submission",
    "Rule": "policy",
    "SignatureChecks": "signatures",
    "Submission": "submission",
    "batch_of": "rules",
    "check_targets": "erasures",
    "create": "creation",
    "decide": "rules",
    "default_home": "home",
    "disclosure_to_publish": "publications",
    "erased_rows": "erasures",
    "erasures_of": "erasures",
    "operator_says": "operator",
    "parse_policy_payload": "policy",
    "publications_of": "publications",
    "read_card": "creation",
    "read_policy": "policy",
    "sign_erasures": "erasures",
    "sign_publication": "publications",
}
"""Imported when asked for: a worker process needs a tenth of them, and each has its own memory."""

__all__ = [
    "Batches",
    "BorrowedChecks",
    "Candidate",
    "Card",
    "Counted",
    "Found",
    "Home",
    "InNameOf",
    "Index",
    "InlineChecks",
    "Ledger",
    "LedgerReader",
    "LedgerState",
    "Page",
    "PooledChecks",
    "Proof",
    "Property",
    "Query",
    "Reads",
    "Registered",
    "RegistrationPolicy",
    "Rows",
    "Rule",
    "SignatureChecks",
    "Submission",
    "batch_of",
    "check_targets",
    "create",
    "decide",
    "default_home",
    "disclosure_to_publish",
    "erased_rows",
    "erasures_of",
    "operator_says",
    "parse_policy_payload",
    "publications_of",
    "read_card",
    "read_policy",
    "sign_erasures",
    "sign_publication",
]


def __getattr__(name: str) -> Any:
    """Import a module when something of it is asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
