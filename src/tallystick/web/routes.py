"""Everything that is served, in one table: router and OpenAPI document are made from it.

Hot operations stand first, because the router tries paths in order.
"""

from typing import Any, Final

from tallystick.affected import DecisionSeen
from tallystick.capture.roles import Right
from tallystick.web import (
    entries,
    governance,
    health,
    lookup,
    mine,
    openapi,
    pages,
    people,
    scitt_keys,
    statements,
    subscription,
    tiles,
)
from tallystick.web.answers import CBOR, COSE, EVENTS, JSON, NDJSON, OCTETS, TEXT
from tallystick.web.metrics import TEXT_FORMAT
from tallystick.web.operations import BYTES, Dialect, Operation, Parameter, Reply
from tallystick.web.problems import Problem
from tallystick.web.schemas import (
    AskBody,
    AskedView,
    BatchAnswer,
    CheckpointView,
    ConsistencyView,
    EndView,
    EntryResult,
    FoundView,
    HeldBody,
    KeysView,
    LedgersView,
    PageView,
    PolicyView,
    RegisteredAnswer,
    RequestBody,
    StatementView,
    StreamEnd,
    SubmissionBody,
    WithdrawalBody,
)

_HEX32: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_HEX16: Final = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_TIME: Final = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "format": "date-time"}]
}
_SIZE: Final = {"type": "integer", "minimum": 0}
_FLAG: Final = {"type": "boolean", "default": False}


def _in_path(name: str, text: str, schema: dict[str, Any]) -> Parameter:
    return Parameter(name, text, schema, place="path")


_ID: Final = _in_path("id", "Statement id.", _HEX32)
_CURSOR: Final = Parameter("cursor", "Where the last page ended: take it from `next`.")
_RECEIPTS: Final = Parameter("receipts", "Also give a receipt for each statement.", _FLAG)

_ENTRIES: Final = Parameter("entries", "Also give the entries themselves.", _FLAG)
_FILTERS: Final = (
    Parameter("issuer", "DID of who signed."),
    Parameter("subject", "What it is about."),
    Parameter("type", "Statement type."),
    Parameter("model", "SHA-256 of the model that was used.", _HEX32),
    Parameter("link", "Id of a statement that it points to.", _HEX32),
    Parameter("emitter", "Process that wrote it.", _HEX16),
    Parameter("in_name_of", "DID that signed, was acted for, or is what it is about."),
)

_WRITES: Final = (
    Operation(
        name="register",
        method="POST",
        path="/statements",
        handler=statements.register,
        summary="Register one signed statement, a batch, or a stream; a retry gets the first index",
        takes={
            COSE: BYTES,
            JSON: (SubmissionBody, list[SubmissionBody]),
            CBOR: BYTES,
            NDJSON: SubmissionBody,
        },
        parameters=(_RECEIPTS,),
        replies=(
            Reply(
                200,
                "A batch or stream, or a retry of one.",
                {JSON: (BatchAnswer, RegisteredAnswer), NDJSON: (EntryResult, StreamEnd)},
            ),
            Reply(201, "One statement is registered.", {JSON: RegisteredAnswer}),
        ),
        access=Right.REGISTER,
    ),
    Operation(
        name="scrapiRegister",
        method="POST",
        path="/entries",
        handler=entries.register_entry,
        summary="Register a signed statement and get its receipt (SCRAPI)",
        takes={COSE: BYTES},
        replies=(
            Reply(201, "It is registered: its receipt.", {COSE: BYTES}),
            Reply(303, "Registration takes longer: ask at `Location`."),
        ),
        access=Right.REGISTER,
        dialect=Dialect.SCRAPI,
        tag="scrapi",
    ),
)

_TILES: Final = (
    Operation(
        name="checkpoint",
        method="GET",
        path="/checkpoint",
        handler=tiles.checkpoint,
        summary="The newest published checkpoint (C2SP tlog-checkpoint)",
        replies=(Reply(200, "A signed note.", {TEXT: BYTES}),),
        tag="tiles",
    ),
    Operation(
        name="tile",
        method="GET",
        path="/tile/{level}/{number:path}",
        handler=tiles.tile,
        summary="A tile of hashes, or a bundle of entries (C2SP tlog-tiles)",
        parameters=(
            _in_path("level", "0 to 63, or `entries`.", {"type": "string"}),
            _in_path(
                "number",
                "As `x001/x234/067`, or `x001/x234/067.p/17` for a partial one.",
                {"type": "string"},
            ),
        ),
        replies=(Reply(200, "Hashes, or entries behind their lengths.", {OCTETS: BYTES}),),
        tag="tiles",
    ),
)

_READS: Final = (
    Operation(
        name="stream",
        method="GET",
        path="/statements/stream",
        handler=subscription.subscribe,
        summary="Every statement as it is registered, as server-sent events that can be resumed",
        parameters=(
            *_FILTERS,
            Parameter("since", "Index to begin at; by default, the next one to come.", _SIZE),
            Parameter("limit", "End after so many statements.", {"type": "integer", "minimum": 1}),
            _ENTRIES,
            Parameter(
                "Last-Event-ID",
                "Id of the last event that came: the stream goes on after it, whatever `since` is.",
                _SIZE,
                place="header",
            ),
        ),
        replies=(
            Reply(
                200,
                "Events `statement`, `checkpoint`, `end` and `problem`, in log order.",
                {EVENTS: (FoundView, CheckpointView, EndView, Problem)},
            ),
        ),
    ),
    Operation(
        name="statement",
        method="GET",
        path="/statements/{id}",
        handler=lookup.statement,
        summary="A statement with its proof; the entry alone with `Accept: application/cose`",
        parameters=(_ID,),
        replies=(Reply(200, "It is registered.", {JSON: StatementView, COSE: BYTES}),),
    ),
    Operation(
        name="search",
        method="GET",
        path="/statements",
        handler=lookup.search,
        summary="Search statements, newest first; complete only as far as the index is trusted",
        parameters=(
            *_FILTERS,
            Parameter("since", "Issued then or later, by the issuer's claim.", _TIME),
            Parameter("until", "Issued then or before.", _TIME),
            Parameter(
                "limit",
                "Most results.",
                {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
            ),
            _ENTRIES,
            _CURSOR,
        ),
        replies=(Reply(200, "One page.", {JSON: PageView}),),
    ),
    Operation(
        name="proof",
        method="GET",
        path="/proofs/{id}",
        handler=lookup.proof,
        summary="The proof of a statement as text (C2SP tlog-proof)",
        parameters=(_ID,),
        replies=(Reply(200, "It is registered.", {TEXT: BYTES}),),
    ),
    Operation(
        name="consistency",
        method="GET",
        path="/consistency",
        handler=lookup.consistency,
        summary="Proof that the log of one size is a prefix of the log of another",
        parameters=(
            Parameter("from", "The smaller size, at least 1.", _SIZE),
            Parameter("to", "The larger size; the newest by default.", _SIZE),
        ),
        replies=(Reply(200, "Both roots and the path.", {JSON: ConsistencyView}),),
    ),
    Operation(
        name="bundle",
        method="GET",
        path="/bundles/{id}",
        handler=lookup.bundle,
        summary="The evidence bundle of a statement, for `tally verify`",
        parameters=(
            _ID,
            Parameter("content", "Open the content, where settings and caller allow it.", _FLAG),
            Parameter("rows", "Open the rows of batches as well.", _FLAG),
        ),
        replies=(Reply(200, "A `*.tally.json` file.", {JSON: BYTES}),),
    ),
    Operation(
        name="policy",
        method="GET",
        path="/policy",
        handler=governance.policy,
        summary="The registration policy that holds now",
        replies=(Reply(200, "Policy and the statement that registered it.", {JSON: PolicyView}),),
    ),
    Operation(
        name="keys",
        method="GET",
        path="/keys",
        handler=governance.keys,
        summary="The log's keys and those of all registered issuers",
        parameters=(
            Parameter(
                "limit",
                "Most keys.",
                {"type": "integer", "minimum": 1, "maximum": governance.KEYS_MAX},
            ),
            _CURSOR,
        ),
        replies=(Reply(200, "In the order of their registration.", {JSON: KeysView}),),
    ),
)

_SCRAPI: Final = (
    Operation(
        name="scrapiReceipt",
        method="GET",
        path="/entries/{id}",
        handler=entries.resolve_entry,
        summary="A fresh receipt for a registered statement (SCRAPI)",
        parameters=(_ID,),
        replies=(
            Reply(200, "Its receipt.", {COSE: BYTES}),
            Reply(302, "It is still being registered."),
        ),
        dialect=Dialect.SCRAPI,
        tag="scrapi",
    ),
    Operation(
        name="scittKeys",
        method="GET",
        path="/.well-known/scitt-keys",
        handler=scitt_keys.key_set,
        summary="The keys that verify receipts, as a COSE_KeySet (SCRAPI)",
        replies=(Reply(200, "All keys.", {CBOR: BYTES}),),
        dialect=Dialect.SCRAPI,
        tag="scrapi",
    ),
    Operation(
        name="scittKey",
        method="GET",
        path="/.well-known/scitt-keys/{kid}",
        handler=scitt_keys.one_key,
        summary="One of these keys, as a COSE_Key (SCRAPI)",
        parameters=(_in_path("kid", "The key id of a receipt, base64url.", {"type": "string"}),),
        replies=(Reply(200, "The key.", {CBOR: BYTES}),),
        dialect=Dialect.SCRAPI,
        tag="scrapi",
    ),
    Operation(
        name="transparencyConfiguration",
        method="GET",
        path="/.well-known/transparency-configuration",
        handler=scitt_keys.configuration,
        summary="What older SCRAPI clients ask first: a map in CBOR, or in JSON on demand",
        replies=(Reply(200, "Issuer and addresses.", {CBOR: BYTES, JSON: BYTES}),),
        dialect=Dialect.SCRAPI,
        tag="scrapi",
    ),
)

_OPERATIONS: Final = (
    Operation(
        name="healthz",
        method="GET",
        path="/healthz",
        handler=health.alive,
        summary="Does the process live",
        replies=(Reply(200, "It does.", {JSON: health.Health}),),
        open=True,
        tag="service",
    ),
    Operation(
        name="readyz",
        method="GET",
        path="/readyz",
        handler=health.ready,
        summary="Does the service take statements now",
        replies=(Reply(200, "It does.", {JSON: health.Readiness}),),
        open=True,
        tag="service",
    ),
    Operation(
        name="ledgers",
        method="GET",
        path="/ledgers",
        handler=governance.ledgers,
        summary="The further ledgers of this service; each has the whole API under its address",
        replies=(Reply(200, "In order of their names.", {JSON: LedgersView}),),
        access=Right.OBSERVE,
        tag="service",
    ),
    Operation(
        name="metrics",
        method="GET",
        path="/metrics",
        handler=health.metrics,
        summary="Counts in the text format of Prometheus",
        replies=(Reply(200, "All counts.", {TEXT_FORMAT: BYTES}),),
        access=Right.OBSERVE,
        tag="service",
    ),
    Operation(
        name="openapi",
        method="GET",
        path="/openapi.json",
        handler=openapi.document_answer,
        summary="This document",
        replies=(Reply(200, "OpenAPI 3.1.", {JSON: BYTES}),),
        open=True,
        tag="service",
    ),
)

_APPROVALS: Final = (
    Operation(
        name="askApproval",
        method="POST",
        path="/approvals",
        handler=people.ask_approval,
        summary="Ask a person to approve something by passkey, on a page of this service",
        takes={JSON: AskBody},
        replies=(Reply(201, "The person can answer: where.", {JSON: AskedView}),),
        access=Right.REGISTER,
        tag="approvals",
    ),
)

_DECISION: Final = {JSON: DecisionSeen, pages.HTML: BYTES}
_MINE: Final = (
    Operation(
        name="mine",
        method="POST",
        path="/mine",
        handler=mine.look,
        summary="A decision, as the person sees it that it is about",
        takes={JSON: HeldBody, mine.FORM: BYTES},
        replies=(Reply(200, "The decision; to forms as a page.", _DECISION),),
        open=True,
        tag="mine",
    ),
    Operation(
        name="askAboutMine",
        method="POST",
        path="/mine/requests",
        handler=mine.ask_about,
        summary="Ask for an explanation, for human review, or appeal",
        takes={JSON: RequestBody, mine.FORM: BYTES},
        replies=(Reply(201, "It is registered: the decision, with it.", _DECISION),),
        open=True,
        tag="mine",
    ),
    Operation(
        name="withdrawMine",
        method="POST",
        path="/mine/withdrawals",
        handler=mine.withdraw_one,
        summary="Withdraw what was asked",
        takes={JSON: WithdrawalBody, mine.FORM: BYTES},
        replies=(Reply(201, "It is registered: the decision, without it.", _DECISION),),
        open=True,
        tag="mine",
    ),
)

OPERATIONS: Final = (*_WRITES, *_TILES, *_READS, *_SCRAPI, *_APPROVALS, *_MINE, *_OPERATIONS)
"""What programs use: the OpenAPI document describes exactly these."""


def _for_people(name: str, method: str, path: str, handler: Any, summary: str) -> Operation:
    takes = {JSON: BYTES} if method == "POST" else {}
    parameters = tuple(
        _in_path(part[1:-1], "", {"type": "string"}) for part in path.split("/") if part[:1] == "{"
    )
    return Operation(
        name=name, method=method, path=path, handler=handler, summary=summary, takes=takes,
        parameters=parameters, replies=(), tag="people", open=True,
    )  # fmt: skip


PEOPLE: Final = (
    _for_people("passkeysPage", "GET", "/passkeys", people.passkeys_page, "Make a passkey"),
    _for_people("enrol", "POST", "/passkeys", people.enrol, "Register a passkey"),
    _for_people("begin", "POST", "/passkeys/begin", people.begin, "Begin to make one"),
    _for_people("possession", "POST", "/passkeys/possession", people.possession, "What it signs"),
    _for_people("approvalPage", "GET", "/approvals/{token}", people.approval_page, "A question"),
    _for_people("answer", "POST", "/approvals/{token}", people.answer_approval, "Its answer"),
    _for_people("minePage", "GET", "/mine", mine.mine_page, "A decision about you"),
    _for_people("asset", "GET", "/static/{name}", pages.asset, "What pages load"),
)
"""Pages, and what our own script on them sends; no interface for programs. They are open: what a
person may see there is said by the token or the code that the person was given."""
