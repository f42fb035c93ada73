"""What statements of each type say: their fields, as typed records with a published schema.

Every field is committed to with a salt of its own, so any of them can be shown alone. What may
not be public never stands in a header: it stands here, and in the vault.

An inference is two statements: an *intent*, numbered and durable before the model is called, and
an *outcome* that names it. An intent without an outcome is itself evidence.
"""

from typing import Any, ClassVar, Literal, Self

import msgspec

from tallystick.errors import EncodingError
from tallystick.statement.governance import StatementType


class Record(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Content of a statement; each member becomes a salted field of that name."""

    statement_type: ClassVar[StatementType]

    def values(self) -> dict[str, Any]:
        """Return the fields that are set."""
        return {
            name: msgspec.to_builtins(value, builtin_types=(bytes,))
            for name, value in msgspec.structs.asdict(self).items()
            if value is not None
        }

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        """Read verified fields.

        Raises:
            EncodingError: A field is missing or of another type.
        """
        try:
            return msgspec.convert(values, cls, builtin_types=(bytes,))
        except msgspec.ValidationError as error:
            raise EncodingError(f"not a {cls.__name__}: {error}") from error


class Intent(Record, kw_only=True, frozen=True):
    """A model is about to be called.

    Attributes:
        phase: Tells an intent from an outcome.
        operation: What is asked for, by its OpenTelemetry name: `chat`, `embeddings`.
        request: The request body, byte for byte; empty where it was too large to be taken.
        model: The model that was asked for; empty where the request does not say.
        parameters: All other members of the request but the input itself. A member without a
            plain CBOR form (nested deeper than 8, a number beyond 64 bits) is given as its JSON.
        upstream: Where the call goes, without credentials; empty where nowhere.
        sent_model: The model's name that was sent in place of the one that was asked for, where a
            route says so; the request itself stands here as the caller sent it.
        attempt: Counts the attempts at one call from 2 on; a later one links to the intent of the
            first as `derived_from`.
        started_ms: The gateway's clock, milliseconds since 1970.
        api_key: Id of the API key under which the call came; absent where there was none. The id
            names the key in the gateway's list of keys, and is no secret.
        function: What the application called, where it was recorded there.
    """

    statement_type = StatementType.INFERENCE

    phase: Literal["intent"] = "intent"
    operation: str
    request: bytes
    model: str
    parameters: dict[str, Any]
    upstream: str
    sent_model: str | None = None
    attempt: int | None = None
    started_ms: int
    api_key: str | None = None
    function: str | None = None


class Outcome(Record, kw_only=True, frozen=True):
    """What became of an intent. That the caller received it is not proven.

    Attributes:
        phase: Tells an outcome from an intent.
        status: `ok`, `error` (the upstream said so), `refused` (the gateway said so),
            `cancelled` (the caller went away), `timeout`, `broken` (the stream or answer ended
            too early), `malformed` (not what the operation answers with), `unreachable`.
        http_status: As it was passed on; None where nothing was.
        response: What the upstream answered, byte for byte, as far as it came; empty where the
            gateway itself answered.
        response_bytes: Length of the whole, where `response` is only its beginning.
        response_sha256: Digest of the whole, where `response` is only its beginning.
        response_id: The upstream's own name for its answer.
        answer: The text of the answer, assembled from a stream where it was one.
        alternatives: The texts of further choices, where several were asked for.
        model: The model that the upstream says it used.
        finish_reasons: Why the upstream stopped, for each choice.
        usage: Tokens, as the upstream counted them.
        first_byte_ms: Milliseconds from the start to the first byte of the answer.
        duration_ms: Milliseconds from the start to its end.
        error: In words, where the status is not `ok`.
    """

    statement_type = StatementType.INFERENCE

    phase: Literal["outcome"] = "outcome"
    status: Literal[
        "ok", "error", "refused", "cancelled", "timeout", "broken", "malformed", "unreachable"
    ]
    http_status: int | None = None
    response: bytes
    response_bytes: int | None = None
    response_sha256: bytes | None = None
    response_id: str | None = None
    answer: str | None = None
    alternatives: tuple[str, ...] | None = None
    model: str | None = None
    finish_reasons: tuple[str, ...] | None = None
    usage: dict[str, Any] | None = None
    first_byte_ms: float | None = None
    duration_ms: float
    error: str | None = None


class Decision(Record, kw_only=True, frozen=True):
    """A person decided about what an AI proposed.

    Attributes:
        outcome: What was done with the proposal.
        reason: Why, in the person's words.
        shown: What the person was shown; where it was an answer, its text.
    """

    statement_type = StatementType.DECISION

    outcome: Literal["accept", "override", "stop"]
    reason: str
    shown: str


class Approval(Record, kw_only=True, frozen=True):
    """A person approved something with a passkey, or declined. Written by the service.

    Attributes:
        approval: What was approved, as the passkey signed its digest; see the formats.
        authenticator_data: What the authenticator said.
        client_data: What the browser said, as JSON.
        signature: By the passkey, over these two; DER for ES256.
        credential: Digest of the passkey as it is registered for the person.
        content: What the approval's content digest commits to, salts and values; absent where it
            is the content of the statement that does what was approved.
    """

    statement_type = StatementType.APPROVAL

    approval: bytes
    authenticator_data: bytes
    client_data: bytes
    signature: bytes
    credential: bytes
    content: bytes | None = None


class Model(Record, kw_only=True, frozen=True):
    """A model, and the run that trained it.

    Attributes:
        name: Name under which it is offered.
        digest: SHA-256 of the artifact; public, and not salted.
        algorithm: What kind of model.
        parameters: Hyper-parameters and seed.
        rows: Number of rows it was trained on.
        row_root: Merkle root over exactly these rows, in their order.
        software: Names and versions of what trained it.
    """

    statement_type = StatementType.MODEL

    name: str
    digest: bytes
    algorithm: str
    parameters: dict[str, Any]
    rows: int
    row_root: bytes
    software: dict[str, str]


class Evaluation(Record, kw_only=True, frozen=True):
    """How well a model did on registered rows.

    Attributes:
        metrics: By name, between 0 and 1 unless the name says otherwise.
        rows: Number of rows it was tried on.
        row_root: Merkle root over exactly these rows.
        note: What a reader should know about the circumstances.
    """

    statement_type = StatementType.EVALUATION

    metrics: dict[str, float]
    rows: int
    row_root: bytes
    note: str = ""


class Change(Record, kw_only=True, frozen=True):
    """Something that evidence rests on was changed.

    Attributes:
        what: Name of the setting or part, such as `gateway.fail_open`.
        before: What it was; None where that is unknown.
        after: What it is now.
        reason: Why, in words.
    """

    statement_type = StatementType.CHANGE

    what: str
    before: Any = None
    after: Any
    reason: str


class Refusal(Record, kw_only=True, frozen=True):
    """The ledger refused a statement of a known issuer. Written by the ledger itself.

    Attributes:
        entry: The refused statement.
        reason: Name of the rule, see `tallystick.ledger.rules`.
        message: In words.
        policy: Id of the policy that was in force.
    """

    statement_type = StatementType.REFUSAL

    entry: bytes
    reason: str
    message: str
    policy: bytes


class ExplanationRequest(Record, kw_only=True, frozen=True):
    """A person asks how a decision about them came about.

    Attributes:
        words: In their own words.
        shown: How they showed that it is about them, where somebody else signed for them: by a
            `code` that was handed out with the receipt, or by the whole `record`.
    """

    statement_type = StatementType.EXPLANATION_REQUEST

    words: str
    shown: Literal["code", "record"] | None = None


class ReviewRequest(Record, kw_only=True, frozen=True):
    """A person asks that a human being look at a decision about them again.

    Attributes:
        words: In their own words.
        shown: How they showed that it is about them, where somebody else signed for them: by a
            `code` that was handed out with the receipt, or by the whole `record`.
    """

    statement_type = StatementType.REVIEW_REQUEST

    words: str
    shown: Literal["code", "record"] | None = None


class Appeal(Record, kw_only=True, frozen=True):
    """A person contests a decision about them; until it is answered nothing of it is erased.

    Attributes:
        words: In their own words.
        shown: How they showed that it is about them, where somebody else signed for them: by a
            `code` that was handed out with the receipt, or by the whole `record`.
    """

    statement_type = StatementType.APPEAL

    words: str
    shown: Literal["code", "record"] | None = None


class Explanation(Record, kw_only=True, frozen=True):
    """How a decision came about, said to whom it is about.

    Attributes:
        text: In plain words: what part the AI had, and what weighed most.
    """

    statement_type = StatementType.EXPLANATION

    text: str


class Review(Record, kw_only=True, frozen=True):
    """What a human being found who looked at a decision again.

    Attributes:
        outcome: What became of the decision.
        reason: Why, in words.
    """

    statement_type = StatementType.REVIEW

    outcome: Literal["upheld", "changed"]
    reason: str


class AccessAnswer(Record, kw_only=True, frozen=True):
    """A person was given all that is kept about them, as one archive.

    Attributes:
        manifest: SHA-256 of the archive's `manifest.json`, which names the digest of every file.
        records: Records about the person in it.
        size: Size of the log that it covers.
        withheld: Records or fields that the operator left out, for the rights of others.
    """

    statement_type = StatementType.ACCESS_ANSWER

    manifest: bytes
    records: int
    size: int
    withheld: int = 0


RECORDS: tuple[type[Record], ...] = (
    Intent,
    Outcome,
    Decision,
    Approval,
    Model,
    Evaluation,
    Change,
    Refusal,
    AccessAnswer,
    ExplanationRequest,
    ReviewRequest,
    Appeal,
    Explanation,
    Review,
)
"""All records with salted fields. Batches, policies, keys and heartbeats are inline payloads."""


def schemas() -> dict[str, Any]:
    """Return the JSON Schema of every record, by name."""
    refs, components = msgspec.json.schema_components(RECORDS, ref_template="#/$defs/{name}")
    del refs
    return dict(components)
