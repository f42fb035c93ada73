"""Log lines: text for people, one JSON object per line for machines. Nothing personal in either.

    {"time": "2026-11-27T22:00:00.123Z", "level": "warning", "logger": "tallystick.ledger.ledger",
     "message": "publishing failed, …", "trace_id": "…", "span_id": "…"}

Of an error that is logged stand its kind and the places it came through, and its words only where
they are ours: those of others may quote what somebody sent. What looks like a key or token is left
out of every line, whoever wrote it.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from tallystick import tracing
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from tallystick.web import Settings

ACCESS: Final = "tallystick.access"
"""Logger of one line per request; off unless `access_log` is set."""
FRAMES_MAX: Final = 30
MESSAGE_LETTERS_MAX: Final = 2000
LEFT_OUT: Final = "[left out]"

_SECRET: Final = re.compile(
    r"\btly_[\w-]+"
    r"|\bsk-[\w-]{8,}"
    r"|(?i:\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?<=://)[^\s/@]+(?=@)",
    re.DOTALL,
)


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if (trace := tracing.current()) is not None:
            line |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            kind, error, places = record.exc_info
            line["error"] = {"kind": kind.__name__, "message": words(error), "at": _at(places)}
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """For people: level, logger, message, and where an error came from."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines where there is an error."""
        trace = tracing.current()
        ids = f" [{trace.trace_id}]" if trace is not None else ""
        lines = [f"{record.levelname} {record.name}:{ids} {_message(record)}"]
        if record.exc_info and record.exc_info[1] is not None:
            kind, error, places = record.exc_info
            lines += [f"  {kind.__name__}: {words(error)}", *(f"  {at}" for at in _at(places))]
        return "\n".join(lines)


def configure(settings: "Settings") -> None:
    """Send log lines to standard error, as the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    level = getattr(logging, settings.log_level.upper())
    for name in ("tallystick", "uvicorn"):
        logging.getLogger(name).setLevel(level)
    access = logging.getLogger(ACCESS)
    access.setLevel(logging.INFO if settings.access_log else logging.CRITICAL)


def words(error: BaseException) -> str:
    """Return the words of an error of ours; of others they are not known to be harmless."""
    return without_secrets(str(error)) if isinstance(error, TallystickError) else LEFT_OUT


def without_secrets(text: str) -> str:
    """Return text without what looks like a key, a token or a password."""
    return _SECRET.sub(LEFT_OUT, text)


def _message(record: logging.LogRecord) -> str:
    text = without_secrets(record.getMessage())
    return text if len(text) <= MESSAGE_LETTERS_MAX else text[:MESSAGE_LETTERS_MAX] + "…"


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _at(places: TracebackType | None) -> list[str]:
    """Return file, line and function that an error came through, the innermost last."""
    found: list[str] = []
    while places is not None:
        code = places.tb_frame.f_code
        name = places.tb_frame.f_globals.get("__name__", code.co_filename)
        found.append(f"{name}:{places.tb_lineno} in {code.co_name}")
        places = places.tb_next
    return found[-FRAMES_MAX:]
