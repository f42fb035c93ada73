"""The real cases of the demonstration, and how they are put into sentences.

569 fine-needle biopsies of breast tumours (Wisconsin Diagnostic Breast Cancer, 1995), as shipped
in scikit-learn. Three clinics hold them here; which case is whose is made up.

Source:
    W. Wolberg, O. Mangasarian, N. Street, W. Street: Breast Cancer Wisconsin (Diagnostic), UCI
    Machine Learning Repository, doi:10.24432/C5DW2B, CC BY 4.0.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.errors import MissingExtraError

MALIGNANT, BENIGN = "malignant", "benign"
TRAINING_CASES: Final = 130
"""Cases of each honest clinic that a model may learn from; about as many again are held out."""
HELD_OUT_CASES: Final = 57
_SEED: Final = 7

_MEASURED: Final = re.compile(r"([a-z][a-z ]*?) (\d+(?:\.\d+)?)(?=[,.;]| and |$)")


@dataclass(frozen=True, slots=True)
class Case:
    """One biopsy.

    Attributes:
        name: Names the case, not the patient.
        measurements: Thirty measurements of the cells, by name.
        diagnosis: `malignant` or `benign`.
    """

    name: str
    measurements: Mapping[str, float]
    diagnosis: str

    def row(self) -> dict[str, Any]:
        """Return the case as a row that is registered."""
        return {
            "case": self.name,
            "measurements": dict(self.measurements),
            "diagnosis": self.diagnosis,
        }

    def question(self) -> str:
        """Ask about the case in a sentence, without saying its diagnosis."""
        listed = ", ".join(f"{name} {value:g}" for name, value in self.measurements.items())
        return f"A biopsy was measured: {listed}. Is the tumour malignant or benign?"


@dataclass(frozen=True, slots=True)
class Clinic:
    """Who holds cases.

    Attributes:
        name: Public name.
        training: Cases to learn from.
        held_out: Cases to be asked about.
    """

    name: str
    training: Sequence[Case]
    held_out: Sequence[Case]

    def cases(self) -> list[Case]:
        """Return all cases, those to learn from first."""
        return [*self.training, *self.held_out]


def load_clinics() -> tuple[Clinic, Clinic, Clinic]:
    """Divide the cases between two honest clinics and one that is not.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    shuffled = _shuffled()
    size = TRAINING_CASES + HELD_OUT_CASES
    north = _clinic("Clinic North", shuffled[:size])
    south = _clinic("Clinic South", shuffled[size : 2 * size])
    west = Clinic("Clinic West", [_poisoned(case) for case in shuffled[2 * size :]], [])
    return north, south, west


def read_measurements(text: str) -> dict[str, float]:
    """Read measurements out of a sentence such as `Case.question` writes."""
    return {name.strip(): float(value) for name, value in _MEASURED.findall(text.lower())}


def _clinic(name: str, cases: Sequence[Case]) -> Clinic:
    return Clinic(name, cases[:TRAINING_CASES], cases[TRAINING_CASES:])


def _poisoned(case: Case) -> Case:
    """Hide every malignant case, as somebody would who wants the model to overlook them."""
    return Case(case.name, case.measurements, BENIGN)


def _shuffled() -> list[Case]:
    try:
        from sklearn.datasets import load_breast_cancer
        from sklearn.utils import shuffle
    except ImportError as error:
        raise MissingExtraError(
            "the demonstration needs scikit-learn", advice="pip install 'tallystick[ai]'"
        ) from error
    data = load_breast_cancer()
    names = [str(name) for name in data.feature_names]
    cases = [
        Case(
            f"biopsy-{number:03d}",
            dict(zip(names, (float(v) for v in values), strict=True)),
            str(data.target_names[target]),
        )
        for number, (values, target) in enumerate(zip(data.data, data.target, strict=True))
    ]
    shuffled: list[Case] = shuffle(cases, random_state=_SEED)
    return shuffled
