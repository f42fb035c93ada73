"""The figures of the streaming bench: what is cut off or slow shows."""

import pytest

from bench.gateway.small_lm import Answer, figures


def test_frames_and_gaps_are_counted_over_all_streams() -> None:
    fast = Answer(("", "a", "b"), whole=True, times_s=(0.1, 0.11, 0.12))
    cut = Answer(("", "a"), whole=False, times_s=(0.3, 0.4))

    found = figures([([fast, cut], 0.5)])

    assert (found["streams"], found["whole"], found["frames"]) == (2, 1, 5)
    assert found["frames_per_s"] == 10
    assert found["first_frame_ms_p50"] == pytest.approx(200)
    assert found["between_frames_ms"]["p50"] == pytest.approx(10)
