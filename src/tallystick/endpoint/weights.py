"""The file of a model: its shape, its vocabulary, and its numbers as 8-bit integers.

Deterministic CBOR, so that one model has one digest. It is data, not code, and is read without
NumPy, so that a service can name the model whose numbers it does not use.

    {"format": "small-lm/1", "shape": {...}, "pairs": bytes, "matrices": {name: [scales, values]}}

`pairs` holds two 16-bit numbers per pair of the vocabulary, `scales` one 16-bit float per row,
`values` one signed byte per number: a number is its value times the scale of its row. All of them
are little-endian. Whoever can change the file and the digest beside it can make the model say
anything.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

from tallystick.endpoint.tokens import BYTES, FIRST_PAIR, Pair
from tallystick.errors import DamagedError, EncodingError, LimitError
from tallystick.statement import dcbor

FORMAT: Final = "small-lm/1"
WEIGHTS_BYTES_MAX: Final = 500_000
LAYERS_MAX: Final = 16
WIDTH_MAX: Final = 512
CONTEXT_TOKENS_MAX: Final = 4096
VOCABULARY_MAX: Final = 1 << 15
INNER: Final = 4
"""How much wider a layer is inside than outside."""

EMBEDDING: Final = "embedding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a model is made of.

    Attributes:
        layers: Blocks of attention and of two linear maps.
        width: Numbers that stand for a token.
        heads: Parts of the attention; each is `width / heads` wide, an even number.
        context: Most tokens of question and answer together.
    """

    layers: int
    width: int
    heads: int
    context: int

    def matrices(self, vocabulary: int) -> Iterator[tuple[str, int, int]]:
        """Yield name, rows and columns of every matrix."""
        yield EMBEDDING, vocabulary, self.width
        for layer in range(self.layers):
            yield f"{layer}.attend", 3 * self.width, self.width
            yield f"{layer}.attended", self.width, self.width
            yield f"{layer}.widen", INNER * self.width, self.width
            yield f"{layer}.narrow", self.width, INNER * self.width

    def check(self) -> None:
        """Refuse what no model can be made of.

        Raises:
            EncodingError: The message names the number.
        """
        for name, most in (
            ("layers", LAYERS_MAX),
            ("width", WIDTH_MAX),
            ("heads", WIDTH_MAX),
            ("context", CONTEXT_TOKENS_MAX),
        ):
            if not 0 < getattr(self, name) <= most:
                raise EncodingError(f"{name} must be in 1..{most}, got {getattr(self, name)}")
        if self.width % (2 * self.heads):
            raise EncodingError(f"width {self.width} is not {self.heads} heads of an even width")


@dataclass(frozen=True, slots=True)
class Matrix:
    """Numbers in rows: little-endian, `values` times the scale of their row."""

    scales: bytes
    values: bytes


@dataclass(frozen=True, slots=True)
class Weights:
    """A model as its file has it; `pairs` is its vocabulary beyond bytes and marks."""

    shape: Shape
    pairs: tuple[Pair, ...]
    matrices: Mapping[str, Matrix]

    def encode(self) -> bytes:
        """Return the file."""
        return dcbor.encode(
            {
                "format": FORMAT,
                "shape": asdict(self.shape),
                "pairs": b"".join(struct.pack("<HH", *pair) for pair in self.pairs),
                "matrices": {n: [m.scales, m.values] for n, m in self.matrices.items()},
            }
        )


def open_weights(file: bytes, digest: bytes) -> Weights:
    """Read a model whose digest is known.

    Raises:
        DamagedError: Another digest, or not a model at all.
    """
    seen = sha256(file).digest()
    if seen != digest:
        raise DamagedError(
            f"the model's weights have SHA-256 {seen.hex()}, expected {digest.hex()}",
            advice="install the package again",
        )
    try:
        return parse_weights(file)
    except (EncodingError, LimitError) as error:
        raise DamagedError(f"the model's weights cannot be read: {error}") from error


def parse_weights(file: bytes) -> Weights:
    """Read a model; whose it is, is not checked here: `open_weights` does that.

    Raises:
        EncodingError: Not a model of this format.
        LimitError: Larger than `WEIGHTS_BYTES_MAX`.
    """
    if len(file) > WEIGHTS_BYTES_MAX:
        raise LimitError(f"weights have {len(file)} bytes, at most {WEIGHTS_BYTES_MAX} allowed")
    content = dcbor.decode_deterministic(file, "weights")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise EncodingError(f"weights are not of the format {FORMAT}")
    if content.keys() != {"format", "shape", "pairs", "matrices"}:
        raise EncodingError(f"weights have other members than {FORMAT}: {sorted(content)}")
    shape, pairs = _shape(content["shape"]), _pairs(content["pairs"])
    return Weights(shape, pairs, _matrices(content["matrices"], shape, FIRST_PAIR + len(pairs)))


def _shape(given: Any) -> Shape:
    names = set(Shape.__dataclass_fields__)
    if not isinstance(given, dict) or given.keys() != names:
        raise EncodingError(f"the shape must name {sorted(names)}")
    if any(type(value) is not int for value in given.values()):
        raise EncodingError("the shape must be whole numbers")
    shape = Shape(**given)
    shape.check()
    return shape


def _pairs(given: Any) -> tuple[Pair, ...]:
    if not isinstance(given, bytes) or len(given) % 4 or len(given) // 4 > VOCABULARY_MAX:
        raise EncodingError(f"pairs must be at most {VOCABULARY_MAX} times 4 bytes")
    pairs = tuple((left, right) for left, right in struct.iter_unpack("<HH", given))
    for at, pair in enumerate(pairs):
        if any(BYTES <= token < FIRST_PAIR or token >= FIRST_PAIR + at for token in pair):
            raise EncodingError(f"pair {at} joins tokens that are not there before it: {pair}")
    return pairs


def _matrices(given: Any, shape: Shape, vocabulary: int) -> dict[str, Matrix]:
    wanted = {name: (rows, columns) for name, rows, columns in shape.matrices(vocabulary)}
    if not isinstance(given, dict) or given.keys() != wanted.keys():
        raise EncodingError(f"the matrices must be {', '.join(wanted)}")
    return {name: _matrix(name, given[name], *size) for name, size in wanted.items()}


def _matrix(name: str, given: Any, rows: int, columns: int) -> Matrix:
    parts = given if isinstance(given, list) else []
    lengths = [len(part) if isinstance(part, bytes) else -1 for part in parts]
    if lengths != [2 * rows, rows * columns]:
        raise EncodingError(f"{name} must be {rows} scales and {rows} x {columns} values")
    return Matrix(*parts)
