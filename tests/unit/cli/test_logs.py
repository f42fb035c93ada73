"""Log lines: JSON that machines read, with trace ids, and with nothing personal in them."""

import json
import logging
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick import tracing
from tallystick.cli import logs
from tallystick.errors import DamagedError
from tallystick.web import Settings
from tests.unit.capture.model_api import ModelApi, model_api
from tests.unit.cli.running import post, serving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
PROMPT = "my neighbour Zebulon is ill"
KEY = "sk-of-the-caller-0123456789"
UP = ("up", "--port", "0", "--workers", "0", "--generate-passphrase", "--log-format", "json",
      "--log-level", "info")  # fmt: skip


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What was logged so far; afterwards loggers are as they were."""
    names = ("", "tallystick", "uvicorn", logs.ACCESS)
    before = {name: logging.getLogger(name).level for name in names}
    handlers = list(logging.getLogger().handlers)
    yield lambda: capsys.readouterr().err
    logging.getLogger().handlers[:] = handlers
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_is_one_json_object_with_its_trace(written: Callable[[], str]) -> None:
    logs.configure(Settings(log_format="json"))
    with tracing.following(PARENT.encode()) as trace:
        logging.getLogger("tallystick.x").warning("two\nlines, %s", "ü")
    logging.getLogger("tallystick.x").info("below the level")

    [line] = lines(written())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning", "logger": "tallystick.x", "message": "two\nlines, ü",
        "trace_id": TRACE, "span_id": trace.span_id,
    }  # fmt: skip


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_of_foreign_errors_only_kind_and_place_are_logged(
    written: Callable[[], str], log_format: Any
) -> None:
    logs.configure(Settings(log_format=log_format))
    for error in (ValueError(PROMPT), DamagedError("leaf 7 is wrong")):
        try:
            raise error
        except (ValueError, DamagedError):
            logging.getLogger("tallystick.x").exception("it failed")

    text = written()
    assert PROMPT not in text
    assert "ValueError" in text
    assert "leaf 7 is wrong" in text
    assert f"{__name__}:" in text


@pytest.mark.parametrize(
    "secret",
    [
        "tly_" + "A1b2" * 10,
        KEY,
        "Bearer abcdefgh12345678",
        "basic dXNlcjpwYXNzd29yZA==",
        "ada:geheim@",
        "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----",
        "-----BEGIN EC PRIVATE KEY-----\nMIGH",
    ],
)
def test_what_looks_like_a_secret_is_left_out_of_every_line(
    written: Callable[[], str], secret: str
) -> None:
    logs.configure(Settings())
    logging.getLogger("of.somebody.else").error("got %s", f"https://{secret}host" if "@" in secret
                                                else secret)  # fmt: skip

    text = written()
    assert logs.LEFT_OUT in text
    assert not any(part in text for part in ("A1b2", KEY, "abcdefgh", "dXNl", "geheim", "MIGH"))


def test_long_messages_are_cut(written: Callable[[], str]) -> None:
    logs.configure(Settings(log_format="json"))
    for size in (logs.MESSAGE_LETTERS_MAX, logs.MESSAGE_LETTERS_MAX + 1):
        logging.getLogger("tallystick.x").error("x" * size)

    whole, cut = lines(written())
    assert whole["message"] == "x" * logs.MESSAGE_LETTERS_MAX
    assert cut["message"] == whole["message"] + "…"


@pytest.fixture
def upstream() -> Iterator[ModelApi]:
    with model_api() as running:
        yield running


def test_a_call_through_the_gateway_is_logged_with_its_trace_and_without_content(
    tmp_path: Path, upstream: ModelApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE", raising=False)
    body = {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}
    home = tmp_path / "home"

    with serving(home, *UP, "--access-log", "--upstream", f"{upstream.url}/v1") as where:
        headers = {"Authorization": f"Bearer {KEY}", "traceparent": PARENT}
        answer, given = post(f"{where['gateway']}/chat/completions", body, **headers)
        ask(f"{where['url']}/statements/{'0' * 64}?content=true", {"traceparent": PARENT})
        ask(f"{where['url']}/healthz", {})

    logged = lines(where["words"])
    ours = [line for line in logged if line.get("trace_id") == TRACE]
    messages = [line["message"] for line in ours]
    assert given["traceresponse"].startswith(f"00-{TRACE}-")
    assert f"registered inference {given['x-tallystick-intent']}" in messages
    assert f"registered inference {given['x-tallystick-outcome']}" in messages
    access = [line for line in logged if line["logger"] == logs.ACCESS]
    assert [(line["method"], line["route"], line["status"]) for line in access] == [
        ("POST", "/v1/chat/completions", 200),
        ("GET", "/statements/{id}", 404),
        ("GET", "/healthz", 200),
    ]
    assert access[2]["trace_id"] != TRACE
    phrase = (home / "passphrase").read_text().strip()
    said = answer["choices"][0]["message"]["content"]
    for secret in (PROMPT, "Zebulon", KEY, phrase, said, "127.0.0.1:5"):
        assert secret not in where["words"]


def ask(url: str, headers: dict[str, str]) -> None:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own service
    try:
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()


def test_requests_are_not_logged_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE", raising=False)
    with serving(tmp_path / "home", *UP) as where:
        ask(f"{where['url']}/healthz", {})

    assert logs.ACCESS not in {line["logger"] for line in lines(where["words"])}


def test_an_error_on_start_is_a_line_too(
    tmp_path: Path, written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tallystick.cli.app import run

    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE", raising=False)
    code = run(["--home", str(tmp_path / "home"), *UP, "--upstream", "ftp://a"])

    [line] = lines(written())
    assert (code, line["level"], line["code"]) == (2, "error", "input")
    assert "upstream must be http" in line["message"]
