"""What the native API takes and gives, as JSON. Bytes are base64url without padding, ids hex."""

from typing import Any, Literal

import msgspec

from tallystick.web.problems import Problem


class FieldBody(msgspec.Struct, forbid_unknown_fields=True):
    """One field of content.

    Attributes:
        salt: 32 bytes, base64url.
        value: Deterministic CBOR, base64url.
    """

    salt: str
    value: str


class ContentBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a statement commits to, to be kept in the vault.

    Attributes:
        salt: 32 bytes of the whole, base64url.
        fields: By name.
    """

    salt: str
    fields: dict[str, FieldBody]


class RowsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Rows of a batch statement, to be kept in the vault.

    Attributes:
        salts: 32 bytes per row, concatenated, base64url.
        records: Encoded rows, base64url.
        subjects: Whom each row is about, if rows of one subject are to be erased together.
        purpose: What the rows are kept for.
    """

    salts: str
    records: list[str]
    subjects: list[str | int | None] | None = None
    purpose: str = ""


class SubmissionBody(msgspec.Struct, forbid_unknown_fields=True):
    """A signed statement, with what comes beside it.

    Attributes:
        entry: COSE_Sign1, base64url.
        content: What it commits to.
        leaves: Leaf hashes of a batch statement, concatenated, base64url; required for those.
        rows: Rows of a batch statement.
        about: Whom the content is about, so that it can be erased with all that is; stays in the
            vault.
        purpose: What it is kept for, beside `about`.
        beside: Instead of `about`, the id of a statement: it is about the same person as that one,
            whom the sender need not know.
    """

    entry: str
    content: ContentBody | None = None
    leaves: str | None = None
    rows: RowsBody | None = None
    about: str | None = None
    purpose: str = ""
    beside: str | None = None


class EntryResult(msgspec.Struct, omit_defaults=True):
    """What became of one statement of several: index and id, or a problem.

    Attributes:
        index: Its place in the log, for ever.
        id: Statement id.
        existed: It had been registered before; this was a retry.
        receipt: COSE receipt, base64url, if it was asked for.
        problem: Why it is not registered.
    """

    index: int | None = None
    id: str | None = None
    existed: bool = False
    receipt: str | None = None
    problem: Problem | None = None


class RegisteredAnswer(msgspec.Struct, omit_defaults=True):
    """Answer for one statement.

    Attributes:
        index: Its place in the log, for ever.
        id: Statement id.
        checkpoint: Signed note of a log that contains it; may not be published yet.
        existed: It had been registered before; this was a retry.
        receipt: COSE receipt for that checkpoint, base64url, if it was asked for.
    """

    index: int
    id: str
    checkpoint: str
    existed: bool = False
    receipt: str | None = None


class BatchAnswer(msgspec.Struct):
    """Answer for several statements.

    Attributes:
        results: One per statement, in order.
        checkpoint: Signed note of a log that contains all that are registered, and to which all
            receipts lead; null if none is.
    """

    results: list[EntryResult]
    checkpoint: str | None


class StreamEnd(msgspec.Struct):
    """Last line of the answer to a stream.

    Attributes:
        checkpoint: Signed note of a log that contains all that are registered; null if none is.
        registered: How many are, retries included.
        refused: How many are not.
        problem: Why the stream was not read to its end; null if it was.
    """

    checkpoint: str | None
    registered: int
    refused: int
    problem: Problem | None


class HeaderView(msgspec.Struct, omit_defaults=True):
    """A statement's protected header, decoded. All of it is the issuer's claim.

    Attributes:
        algorithm: COSE number.
        key_id: RFC 9679 thumbprint, hex.
        issuer: DID of who signed.
        subject: What it is about.
        issued_at: Seconds since 1970.
        type: Statement type; absent in statements of other products.
        content_type: Media type of what the payload commits to, or of the payload itself.
        hashed: The payload is a commitment.
        location: Hint where the content is.
        emitter: Process that wrote it, hex.
        epoch: Count of its starts.
        seq: Count of its statements in this epoch.
        prev: Statement before this one, hex.
        links: Other statements by relation, hex.
        model: SHA-256 of the model that was used, hex.
        assurance: How strongly the originator is known, as the signer claims; what there is
            evidence for stands in `originator`.
    """

    algorithm: int
    key_id: str
    issuer: str
    subject: str
    issued_at: int | None = None
    type: str | None = None
    content_type: str | None = None
    hashed: bool = False
    location: str | None = None
    emitter: str | None = None
    epoch: int | None = None
    seq: int | None = None
    prev: str | None = None
    links: dict[str, list[str]] = {}
    model: str | None = None
    assurance: str | None = None


class OriginatorView(msgspec.Struct):
    """For whom a statement was made, computed from what stands in the log.

    Attributes:
        assurance: How strongly the originator is known; never more than there is evidence for.
        basis: In words, what that rests on.
        principal: DID for whom was acted; null where nobody is named.
        agent: DID that acted: that signed, or that called, as who signed says.
        exceeded: The header claims more than that.
        delegation: Id of the delegation under which the agent acted; null without one.
    """

    assurance: str
    basis: str
    principal: str | None
    agent: str
    exceeded: bool
    delegation: str | None


class FoundView(msgspec.Struct, omit_defaults=True):
    """A statement in a search result, or in a stream.

    Attributes:
        index: Its place in the log.
        id: Statement id.
        header: Decoded.
        originator: For whom it was made, computed without opening content: an approval by passkey
            is no evidence here.
        entry: As registered, base64url, if it was asked for.
    """

    index: int
    id: str
    header: HeaderView
    originator: OriginatorView
    entry: str | None = None


class CheckpointView(msgspec.Struct):
    """A checkpoint that covers everything that was sent before it.

    Attributes:
        size: Entries that it covers; may be more than were sent.
        checkpoint: Signed note; may not be published yet.
    """

    size: int
    checkpoint: str


class EndView(msgspec.Struct):
    """Why a stream ends, although nothing is wrong.

    Attributes:
        reason: `limit` or `closing`.
    """

    reason: str


class StatementView(msgspec.Struct):
    """A registered statement with its proof.

    Attributes:
        index: Its place in the log.
        id: Statement id.
        header: Decoded.
        entry: As registered, base64url.
        receipt: COSE receipt, base64url.
        checkpoint: Signed note that the receipt leads to.
        originator: For whom it was made, as this service computes it; verify a bundle to know.
        retrain_due: Rows that a model used and that are erased since, while no later version that
            used none of them is registered; null for everything but models.
    """

    index: int
    id: str
    header: HeaderView
    entry: str
    receipt: str
    checkpoint: str
    originator: OriginatorView
    retrain_due: int | None = None


class PageView(msgspec.Struct):
    """Some results, newest first. Complete only as far as the operator's index is trusted.

    Attributes:
        statements: What was found.
        next: Address of the next page; null where this was all.
    """

    statements: list[FoundView]
    next: str | None


class ConsistencyView(msgspec.Struct):
    """That an older log is a prefix of a newer one (RFC 9162, section 2.1.4).

    Attributes:
        from_size: Size of the older.
        from_root: Its root, base64url.
        to_size: Size of the newer.
        to_root: Its root, base64url.
        path: The proof, base64url each.
        checkpoint: The newest signed note, of a size of at least `to_size`.
    """

    from_size: int
    from_root: str
    to_size: int
    to_root: str
    path: list[str]
    checkpoint: str


class RuleView(msgspec.Struct, omit_defaults=True):
    """A rule: these issuers, or all of these kinds, may register these types.

    Attributes:
        types: Statement types; `*` is every type.
        issuers: DIDs.
        kinds: Kinds of issuers.
    """

    types: list[str]
    issuers: list[str] = []
    kinds: list[str] = []


class PolicyView(msgspec.Struct):
    """The registration policy that holds now.

    Attributes:
        statement: Id of the statement that registered it.
        index: Its place in the log.
        version: Version of the policy's format.
        rules: Any of them may allow.
        visibility: Class of content by statement type, `*` for all others.
        log: `public`, or `private` where only who is entitled reads the log.
    """

    statement: str
    index: int
    version: int
    rules: list[RuleView]
    visibility: dict[str, str]
    log: str


class LedgerView(msgspec.Struct):
    """A further ledger of this service.

    Attributes:
        name: As it stands in addresses.
        url: Its address, under which everything of the API stands again.
        state: `open`, or `closed` where it could not be opened.
        origin: Name of its log; null where it is closed.
        size: Entries that everybody can read; null where it is closed.
    """

    name: str
    url: str
    state: Literal["open", "closed"]
    origin: str | None = None
    size: int | None = None


class LedgersView(msgspec.Struct):
    """The further ledgers of this service, in order of their names.

    Attributes:
        ledgers: Beside the one that answers.
    """

    ledgers: list[LedgerView]


class KeyView(msgspec.Struct):
    """A registered key: this issuer signs with it, says the operator.

    Attributes:
        issuer: DID.
        key_id: RFC 9679 thumbprint, hex.
        key: COSE_Key, base64url.
        kind: person, organisation, machine or ai.
        name: Public name; always null for a person.
        index: Entry that registered it.
        valid_until: Last index at which what it signed is to be believed; null while it signs.
        state: `valid`, `rotated`, or the reason of its revocation.
        ended_by: Entry that ended it.
        agreed: Key of the issuer that agreed to it, hex; null for a first key.
    """

    issuer: str
    key_id: str
    key: str
    kind: str
    name: str | None
    index: int
    valid_until: int | None
    state: str
    ended_by: int | None
    agreed: str | None


class KeysView(msgspec.Struct):
    """Registered keys in the order of their registration.

    Attributes:
        origin: Name of the log.
        checkpoint_key: Verifier key of its checkpoints.
        receipt_key: COSE_Key of its receipts, base64url.
        operator: DID of who governs the log.
        keys: Of all issuers.
        next: Address of the next page; null where this was all.
    """

    origin: str
    checkpoint_key: str
    receipt_key: str
    operator: str
    keys: list[KeyView]
    next: str | None


class AskBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a person is asked to approve.

    Attributes:
        issuer: DID of the person.
        action: A code, or `decision`, which the service registers once it is approved.
        targets: Ids of the statements that it is about.
        fields: What it says, shown to the person; for `decision`, the fields of that record.
        seconds: How long it may be approved.
    """

    issuer: str
    action: str
    targets: list[str] = []
    fields: dict[str, Any] = {}
    seconds: int = 900


class AskedView(msgspec.Struct):
    """Where the person finds the question.

    Attributes:
        url: Page for the person; whoever has it sees the question.
        subject: Subject of the statement that their answer becomes.
        expires_at: From then on it is too late, seconds since 1970.
    """

    url: str
    subject: str
    expires_at: int


class CodeBody(msgspec.Struct, forbid_unknown_fields=True):
    """An invitation's code."""

    code: str


class MadeBody(CodeBody, forbid_unknown_fields=True):
    """What a browser answers when it made a passkey; bytes in base64url."""

    attestation: str
    client_data: str


class AgreedBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a browser answers when a passkey signed; bytes in base64url."""

    authenticator_data: str
    client_data: str
    signature: str


class AnswerBody(AgreedBody, forbid_unknown_fields=True):
    """An answer: to approve, or to decline."""

    declined: bool = False


class EnrolBody(msgspec.Struct, forbid_unknown_fields=True):
    """A passkey that was made, and that agreed to be registered."""

    made: MadeBody
    agreed: AgreedBody


class BegunView(msgspec.Struct):
    """What a browser needs to make a passkey."""

    challenge: str
    rp_id: str
    log: str
    name: str
    algorithms: list[int]


class PossessionView(msgspec.Struct):
    """What a passkey must sign to be registered."""

    challenge: str


class EnrolledView(msgspec.Struct):
    """A passkey that is registered; null where it waits for a key of its issuer to agree."""

    index: int | None = None
    id: str | None = None


class AnsweredView(msgspec.Struct):
    """What became of an answer: the approval, and what was carried out by it."""

    declined: bool
    indexes: list[int]
    ids: list[str]


class HeldBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a person holds of a decision about them.

    Attributes:
        receipt: A receipt (COSE, in base64 or hex), a tlog-proof, an evidence bundle, or an id.
        code: As handed out with it; may be left out where the bundle opens all content.
    """

    receipt: str
    code: str = ""


class RequestBody(HeldBody, forbid_unknown_fields=True, kw_only=True):
    """What a person asks of a decision about them.

    Attributes:
        receipt: A receipt (COSE, in base64 or hex), a tlog-proof, an evidence bundle, or an id.
        code: As handed out with it; may be left out where the bundle opens all content.
        kind: `explanation-request`, `review-request` or `appeal`.
        words: In their own words; kept encrypted.
    """

    kind: str
    words: str


class WithdrawalBody(HeldBody, forbid_unknown_fields=True, kw_only=True):
    """What a person does not ask any more.

    Attributes:
        receipt: A receipt (COSE, in base64 or hex), a tlog-proof, an evidence bundle, or an id.
        code: As handed out with it; may be left out where the bundle opens all content.
        request: Id of the statement that asked it.
        words: Why, if they say so; kept encrypted.
    """

    request: str
    words: str = ""
