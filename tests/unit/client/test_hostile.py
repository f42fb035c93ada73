"""Whatever a service answers, only our errors come out, and memory and time stay bounded."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.errors import EncodingError, LimitError, TallystickError
from tests.ledgers import Issuer
from tests.unit.client.answering import answering, http
from tests.unit.client.speaking import ONCE, Speaker

STATEMENT = Issuer().sign()
Word = tuple[str, tuple[Any, ...]]

WORDS: list[Word] = [
    ("register", ([STATEMENT],)),
    ("statement", (STATEMENT.id,)),
    ("prove", (STATEMENT.id,)),
    ("find", ()),
    ("checkpoint", ()),
    ("bundle", (STATEMENT.id,)),
    ("watch", (0,)),
]

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "index",
                    "id",
                    "entry",
                    "receipt",
                    "checkpoint",
                    "results",
                    "statements",
                    "next",
                    "problem",
                    "type",
                    "existed",
                    "size",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
_statuses = st.sampled_from(["200 OK", "201 Created", "400 Bad", "404 No", "500 Error"])
_media = st.sampled_from(["application/json", "text/event-stream", "application/problem+json"])


def hear(word: Word, reply: bytes, speaker: Speaker) -> None:
    """Say a word to who answers with these bytes; only our errors may come of it."""
    with answering(reply) as server, suppress(TallystickError):
        speaker.say(server.url, word[0], *word[1], patience=ONCE)


@settings(max_examples=60)
@given(word=st.sampled_from(WORDS), status=_statuses, body=_json, media=_media)
def test_json_of_another_form(word: Any, status: str, body: Any, media: str) -> None:
    hear(word, http(status, body, content_type=media), Speaker("sync"))


@settings(max_examples=60)
@given(word=st.sampled_from(WORDS), status=_statuses, body=st.binary(max_size=300), media=_media)
def test_bytes_that_are_nothing(word: Any, status: str, body: bytes, media: str) -> None:
    hear(word, http(status, body, content_type=media), Speaker("async"))


@settings(max_examples=60)
@given(word=st.sampled_from(WORDS), reply=st.binary(max_size=300))
def test_what_is_no_http_at_all(word: Any, reply: bytes) -> None:
    hear(word, reply, Speaker("sync"))


@settings(max_examples=60)
@given(
    word=st.sampled_from(WORDS),
    at=st.integers(0, 200),
    change=st.binary(min_size=1, max_size=3),
)
def test_http_with_some_bytes_changed(word: Any, at: int, change: bytes) -> None:
    reply = http("200 OK", {"results": [], "statements": []}, content_type="application/json")
    hear(word, reply[:at] + change + reply[at + len(change) :], Speaker("async"))


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 40,
    ],
)
def test_what_is_no_answer_is_said_and_not_asked_again(speaker: Speaker, reply: bytes) -> None:
    with answering(reply) as server, pytest.raises(EncodingError):
        speaker.say(server.url, "checkpoint")

    assert len(server.asked) == 1


@contextmanager
def pouring(head: bytes, more: bytes) -> Iterator[tuple[str, list[int]]]:
    """Answer with something that has no end; count what was taken."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        taken = [0]

        def pour() -> None:
            with suppress(OSError):
                line, _ = listener.accept()
                with closing(line):
                    line.settimeout(10)
                    line.recv(1 << 16)
                    line.sendall(head)
                    while taken[0] < 1 << 30:
                        line.sendall(more)
                        taken[0] += len(more)

        threading.Thread(target=pour, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", taken


CHUNK = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntallystick-api: 1\r\ntransfer-encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("word", "head", "more", "kind"),
    [
        ("checkpoint", b"HTTP/1.1 200 OK\r\n", b"x-more: headers\r\n" * 4096, EncodingError),
        ("checkpoint", b"HTTP/1.1 ", b"x" * 65536, EncodingError),
        ("checkpoint", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 C\r\n\r\n", EncodingError),
        ("checkpoint", CHUNKED + b"\r\n", CHUNK, LimitError),
        ("checkpoint", CHUNKED + b"\r\n0\r\n", b"x-more: trailers\r\n" * 4096, EncodingError),
        ("watch", CHUNKED + b"content-type: text/event-stream\r\n\r\n", CHUNK, LimitError),
    ],
)
def test_what_has_no_end_is_left_early(
    speaker: Speaker, word: str, head: bytes, more: bytes,
    kind: type[TallystickError],
) -> None:  # fmt: skip
    with pouring(head, more) as (url, taken), pytest.raises(kind):
        speaker.say(url, word, patience=ONCE)

    assert taken[0] < 200 << 20
