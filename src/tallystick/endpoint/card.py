"""What is known of the small model that ships with the product; needs no NumPy."""

from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from tallystick.errors import DamagedError

SMALL_LM: Final = "small-lm"
"""Name under which the model is served."""
_DATA: Final = files("tallystick.endpoint") / "data"


class Text(msgspec.Struct, frozen=True):
    """A part of what a model was trained on.

    Attributes:
        what: Where it comes from.
        licence: SPDX name of its licence.
        documents: How many texts.
        bytes: Their length together.
        sha256: Digest of all of them, a zero byte between two.
    """

    what: str
    licence: str
    documents: int
    bytes: int
    sha256: str


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A model, how it was made, and how weak it is.

    Attributes:
        name: Name under which it is served.
        algorithm: What kind of model.
        weights_bytes: Length of its file.
        weights_sha256: Digest of its file.
        licence: SPDX name of the weights' licence.
        use: What it is good for, and what it is not.
        trained_by: The program that made it.
        commit: State of the project that the program and a part of the text are from.
        text: What it was trained and tested on.
        rows: Documents that it was trained on.
        row_root: Merkle root over exactly these, each a leaf.
        held_out_rows: Documents that it was only tested on.
        held_out_root: Merkle root over exactly these.
        parameters: Hyper-parameters and seed.
        measured: Figures on text that it has not seen.
        software: Names and versions of what trained it.
    """

    name: str
    algorithm: str
    weights_bytes: int
    weights_sha256: str
    licence: str
    use: str
    trained_by: str
    commit: str
    text: tuple[Text, ...]
    rows: int
    row_root: str
    held_out_rows: int
    held_out_root: str
    parameters: dict[str, Any]
    measured: dict[str, float]
    software: dict[str, str]

    @property
    def digest(self) -> bytes:
        """Digest of the weights, as statements name the model."""
        return bytes.fromhex(self.weights_sha256)

    @property
    def weakness(self) -> str:
        """How well it predicts, in a sentence."""
        own, frequencies = (
            self.measured[name] for name in ("bits_per_byte", "bits_per_byte_of_frequencies")
        )
        return (
            f"{own:.2f} bits per byte of text it has not seen, where frequencies of its tokens "
            f"alone give {frequencies:.2f}"
        )


@cache
def small_lm_card() -> Card:
    """Return the card of the model that ships with the product.

    Raises:
        DamagedError: The installed file is no card.
    """
    try:
        card = msgspec.json.decode((_DATA / "small-lm.card.json").read_bytes(), type=Card)
        for digest in (card.weights_sha256, card.row_root, card.held_out_root):
            bytes.fromhex(digest)
    except (OSError, ValueError) as error:
        raise DamagedError(
            f"the model card cannot be read: {error}", advice="install the package again"
        ) from error
    return card


def small_lm_file() -> bytes:
    """Return the model's file, not yet compared with its card.

    Raises:
        DamagedError: It is not there.
    """
    try:
        return (_DATA / "small-lm.weights").read_bytes()
    except OSError as error:
        raise DamagedError(
            f"the model's weights cannot be read: {error}", advice="install the package again"
        ) from error
