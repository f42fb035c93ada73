"""The story of the demonstration, step by step. Each step uses public calls only."""

import secrets
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tallystick.capture import ApiKeys, originator_of
from tallystick.cli.demo.asking import Asked, ask, wait_for
from tallystick.cli.demo.cases import Clinic, load_clinics
from tallystick.cli.demo.classifier import (
    PARAMETERS,
    digest,
    evaluate,
    parse_artifact,
    train,
)
from tallystick.cli.demo.copying import Copy
from tallystick.cli.demo.endpoint import MODEL
from tallystick.cli.demo.stage import Stage
from tallystick.cli.demo.tamper import tamper_answer, tamper_log, tamper_row
from tallystick.cli.keys import key_record
from tallystick.errors import RefusedError
from tallystick.evidence import (
    Emitter,
    Evaluation,
    LoadedRows,
    Model,
    Shown,
    build_bundle,
    encode_row,
    load_rows,
    sign_batch,
    sign_fields,
)
from tallystick.identity import KeyFile, SoftwareSigner, generate
from tallystick.ledger import (
    Ledger,
    Query,
    Registered,
    RegistrationPolicy,
    Rows,
    Rule,
    Submission,
)
from tallystick.ledger.maintenance import check
from tallystick.merkle import tree_root
from tallystick.statement import Relation, SignedStatement, row_leaves
from tallystick.statement.governance import IssuerKind, StatementType
from tallystick.verify import Report, TrustPolicy, Verdict, examine, parse_bundle, parse_policy

AI = "Case classifier"
DOCTOR = "doctor"


@dataclass(slots=True)
class Facts:
    """What later steps need from earlier ones, and what `--json` shows."""

    batches: list[bytes] = field(default_factory=list)
    artifact: bytes = b""
    model: bytes = b""
    answer: bytes = b""
    shown: dict[str, Any] = field(default_factory=dict)


class Story:
    """Tells the story on one new ledger."""

    def __init__(self, ledger: Ledger, issuers: KeyFile, passphrase: bytes, stage: Stage) -> None:
        """Tell it on `ledger`; the keys that are made go to `issuers`."""
        self.ledger, self.issuers, self.stage = ledger, issuers, stage
        self.passphrase = passphrase
        self.north, self.south, self.west = load_clinics()
        self.trust: TrustPolicy = parse_policy(ledger.home.trust.read_bytes())
        self.facts = Facts()

    # --- 1

    def give_identities(self) -> None:
        """Give two clinics and the AI keys that the ledger knows, and rights."""
        for clinic in (self.north, self.south):
            self.make_issuer(clinic.name, IssuerKind.ORGANISATION)
        self.make_issuer(AI, IssuerKind.AI)
        self.make_issuer(self.west.name, IssuerKind.ORGANISATION, silent=True)
        honest = (self.north.name, self.south.name)
        clinics = frozenset(self.issuers.signer(name).public.did() for name in honest)
        registered = self.ledger.set_policy(
            RegistrationPolicy(
                (
                    Rule(frozenset({"dataset", "heartbeat"}), issuers=clinics),
                    Rule(
                        frozenset(
                            {"dataset", "model", "evaluation", "inference", "change", "heartbeat"}
                        ),
                        kinds=frozenset({IssuerKind.AI}),
                    ),
                    Rule(frozenset({"decision"}), kinds=frozenset({IssuerKind.PERSON})),
                )
            )
        )
        self.stage.done(
            f"who may register what is itself registered, at index {registered.index}",
            "policy show",
        )

    def make_issuer(self, name: str, kind: IssuerKind, *, silent: bool = False) -> SoftwareSigner:
        """Make a key and register it."""
        signer = generate()
        self.issuers.add_signer(name, signer)
        self.issuers.save()
        public_name = None if kind is IssuerKind.PERSON else name
        record = key_record(signer, kind, public_name, self.ledger.card.origin)
        registered = self.ledger.register_key(record)
        if not silent:
            self.stage.done(
                f"{name} is known as {record.issuer[:24]}…, at index {registered.index}",
                f"keys create '{name}' --kind {kind}",
            )
        return signer

    # --- 2

    def register_cases(self) -> None:
        """Let each clinic register its cases: one signature, one commitment per row."""
        for clinic in (self.north, self.south):
            with Emitter(self.ledger, self.issuers.signer(clinic.name)) as emitter:
                registered = emitter.register_rows([encode_row(c.row()) for c in clinic.cases()])
            self.facts.batches.append(registered.id)
            self.stage.done(
                f"{clinic.name} registered {len(clinic.cases())} cases with one signature, "
                f"at index {registered.index}",
                f"batch --as '{clinic.name}' cases.jsonl",
            )
        self.stage.note("the content lies encrypted in the vault; the ledger holds salted hashes")

    # --- 3

    def refuse_poison(self) -> None:
        """Offer rows that must not get in: by a known clinic without the right, and a stranger."""
        statement, submission = self._batch_of(self.west, self.issuers.signer(self.west.name))
        [answer] = self.ledger.register([submission])
        assert isinstance(answer, RefusedError)  # noqa: S101 - the policy does not allow it
        [refusal] = self.ledger.find(Query(link=statement.id, type="refusal")).found
        self.stage.refused(
            f"{self.west.name} offered {len(self.west.training)} poisoned rows: refused, and the "
            f"refusal is recorded at index {refusal.index}",
            f"show {refusal.index}",
        )
        _, submission = self._batch_of(self.west, generate())
        self.ledger.register([submission])
        self.stage.refused("a stranger offered the same: turned away, and only counted")

    def train_models(self) -> None:
        """Train on rows that verify; and, to see what it costs, on the poisoned ones as well."""
        loaded = load_rows(self.ledger, self.facts.batches, self.trust)
        self._show_changed_row()
        training, held_out = self._divide(loaded)
        with Emitter(self.ledger, self.issuers.signer(AI), name="trainer") as ai:
            registered = self._register_model(ai, training, held_out)
            self._register_poisoned(ai, training, held_out)
        self.facts.model = registered.id

    def _divide(self, loaded: LoadedRows) -> tuple[LoadedRows, LoadedRows]:
        learned = {case.name for c in (self.north, self.south) for case in c.training}
        training = tuple(row for row in loaded.rows if row.values["case"] in learned)
        held_out = tuple(row for row in loaded.rows if row.values["case"] not in learned)
        return LoadedRows(training, ()), LoadedRows(held_out, ())

    def _register_model(
        self, ai: Emitter, training: LoadedRows, held_out: LoadedRows
    ) -> Registered:
        links = {str(Relation.DERIVED_FROM): tuple(self.facts.batches)}
        chosen = ai.register_selection(training.leaves(), links=links)
        tested = ai.register_selection(held_out.leaves(), links=links)
        self.facts.artifact = train([row.values for row in training.rows])
        model = _describe(self.facts.artifact, training.leaves())
        registered = ai.register(
            model, links={Relation.USED: (chosen.id,)}, model=model.digest, subject=MODEL
        )
        self.stage.done(
            f"trained only on the {len(training.rows)} rows that verify; model "
            f"{model.digest.hex()[:12]}… is registered with their exact row root, "
            f"at index {registered.index}",
            "rows " + " ".join(str(self.ledger.get(batch).index) for batch in self.facts.batches),
        )
        metrics = evaluate(parse_artifact(self.facts.artifact), [r.values for r in held_out.rows])
        evaluation = Evaluation(
            metrics=metrics, rows=len(held_out.rows), row_root=tree_root(held_out.leaves())
        )
        used = (registered.id, tested.id)
        ai.register(evaluation, links={Relation.USED: used}, model=model.digest)
        self.facts.shown["metrics"] = metrics
        self._say_metrics("on verified rows", metrics, len(held_out.rows))
        return registered

    def _register_poisoned(self, ai: Emitter, training: LoadedRows, held_out: LoadedRows) -> None:
        rows = [row.values for row in training.rows] + [c.row() for c in self.west.training]
        artifact = train(rows)
        _, leaves = row_leaves([encode_row(row) for row in rows], secrets.token_bytes)
        model = _describe(artifact, leaves, f"{MODEL}-poisoned")
        registered = ai.register(model, model=model.digest, subject=f"{MODEL}-poisoned")
        metrics = evaluate(parse_artifact(artifact), [row.values for row in held_out.rows])
        evaluation = Evaluation(
            metrics=metrics,
            rows=len(held_out.rows),
            row_root=tree_root(held_out.leaves()),
            note="trained also on rows that the ledger refused; never offered",
        )
        ai.register(evaluation, links={Relation.USED: (registered.id,)}, model=model.digest)
        self.facts.shown["metrics_poisoned"] = metrics
        self._say_metrics("with the poisoned rows", metrics, len(held_out.rows))

    def _say_metrics(self, how: str, metrics: dict[str, float], rows: int) -> None:
        self.stage.note(
            f"{how}: {metrics['accuracy']:.1%} of {rows} held-out cases right, "
            f"{metrics['overlooked_malignant']:.0%} of malignant tumours overlooked"
        )

    def _show_changed_row(self) -> None:
        """Let an insider change a row after registration, in a copy; the loader refuses it."""
        with self.copy() as copy:
            batch, position = self.facts.batches[0], secrets.randbelow(100)
            forged = self.north.cases()[position].row() | {"diagnosis": "changed"}
            copy.vault.unsafe_overwrite_row(batch, position, encode_row(forged))
            loaded = load_rows(copy, self.facts.batches, self.trust)
        [refused] = loaded.refused
        self.stage.refused(
            f"somebody with the vault's key changed row {position} after registration (in a copy): "
            f"the loader yields {len(loaded.rows)} rows and refuses that one: {refused.error}",
        )

    def _batch_of(
        self, clinic: Clinic, signer: SoftwareSigner
    ) -> tuple[SignedStatement, Submission]:
        records = [encode_row(case.row()) for case in clinic.cases()]
        salts, leaves = row_leaves(records, secrets.token_bytes)
        statement = sign_batch(signer, leaves, issued_at=self.ledger.clock())
        return statement, Submission(statement.entry, leaves=leaves, rows=Rows(salts, records))

    # --- 4

    def ask(self, url: str) -> list[Asked]:
        """Let a doctor ask about every held-out case, through the gateway."""
        doctor = self.make_issuer(DOCTOR, IssuerKind.PERSON).public.did()
        keys = ApiKeys(self.ledger.home.api_keys, self.ledger.api_secret)
        token, _ = keys.create(originator_of(self.ledger, doctor), now=self.ledger.clock())
        self.stage.done("made an API key that stands for the doctor", f"keys api create {DOCTOR}")
        cases = [*self.north.held_out, *self.south.held_out]
        asked = list(ask(url, token, cases))
        right = sum(one.right for one in asked)
        last = wait_for(self.ledger, asked[-1].outcome)
        self.stage.done(
            f"the model answered {len(asked)} prompts, {right} of them rightly; each prompt, "
            f"answer, parameter and originator is registered, up to index {last.index}",
            "find --type inference",
        )
        self.facts.shown["asked"], self.facts.shown["right"] = len(asked), right
        return asked

    def decide(self, asked: list[Asked]) -> None:
        """Let the doctor decide about one answer: a wrong one, if there is any."""
        one = next((a for a in asked if not a.right), asked[0])
        outcome = "accept" if one.right else "override"
        self.stage.note(f"asked: … {one.case.question()[-60:]}")
        self.stage.note(f"answered: {one.answer}")
        answered = wait_for(self.ledger, one.outcome)
        submission = sign_fields(
            self.issuers.signer(DOCTOR),
            StatementType.DECISION,
            {
                "outcome": outcome,
                "reason": f"the tissue was examined: {one.case.diagnosis}",
                "shown": one.answer,
            },
            issued_at=self.ledger.clock(),
            links={Relation.DECIDED_ON: (answered.statement.id,)},
        )
        registered = self.ledger.register_one(submission)
        self.facts.answer = one.outcome
        self.stage.done(
            f"the doctor decided: {outcome}, for {one.case.name} is {one.case.diagnosis}; "
            f"registered at index {registered.index}",
            f"register --as {DOCTOR} --type decision --field outcome={outcome} … "
            f"--link decided_on={answered.index}",
        )

    # --- 5

    def export(self) -> Path:
        """Write the evidence bundle of one answer, down to the rows behind it."""
        bundle = build_bundle(self.ledger, self.facts.answer, Shown(rows=True))
        index = self.ledger.get(self.facts.answer).index
        path = self.ledger.home.root / "answer.tally.json"
        path.write_bytes(bundle.encode())
        self.stage.done(
            f"wrote {path.name}: the answer and the {len(bundle.members) - 1} statements it "
            f"rests on, {path.stat().st_size // 1024} KiB",
            f"export {index} --rows -o {path.name}",
        )
        return path

    def verify(self, path: Path) -> None:
        """Verify the bundle as a stranger would."""
        data = path.read_bytes()
        report = examine(data, self.trust)
        report.raise_unless_verified()
        verified = sum(check.verdict is Verdict.VERIFIED for check in report.checks)
        rows = sum(len(member.rows) for member in parse_bundle(data).members)
        self.facts.shown |= {"checks": verified, "rows_verified": rows}
        self.stage.done(
            f"verified offline, from the answer to the {rows} rows that its clinics registered: "
            f"{verified} checks, none failed",
            f"verify {path} --policy {self.ledger.home.trust}",
        )

    def tamper(self, path: Path) -> None:
        """Change one byte of the ledger, of the answer, and of a row; see what is said."""
        with self.copy() as copy:
            where = tamper_log(copy.home.places().public)
            damage = check(copy.home).damage
        self.stage.refused(f"{where} changed: {damage[0].what}", "fsck")
        self.facts.shown["tampered"] = [damage[0].what]
        for changed in (
            tamper_answer(path.read_bytes(), self.facts.answer),
            tamper_row(path.read_bytes()),
        ):
            report = examine(changed.data, self.trust)
            self.stage.refused(f"{changed.where} changed: {_failures(report)[0]}", "verify")
            self.facts.shown["tampered"].append(_failures(report)[0])

    def copy(self) -> Copy:
        """Return a copy of the ledger as it is now, to tamper with."""
        return Copy(self.ledger, self.passphrase)


def _describe(artifact: bytes, leaves: bytes, name: str = MODEL) -> Model:
    return Model(
        name=name,
        digest=digest(artifact),
        algorithm="logistic regression",
        parameters=dict(PARAMETERS),
        rows=len(leaves) // 32,
        row_root=tree_root(leaves),
        software={name: version(name) for name in ("scikit-learn", "numpy", "tallystick")},
    )


def _failures(report: Report) -> list[str]:
    return [check.detail for check in report.checks if check.verdict is Verdict.FAILED]
