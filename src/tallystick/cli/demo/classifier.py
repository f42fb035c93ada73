"""The model of the demonstration: a logistic regression that answers in sentences.

The artifact holds the weights *and* the words: which sentence says which result is part of the
model, is hashed with it, and cannot change without the digest changing. It is data, not code, and
needs no library to be run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from tallystick.cli.demo.cases import BENIGN, MALIGNANT, read_measurements
from tallystick.errors import EncodingError, MissingExtraError
from tallystick.statement import dcbor

FORMAT: Final = "case-classifier/1"
PARAMETERS: Final = {"penalty": "l2", "C": 1.0, "solver": "lbfgs", "max_iter": 2000}
REASONS: Final = 3
"""Measurements that an answer names."""

_WORDS: Final = {
    "answer": "{diagnosis}, with a probability of {probability} %. What weighed most: {reasons}.",
    "missing": "I need all {count} measurements; {missing} is missing.",
}


@dataclass(frozen=True, slots=True)
class CaseClassifier:
    """A model, read from its artifact.

    Attributes:
        features: Names of the measurements, in the order of the numbers below.
        mean: Mean of each in the training rows.
        scale: Standard deviation of each.
        weights: Of the standardised measurements; positive speaks for malignant.
        intercept: Added to their sum.
        words: Sentences with gaps.
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    words: Mapping[str, str]

    def probability(self, measurements: Mapping[str, float]) -> float:
        """Return how probable it is that the tumour is malignant, 0 to 1."""
        score = self.intercept + sum(self._contributions(measurements).values())
        return 1 / (1 + math.exp(-score))

    def diagnose(self, measurements: Mapping[str, float]) -> str:
        """Return the more probable diagnosis."""
        return MALIGNANT if self.probability(measurements) >= 0.5 else BENIGN

    def answer(self, question: str) -> str:
        """Answer a question in a sentence."""
        measurements = read_measurements(question)
        missing = [name for name in self.features if name not in measurements]
        if missing:
            return self.words["missing"].format(count=len(self.features), missing=missing[0])
        probability = self.probability(measurements)
        diagnosis = self.diagnose(measurements)
        certainty = probability if diagnosis == MALIGNANT else 1 - probability
        contributions = self._contributions(measurements)
        towards = 1 if diagnosis == MALIGNANT else -1
        heaviest = sorted(contributions, key=lambda name: -towards * contributions[name])
        reasons = ", ".join(f"{name} {measurements[name]:g}" for name in heaviest[:REASONS])
        return self.words["answer"].format(
            diagnosis=diagnosis.capitalize(), probability=f"{100 * certainty:.1f}", reasons=reasons
        )

    def _contributions(self, measurements: Mapping[str, float]) -> dict[str, float]:
        rows = zip(self.features, self.mean, self.scale, self.weights, strict=True)
        return {name: w * (measurements[name] - m) / s for name, m, s, w in rows}


def train(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Train on rows of cases and return the artifact. The same rows give the same bytes.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise MissingExtraError(
            "training needs scikit-learn", advice="pip install 'tallystick[ai]'"
        ) from error
    features = sorted(rows[0]["measurements"])
    inputs = [[row["measurements"][name] for name in features] for row in rows]
    targets = [row["diagnosis"] == MALIGNANT for row in rows]
    scaler = StandardScaler().fit(inputs)
    model = LogisticRegression(
        C=PARAMETERS["C"], solver=PARAMETERS["solver"], max_iter=PARAMETERS["max_iter"]
    ).fit(scaler.transform(inputs), targets)
    return dcbor.encode(
        {
            "format": FORMAT,
            "features": features,
            "mean": [float(v) for v in scaler.mean_],
            "scale": [float(v) for v in scaler.scale_],
            "weights": [float(v) for v in model.coef_[0]],
            "intercept": float(model.intercept_[0]),
            "words": _WORDS,
        }
    )


def parse_artifact(artifact: bytes) -> CaseClassifier:
    """Read a model.

    Raises:
        EncodingError: Not an artifact of this format.
    """
    content = dcbor.decode_deterministic(artifact, "model artifact")
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise EncodingError(f"not a {FORMAT} artifact")
    try:
        return CaseClassifier(
            features=tuple(content["features"]),
            mean=tuple(content["mean"]),
            scale=tuple(content["scale"]),
            weights=tuple(content["weights"]),
            intercept=content["intercept"],
            words=content["words"],
        )
    except KeyError as error:
        raise EncodingError(f"{FORMAT} artifact lacks {error}") from error


def digest(artifact: bytes) -> bytes:
    """Return the digest that statements name the model by."""
    return sha256(artifact).digest()


def evaluate(model: CaseClassifier, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return how a model does on rows: accuracy, and the share of malignant cases it overlooks."""
    right = [model.diagnose(row["measurements"]) == row["diagnosis"] for row in rows]
    malignant = [ok for ok, row in zip(right, rows, strict=True) if row["diagnosis"] == MALIGNANT]
    return {
        "accuracy": sum(right) / len(right),
        "overlooked_malignant": 1 - sum(malignant) / len(malignant),
    }
