"""The demonstration's model as one that an endpoint serves: it answers word by word."""

from typing import Final, NoReturn

from tallystick.cli.demo.classifier import digest, parse_artifact
from tallystick.endpoint import Piece
from tallystick.endpoint.problems import unsupported, wrong_value
from tallystick.endpoint.requests import ChatRequest
from tallystick.endpoint.work import Stops

MODEL: Final = "case-classifier"


class ServedClassifier:
    """The classifier behind the OpenAI protocol.

    It sees the last question only, and leaves nothing to chance: `temperature`, `top_p` and `seed`
    change nothing.
    """

    def __init__(self, artifact: bytes) -> None:
        """Read the model.

        Raises:
            EncodingError: Not an artifact of a classifier.
        """
        self.name, self.digest = MODEL, digest(artifact)
        self._model = parse_artifact(artifact)

    def answer(self, request: ChatRequest) -> "Sentence":
        """Begin an answer to the last question.

        Raises:
            ProblemError: There is no question.
        """
        asked = [message.text for message in request.messages if message.role == "user"]
        if not asked:
            raise wrong_value("messages: expected one of the user", "messages")
        return Sentence(asked[-1], self._model.answer(asked[-1]), request)

    def embed(self, texts: list[str]) -> NoReturn:
        """Refuse: it knows measurements, not texts.

        Raises:
            ProblemError: Always.
        """
        raise unsupported("model", f"{MODEL} gives no vectors, for {len(texts)} texts or any")


class Sentence:
    """An answer, given word by word; a word counts as a token."""

    def __init__(self, question: str, answer: str, request: ChatRequest) -> None:
        """Begin it."""
        self._words = answer.split(" ")[::-1]
        self._stops, self._most = Stops(request.stops), request.tokens_max
        self.prompt_tokens = len(question.split())
        self.completion_tokens = 0
        self.done = False

    def step(self) -> Piece:
        """Give the next word, or close."""
        full = self.completion_tokens == self._most
        if self._stops.found or full or not self._words:
            self.done = True
            cut = full and self._words and not self._stops.found
            return Piece(self._stops.end(), "length" if cut else "stop")
        self.completion_tokens += 1
        word = self._words.pop()
        return Piece(self._stops.take(word + " " if self._words else word))
