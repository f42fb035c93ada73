"""Pauses between attempts: they double, they differ, and a target may ask for longer ones."""

from datetime import UTC, datetime

import pytest

from tallystick.webhooks.patience import (
    FIRST_SECONDS,
    PAUSE_SECONDS_MAX,
    RETRY_AFTER_SECONDS_MAX,
    pause_seconds,
)

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize("failures", [1, 2, 5, 11, 12, 10_000])
def test_pauses_double_up_to_a_limit(failures: int) -> None:
    longest = min(FIRST_SECONDS * 2 ** min(failures - 1, 40), PAUSE_SECONDS_MAX)
    seen = {pause_seconds(failures, None, NOW) for _ in range(50)}

    assert len(seen) > 10
    assert longest / 2 <= min(seen)
    assert max(seen) <= longest


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("120", 120.0), ("Fri, 27 Nov 2026 12:01:00 GMT", 60.0), ("999999999", 86_400.0)],
)
def test_a_target_may_ask_for_a_longer_pause(asked: str, seconds: float) -> None:
    assert pause_seconds(1, asked, NOW) == seconds
    assert seconds <= RETRY_AFTER_SECONDS_MAX


@pytest.mark.parametrize(
    "asked", ["", "soon", "-5", "1e9", "nan", "9" * 5000, "Fri, 27 Nov 2026 11:00:00 GMT", "²"]
)
def test_what_is_no_time_is_left_out(asked: str) -> None:
    assert pause_seconds(1, asked, NOW) <= FIRST_SECONDS
