"""What an operation declares of itself: the router and the OpenAPI document both read it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from tallystick.capture.roles import Right
from tallystick.web.answers import Answer
from tallystick.web.call import Call

AsyncHandler = Callable[[Call], Awaitable[Answer | None]]
"""Runs in the event loop. None means that it has sent its answer itself."""
BlockingHandler = Callable[[Call], Answer]
"""Reads files, and so runs in a thread."""
Handler = AsyncHandler | BlockingHandler

BYTES: Final = "bytes"
"""Stands for a schema where a body is not JSON."""


class Dialect(Enum):
    """In which form errors are answered."""

    NATIVE = auto()
    SCRAPI = auto()


@dataclass(frozen=True, slots=True)
class Parameter:
    """Part of a path, or field of the query.

    Attributes:
        name: As it stands in path or query.
        text: What it says.
        schema: JSON Schema of its value.
        place: `path` or `query`.
    """

    name: str
    text: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    place: str = "query"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that an operation gives.

    Attributes:
        status: HTTP status.
        text: When it is given.
        content: By media type: a type with a schema, several of which it is one, or `BYTES`.
    """

    status: int
    text: str
    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one resource.

    Attributes:
        name: Unique; the OpenAPI operationId.
        method: HTTP method.
        path: With parameters in braces; `:path` marks one that may contain slashes.
        handler: What answers.
        summary: One line.
        replies: Answers where nothing is wrong.
        parameters: Of path and query.
        takes: The body by media type, as `Reply.content`.
        access: What a caller must be allowed; everybody may read, where the log is public.
        open: Whether strangers to a private log get an answer, too: it says nothing of the log.
        dialect: In which form errors are answered.
        tag: Group in the document.
    """

    name: str
    method: str
    path: str
    handler: Handler
    summary: str
    replies: tuple[Reply, ...]
    parameters: tuple[Parameter, ...] = ()
    takes: Mapping[str, Any] = field(default_factory=dict)
    access: Right = Right.READ
    open: bool = False
    dialect: Dialect = Dialect.NATIVE
    tag: str = "ledger"

    @property
    def template(self) -> str:
        """The path as documents and metrics show it."""
        return self.path.replace(":path}", "}")

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields that the query may have."""
        return frozenset(p.name for p in self.parameters if p.place == "query")
