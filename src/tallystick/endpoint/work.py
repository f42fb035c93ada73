"""What a served model gives: answers and vectors, made in small steps that others go between."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tallystick.endpoint.requests import ChatRequest

Finish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A step of an answer.

    Attributes:
        text: What it adds: of one token, or, in the closing piece, what was held back.
        finish: Why the answer ends; only the closing piece has it.
    """

    text: str
    finish: Finish | None = None


class Work(Protocol):
    """Something that is made step by step, in any one thread at a time."""

    done: bool
    """Whether all of it is made."""

    def step(self) -> Any:
        """Do a little; return what came of it, None where nothing did yet."""


class Answering(Work, Protocol):
    """An answer in the making; its steps are `Piece`s, one per token, and a closing one."""

    prompt_tokens: int
    completion_tokens: int


class Embedding(Work, Protocol):
    """Vectors in the making; its steps are lists of numbers, in the order of the texts."""

    prompt_tokens: int


class ServedModel(Protocol):
    """A model that an endpoint offers.

    Attributes:
        name: What callers ask for.
        digest: SHA-256 of its artifact; answers carry it as `system_fingerprint`.
    """

    name: str
    digest: bytes

    def answer(self, request: ChatRequest) -> Answering:
        """Begin an answer.

        Raises:
            ProblemError: The request is nothing that this model can answer.
        """

    def embed(self, texts: list[str]) -> Embedding:
        """Begin vectors.

        Raises:
            ProblemError: This model gives none, or a text is too long.
        """


class Stops:
    """Cuts an answer at the first text that ends it, though it may come in pieces."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        """Look for these, none of them empty."""
        self._stops, self._held = stops, ""
        self.found = False

    def take(self, text: str) -> str:
        """Return what is certainly before any stop; the rest is held back."""
        self._held += text
        places = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            self.found = True
            given, self._held = self._held[: min(places)], ""
            return given
        keep = max((self._begun(stop) for stop in self._stops), default=0)
        cut = len(self._held) - keep
        given, self._held = self._held[:cut], self._held[cut:]
        return given

    def end(self) -> str:
        """Return what was held back; no stop came of it."""
        held, self._held = self._held, ""
        return held

    def _begun(self, stop: str) -> int:
        """Return how much of a stop the text ends with."""
        lengths = range(min(len(stop) - 1, len(self._held)), 0, -1)
        return next((n for n in lengths if self._held.endswith(stop[:n])), 0)
