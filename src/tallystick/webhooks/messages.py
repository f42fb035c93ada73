"""What is sent: statements as JSON, in the frame and under the headers of Standard Webhooks.

    {"type": "statements.registered", "timestamp": "2026-11-27T09:00:00Z",
     "data": {"webhook": "mine", "statements": [{"index": 17, …}],
              "checkpoint": {"size": 20, "checkpoint": "…"}}}

The id of a message names the webhook and the first and last index in it. What lies between is
fixed by the webhook's filters, which never change: equal ids, equal statements.

Source:
    Standard Webhooks 1.0.0, sections "Payload structure" and "Webhook Headers (Metadata)".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tallystick.webhooks.signing import sign
from tallystick.webhooks.store import Webhook

REGISTERED: Final = "statements.registered"
TEST: Final = "webhook.test"
STATEMENTS_MAX: Final = 100
"""Statements in one message."""
BODY_BYTES_MAX: Final = 256 << 10
"""Of statements in one message. An entry has 64 KiB at most, so one always fits."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message, the same bytes at every attempt.

    Attributes:
        id: Names it, for receivers that want to take it once.
        body: JSON.
        statements: How many.
        position: Where the next message begins.
    """

    id: str
    body: bytes
    statements: int
    position: int

    def headers(self, secrets: Sequence[bytes], now: int) -> dict[str, str]:
        """Return the headers of an attempt that is made now."""
        return {
            "webhook-id": self.id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(secrets, self.id, now, self.body),
        }


def registered(
    webhook: Webhook,
    statements: Sequence[tuple[int, bytes]],
    position: int,
    checkpoint: tuple[int, str],
    now: int,
) -> Message:
    """Make the message of some statements.

    Args:
        webhook: Whose.
        statements: Index and JSON of each, in log order; at least one.
        position: Where the next message begins.
        checkpoint: Size and note of a checkpoint that covers them.
        now: Seconds since 1970.
    """
    data = {
        "webhook": webhook.name,
        "statements": [msgspec.Raw(text) for _, text in statements],
        "checkpoint": {"size": checkpoint[0], "checkpoint": checkpoint[1]},
    }
    message_id = f"msg_{webhook.id}_{statements[0][0]}_{statements[-1][0]}"
    return Message(message_id, _framed(REGISTERED, data, now), len(statements), position)


def trial(webhook: Webhook, now: int) -> Message:
    """Make a message that says nothing, to try a target with."""
    body = _framed(TEST, {"webhook": webhook.name}, now)
    return Message(f"msg_{webhook.id}_test_{now}", body, 0, 0)


def _framed(kind: str, data: dict[str, Any], now: int) -> bytes:
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return msgspec.json.encode({"type": kind, "timestamp": moment, "data": data})
