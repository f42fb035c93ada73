"""The file of what was used: counts add up, outlive the writer, and damage is said."""

import sqlite3
from pathlib import Path

import pytest

from tallystick.capture import usage_file
from tallystick.capture.usage import TOKENS_MAX, Counts, Place, counts_of, place_of
from tallystick.capture.usage_file import (
    OTHER,
    UsageFile,
    read_spending,
    read_usage,
    replace_usage,
)
from tallystick.errors import ConflictError, DamagedError, UnavailableError, VersionError
from tallystick.evidence import Outcome

HERE = Place("k", "m", "2026-11-27")
ONE = Counts(calls=1, uncounted=1, prompt_tokens=2, completion_tokens=3, errors=1, refused=4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "usage.sqlite"


def outcome(status: str = "ok", **members: object) -> Outcome:
    return Outcome(status=status, response=b"", duration_ms=1.0, **members)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "counts"),
    [
        (outcome(usage={"prompt_tokens": 7, "completion_tokens": 3}), Counts(1, 0, 7, 3)),
        (outcome(usage={"prompt_tokens": 1, "total_tokens": 1}), Counts(1, 0, 1, 0)),
        (outcome(usage={"prompt_tokens": 0, "completion_tokens": 0}), Counts(1)),
        (outcome(), Counts(1, 1)),
        (outcome("error"), Counts(1, 1, errors=1)),
        (outcome("cancelled"), Counts(1, 1, errors=1)),
        (outcome("refused"), Counts(refused=1)),
        (outcome(usage={"prompt_tokens": -5, "completion_tokens": 1.5}), Counts(1, 1)),
        (outcome(usage={"prompt_tokens": True, "completion_tokens": {}}), Counts(1, 1)),
        (outcome(usage={"prompt_tokens": TOKENS_MAX}), Counts(1, 0, TOKENS_MAX)),
        (outcome(usage={"prompt_tokens": TOKENS_MAX + 1}), Counts(1, 1)),
    ],
)
def test_an_outcome_counts_for_what_the_upstream_says(record: Outcome, counts: Counts) -> None:
    assert counts_of(record) == counts


def test_a_call_is_counted_on_the_day_of_its_outcome_in_utc() -> None:
    midnight = 1_795_824_000

    assert place_of("k", outcome(model="m"), midnight - 1) == Place("k", "m", "2026-11-27")
    assert place_of(None, outcome(), midnight) == Place("asserted", "", "2026-11-28")


def test_counts_add_up_and_are_read_beside_the_writer(path: Path) -> None:
    with UsageFile(path) as file:
        file.add({HERE: ONE}, (0, 5))
        file.add({HERE: ONE, HERE._replace(day="2026-11-28"): ONE}, None)

        assert file.mark() == (0, 5)
        first, second = read_usage(path)

    assert first.counts == Counts(2, 2, 4, 6, 2, 8)
    assert (second.place.day, second.counts) == ("2026-11-28", ONE)
    assert read_usage(path, since="2026-11-28") == [second]
    assert read_usage(path, until="2026-11-27") == [first]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_a_key_spent_is_there_after_a_restart(path: Path) -> None:
    days = ("2025-01-01", "2026-11-01", "2026-11-27")
    with UsageFile(path) as file:
        file.add({HERE._replace(day=day, model=day): Counts(1, 0, 5, 5) for day in days}, (1, 2))
    with UsageFile(path) as file:
        spending = file.spending("2026-11-27")

    assert [spending.of("k", per, "2026-11-27").calls for per in ("day", "month", "ever")] == [
        1, 2, 3,
    ]  # fmt: skip
    assert read_spending(path, "2026-11-27").of("k", "month", "2026-11-27").tokens == 20


def test_a_file_that_is_not_there_holds_nothing(path: Path) -> None:
    assert read_usage(path) == []
    assert read_spending(path, "2026-11-27").of("k", "ever", "2026-11-27").calls == 0
    assert not path.exists()


def test_models_of_one_key_and_day_have_a_limit(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_file, "MODELS_MAX", 2)
    with UsageFile(path) as file:
        file.add({HERE._replace(model=name): ONE for name in "ab"}, None)
        file.add({HERE._replace(model=name): ONE for name in "acd"}, None)
        file.add({HERE._replace(model="c", day="2026-11-28"): ONE}, None)

    assert [(used.place.model, used.counts.calls) for used in read_usage(path)] == [
        (OTHER, 2), ("a", 2), ("b", 1), ("c", 1),
    ]  # fmt: skip


def test_one_process_writes(path: Path) -> None:
    with UsageFile(path):
        with pytest.raises(ConflictError):
            UsageFile(path)
        with pytest.raises(ConflictError):
            replace_usage(path, {}, None)
    with UsageFile(path):
        pass


@pytest.mark.parametrize("keep", [0, 20, 5000])
def test_damage_is_said_with_the_way_out(path: Path, keep: int) -> None:
    with UsageFile(path) as file:
        table = {HERE._replace(model=f"model-{number}"): ONE for number in range(300)}
        file.add(table, None)
    whole = path.read_bytes()
    path.write_bytes(whole[:keep] + b"\xff" * (len(whole) - keep))

    for use in (lambda: UsageFile(path).close(), lambda: read_usage(path)):
        with pytest.raises(DamagedError, match=r"usage\.sqlite") as caught:
            use()
        assert "--rebuild" in str(caught.value.advice)

    replace_usage(path, {HERE: ONE}, (3, 4))
    assert [used.counts for used in read_usage(path)] == [ONE]


def test_another_database_and_a_newer_format_are_not_taken_for_ours(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE usage (a)")
    database.close()
    with pytest.raises(VersionError, match="format 0"):
        read_usage(path)
    with pytest.raises(VersionError, match="format 0"):
        UsageFile(path)

    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(VersionError, match="format 2"):
        read_usage(path)


def test_a_number_that_is_none_is_damage(path: Path) -> None:
    with UsageFile(path) as file:
        file.add({HERE: ONE}, None)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE usage SET calls = 'many'")
    database.close()

    with pytest.raises(DamagedError):
        read_usage(path)


def test_a_file_that_cannot_be_opened_now_is_no_damage(path: Path) -> None:
    path.mkdir()

    with pytest.raises(UnavailableError):
        UsageFile(path)
