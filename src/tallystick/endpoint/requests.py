"""What callers ask for: JSON of the OpenAI protocol, parsed and limited.

Members that are not named here are left alone, as other servers do. What would change the answer
and cannot be done is refused: `n` above 1, tools, log probabilities, formats other than text.
"""

import re
from typing import Annotated, Any, Final, Literal, NoReturn, TypeVar

import msgspec

from tallystick.endpoint.problems import not_json, unsupported, wrong_value

STOPS_MAX: Final = 4
STOP_LETTERS_MAX: Final = 64
MESSAGES_MAX: Final = 256
INPUTS_MAX: Final = 64
TEMPERATURE: Final = 0.7
"""Where none is asked for. A weak model at 1, as the protocol has it, says even less."""
TEMPERATURE_MAX: Final = 2.0

_PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`")
_SEED: Final = msgspec.Meta(ge=-(2**63), le=2**63 - 1)

Stop = Annotated[str, msgspec.Meta(min_length=1, max_length=STOP_LETTERS_MAX)]
Tokens = Annotated[int, msgspec.Meta(ge=1)]
Read = TypeVar("Read", bound="ChatRequest | EmbeddingRequest")


class Part(msgspec.Struct, frozen=True):
    """A part of what was said; only text is understood."""

    type: Literal["text"]
    text: str


class Message(msgspec.Struct, frozen=True):
    """What somebody said."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]

    @property
    def text(self) -> str:
        """All of it."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class StreamOptions(msgspec.Struct, frozen=True):
    """What a stream ends with."""

    include_usage: bool | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation to be continued."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1, max_length=MESSAGES_MAX)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=TEMPERATURE_MAX)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    seed: Annotated[int, _SEED] | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    stop: Stop | Annotated[list[Stop], msgspec.Meta(max_length=STOPS_MAX)] | None = None
    n: Annotated[int, msgspec.Meta(ge=1)] | None = None
    logprobs: bool | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end the answer."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def tokens_max(self) -> int | None:
        """Most tokens of the answer, None for as many as there is room for."""
        given = (self.max_completion_tokens, self.max_tokens)
        return min((most for most in given if most is not None), default=None)

    @property
    def with_usage(self) -> bool:
        """Whether a stream tells the number of tokens before it ends."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    def check(self) -> None:
        """Refuse what no model here can do.

        Raises:
            ProblemError: Names the member.
        """
        if self.n not in {None, 1}:
            raise unsupported("n", f"one answer is given to a question, not {self.n}")
        if self.logprobs:
            raise unsupported("logprobs", "log probabilities are not given")
        if self.tools or self.functions:
            raise unsupported("tools" if self.tools else "functions", "no tools are called")
        if self.response_format and self.response_format.get("type") != "text":
            raise unsupported("response_format", "answers are text")
        if self.modalities and self.modalities != ["text"]:
            raise unsupported("modalities", "answers are text")


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Texts that are to become vectors."""

    model: str
    input: str | Annotated[list[str], msgspec.Meta(min_length=1, max_length=INPUTS_MAX)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None

    @property
    def texts(self) -> list[str]:
        """All of them."""
        return [self.input] if isinstance(self.input, str) else self.input

    def check(self) -> None:
        """Refuse what no model here can do.

        Raises:
            ProblemError: Names the member.
        """
        if self.dimensions is not None:
            raise unsupported("dimensions", "vectors are as long as they are")


def parse_chat(body: bytes) -> ChatRequest:
    """Read a request for an answer.

    Raises:
        ProblemError: Not JSON, a member of the wrong type or range, or one that asks for what
            cannot be done.
    """
    return _parse(body, ChatRequest)


def parse_embedding(body: bytes) -> EmbeddingRequest:
    """Read a request for vectors.

    Raises:
        ProblemError: As `parse_chat`.
    """
    return _parse(body, EmbeddingRequest)


def _parse(body: bytes, kind: type[Read]) -> Read:
    try:
        request = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        _refuse(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(str(error)) from error
    request.check()
    return request


def _refuse(message: str) -> NoReturn:
    """Name the member that a message of the parser is about."""
    found = _PLACE.search(message)
    if found is None and "missing required field" in message:
        found = re.search(r"`(\w+)`", message)
    place = found.group(1) if found else None
    words = _PLACE.sub("", message)
    raise wrong_value(f"{place}: {words}" if place else words, place)
