"""Steps 2 and 3: rows are registered, poison is refused, a model learns from what verifies."""

import secrets
from contextlib import closing
from importlib.metadata import version

from tallystick.cli.demo.cases import Clinic
from tallystick.cli.demo.classifier import PARAMETERS, digest, evaluate, parse_artifact, train
from tallystick.cli.demo.endpoint import MODEL
from tallystick.cli.demo.story import AI, Story
from tallystick.cli.models import describe
from tallystick.cli.small_model import model_record
from tallystick.endpoint import small_lm_card
from tallystick.errors import RefusedError
from tallystick.evidence import (
    Emitter,
    Evaluation,
    LoadedRows,
    Model,
    encode_row,
    load_rows,
    sign_batch,
)
from tallystick.identity import Signer, generate
from tallystick.ledger import Query, Rows, Submission
from tallystick.merkle import tree_root
from tallystick.statement import Relation, SignedStatement, row_leaves
from tallystick.vault import Vault


def register_cases(story: Story) -> None:
    """Let each clinic register its cases: one signature, one commitment per row."""
    for clinic in (story.north, story.south):
        with Emitter(story.ledger, story.issuers.signer(clinic.name)) as emitter:
            cases = clinic.cases()
            registered = emitter.register_rows(
                [encode_row(case.row()) for case in cases], subjects=[case.name for case in cases]
            )
        story.facts.batches.append(registered.id)
        story.stage.done(
            f"{clinic.name} registered {len(cases)} cases with one signature, "
            f"at index {registered.index}",
            f"batch --as '{clinic.name}' --subject-column case cases.jsonl",
        )
    story.stage.note("the content lies encrypted in the vault; the ledger holds salted hashes")


def refuse_poison(story: Story) -> None:
    """Offer rows that must not get in: by a known clinic without the right, and a stranger."""
    statement, submission = _batch_of(story, story.west, story.issuers.signer(story.west.name))
    [answer] = story.ledger.register([submission])
    assert isinstance(answer, RefusedError)  # noqa: S101 - the policy does not allow it
    [refusal] = story.ledger.find(Query(link=statement.id, type="refusal")).found
    story.stage.refused(
        f"{story.west.name} offered {len(story.west.training)} poisoned rows: refused, and the "
        f"refusal is recorded at index {refusal.index}",
        f"show {refusal.index}",
    )
    _, submission = _batch_of(story, story.west, generate())
    story.ledger.register([submission])
    story.stage.refused("a stranger offered the same: turned away, and only counted")


def train_models(story: Story) -> None:
    """Train on rows that verify; and, to see what it costs, on the poisoned ones as well."""
    loaded = load_rows(story.ledger, story.facts.batches, story.trust)
    _show_changed_row(story)
    training, held_out = _divide(story, loaded)
    with Emitter(story.ledger, story.issuers.signer(AI), name="trainer") as ai:
        _register_model(story, ai, training, held_out)
        _register_poisoned(story, ai, training, held_out)


def offer_small_lm(story: Story) -> None:
    """Register the small language model, which answers beside the classifier."""
    card = small_lm_card()
    with Emitter(story.ledger, story.issuers.signer(AI), name=card.name) as ai:
        ai.register(model_record(card), model=card.digest, subject=card.name)
    story.stage.note(f"beside it answers {describe(card)}: model {card.name}")


def _divide(story: Story, loaded: LoadedRows) -> tuple[LoadedRows, LoadedRows]:
    learned = {case.name for c in (story.north, story.south) for case in c.training}
    training = tuple(row for row in loaded.rows if row.values["case"] in learned)
    held_out = tuple(row for row in loaded.rows if row.values["case"] not in learned)
    return LoadedRows(training, ()), LoadedRows(held_out, ())


def _register_model(story: Story, ai: Emitter, training: LoadedRows, held_out: LoadedRows) -> None:
    links = {str(Relation.DERIVED_FROM): tuple(story.facts.batches)}
    chosen = ai.register_selection(training.leaves(), links=links)
    tested = ai.register_selection(held_out.leaves(), links=links)
    story.facts.artifact = train([row.values for row in training.rows])
    model = _describe(story.facts.artifact, training.leaves())
    registered = ai.register(
        model, links={Relation.USED: (chosen.id,)}, model=model.digest, subject=MODEL
    )
    story.stage.done(
        f"trained only on the {len(training.rows)} rows that verify; model "
        f"{model.digest.hex()[:12]}… is registered with their exact row root, "
        f"at index {registered.index}",
        "rows " + " ".join(str(story.ledger.get(batch).index) for batch in story.facts.batches),
    )
    metrics = evaluate(parse_artifact(story.facts.artifact), [r.values for r in held_out.rows])
    evaluation = Evaluation(
        metrics=metrics, rows=len(held_out.rows), row_root=tree_root(held_out.leaves())
    )
    used = (registered.id, tested.id)
    ai.register(evaluation, links={Relation.USED: used}, model=model.digest)
    story.facts.shown["metrics"] = metrics
    _say_metrics(story, "on verified rows", metrics, len(held_out.rows))


def _register_poisoned(
    story: Story, ai: Emitter, training: LoadedRows, held_out: LoadedRows
) -> None:
    rows = [row.values for row in training.rows] + [c.row() for c in story.west.training]
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
    story.facts.shown["metrics_poisoned"] = metrics
    _say_metrics(story, "with the poisoned rows", metrics, len(held_out.rows))


def _say_metrics(story: Story, how: str, metrics: dict[str, float], rows: int) -> None:
    story.stage.note(
        f"{how}: {metrics['accuracy']:.1%} of {rows} held-out cases right, "
        f"{metrics['overlooked_malignant']:.0%} of malignant tumours overlooked"
    )


def _show_changed_row(story: Story) -> None:
    """Let an insider change a row after registration, in a copy; the loader refuses it."""
    with story.copy() as copy:
        batch, position = story.facts.batches[0], secrets.randbelow(100)
        forged = story.north.cases()[position].row() | {"diagnosis": "changed"}
        # Readers open the vault for reading; who tampers does not keep to that.
        with closing(Vault(copy.home.vault, story.ledger.keys.secret("vault"))) as vault:
            vault.unsafe_overwrite_row(batch, position, encode_row(forged))
        loaded = load_rows(copy, story.facts.batches, story.trust)
    [refused] = loaded.refused
    story.stage.refused(
        f"somebody with the vault's key changed row {position} after registration (in a copy): "
        f"the loader yields {len(loaded.rows)} rows and refuses that one: {refused.error}",
    )


def _batch_of(story: Story, clinic: Clinic, signer: Signer) -> tuple[SignedStatement, Submission]:
    records = [encode_row(case.row()) for case in clinic.cases()]
    salts, leaves = row_leaves(records, secrets.token_bytes)
    statement = sign_batch(signer, leaves, issued_at=story.ledger.clock())
    return statement, Submission(statement.entry, leaves=leaves, rows=Rows(salts, records))


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
