"""Answers and vectors of the network, step by step."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tallystick.endpoint.network import Floats, Network
from tallystick.endpoint.problems import context_exceeded
from tallystick.endpoint.requests import TEMPERATURE, ChatRequest, Message
from tallystick.endpoint.sampling import Sampler
from tallystick.endpoint.tokens import Decoder, Mark, Tokens
from tallystick.endpoint.work import Finish, Piece, Stops

READ_TOKENS: Final = 64
"""Tokens of a question that are read in one step: about as long as others wait for their turn."""

_MARKS: Final = {
    "system": Mark.SYSTEM,
    "developer": Mark.SYSTEM,
    "user": Mark.USER,
    "assistant": Mark.ASSISTANT,
}


def prompt_of(messages: Sequence[Message], tokens: Tokens, most: int) -> list[int]:
    """Return a conversation as the model learned it, up to where it is to answer.

    Args:
        messages: What was said.
        tokens: The model's vocabulary.
        most: Tokens of the context, one of which must be left for the answer.

    Raises:
        ProblemError: The conversation is longer.
    """
    prompt: list[int] = []
    for message in messages:
        said = tokens.encode(message.text, most)
        prompt += [_MARKS[message.role], *said, Mark.END]
        if len(prompt) >= most:
            raise context_exceeded(most, "messages")
    prompt.append(Mark.ASSISTANT)
    if len(prompt) >= most:
        raise context_exceeded(most, "messages")
    return prompt


class Generation:
    """One answer. Each step reads a part of the question, or gives a token, or closes."""

    def __init__(self, network: Network, tokens: Tokens, request: ChatRequest) -> None:
        """Begin it.

        Raises:
            ProblemError: The conversation is longer than the context.
        """
        context = network.shape.context
        self._unread = prompt_of(request.messages, tokens, context)
        self._network, self._cache = network, network.cache()
        self._decoder, self._stops = Decoder(tokens), Stops(request.stops)
        temperature = TEMPERATURE if request.temperature is None else request.temperature
        top_p = 1.0 if request.top_p is None else request.top_p
        self._sampler = Sampler(temperature, top_p, request.seed)
        self._scores: Floats | None = None
        self._finish: Finish | None = None
        self.prompt_tokens = len(self._unread)
        self.completion_tokens = 0
        room = context - self.prompt_tokens
        self._most = room if request.tokens_max is None else min(room, request.tokens_max)
        self.done = False

    def step(self) -> Piece | None:
        """Go on by one step."""
        if self._finish is not None:
            return self._close(self._finish)
        if self._unread:
            self._read()
        return None if self._scores is None else self._say()

    def _read(self) -> None:
        """Take in the next tokens; the last of them give the scores of what follows."""
        part, self._unread = self._unread[:READ_TOKENS], self._unread[READ_TOKENS:]
        states = self._network.read(part, self._cache)
        if not self._unread:
            self._scores = self._network.scores(states[-1])

    def _say(self) -> Piece:
        assert self._scores is not None  # noqa: S101 - whoever calls has looked
        token = self._sampler.choose(self._scores)
        self._scores = None
        if token == Mark.END:
            return self._close("stop")
        self._unread = [token]
        self.completion_tokens += 1
        text = self._stops.take(self._decoder.take(token))
        if self._stops.found:
            self._finish = "stop"
        elif self.completion_tokens == self._most:
            self._finish = "length"
        return Piece(text)

    def _close(self, finish: Finish) -> Piece:
        self.done = True
        if self._stops.found:
            return Piece("", finish)
        rest = self._stops.take(self._decoder.end())
        return Piece(rest + self._stops.end(), finish)


class MeanStates:
    """Vectors of texts: the mean of what the network makes of their tokens, at length one."""

    def __init__(self, network: Network, tokens: Tokens, texts: Sequence[str]) -> None:
        """Begin them.

        Raises:
            ProblemError: A text is longer than the context.
        """
        self._network = network
        self._texts = [[int(Mark.TEXT), *tokens.encode(t, network.shape.context)] for t in texts]
        if any(len(text) > network.shape.context for text in self._texts):
            raise context_exceeded(network.shape.context, "input")
        self.prompt_tokens = sum(map(len, self._texts))
        self._begin()

    def step(self) -> list[float] | None:
        """Read a part of a text; return its vector with its last part."""
        text = self._texts[0]
        part = text[self._cache.size : self._cache.size + READ_TOKENS]
        self._sum += self._network.read(part, self._cache).sum(axis=0)
        if self._cache.size < len(text):
            return None
        vector = self._sum / np.linalg.norm(self._sum)
        del self._texts[0]
        self._begin()
        return [float(value) for value in vector]

    def _begin(self) -> None:
        self.done = not self._texts
        self._cache = self._network.cache()
        self._sum = np.zeros(self._network.shape.width, np.float32)
