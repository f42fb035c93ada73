"""What people are asked: named by what only they know, unreadable in the file, settled once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Barrier, Thread

import pytest

from tallystick.approvals import Kind, Waiting, waiting
from tallystick.errors import (
    ApprovalError,
    DamagedError,
    EncodingError,
    LimitError,
    NotFoundError,
    UnavailableError,
    VersionError,
)

SECRET, NOW = b"s" * 32, 1_790_000_000
QUESTION = b"is the tumour benign"


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Waiting]:
    with closing(Waiting(tmp_path / "asked.sqlite", SECRET)) as opened:
        yield opened


def test_a_question_is_found_by_its_token_and_by_its_kind_alone(asked: Waiting) -> None:
    token = asked.add(Kind.APPROVAL, QUESTION, NOW + 60, NOW)

    held = asked.open(Kind.APPROVAL, token)

    assert (held.content, held.not_after, held.outcome) == (QUESTION, NOW + 60, None)
    with pytest.raises(NotFoundError):
        asked.open(Kind.INVITATION, token)
    with pytest.raises(NotFoundError):
        asked.open(Kind.APPROVAL, token[:-4] + "AAAA")
    with pytest.raises(EncodingError):
        asked.open(Kind.APPROVAL, "no code")


def test_the_file_shows_neither_question_nor_token(asked: Waiting, tmp_path: Path) -> None:
    token = asked.add(Kind.APPROVAL, QUESTION, NOW + 60, NOW)
    asked.settle(Kind.APPROVAL, token, b"the answer is no")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert all(one.stat().st_mode & 0o077 == 0 for one in tmp_path.iterdir())
    for secret in (QUESTION, b"the answer is no", token.encode()):
        assert secret not in stored


def test_a_question_is_settled_once_whoever_asks_at_the_same_time(asked: Waiting) -> None:
    token = asked.add(Kind.APPROVAL, QUESTION, NOW + 60, NOW)
    barrier, done = Barrier(8), list[str]()

    def settle(name: str) -> None:
        barrier.wait()
        try:
            asked.settle(Kind.APPROVAL, token, name.encode())
            done.append(name)
        except ApprovalError as error:
            assert error.reason == "approval.replayed"  # noqa: PT017 - in a thread

    threads = [Thread(target=settle, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [first] = done
    assert asked.open(Kind.APPROVAL, token).outcome == first.encode()


def test_another_process_sees_the_question_and_a_restart_keeps_it(
    asked: Waiting, tmp_path: Path
) -> None:
    token = asked.add(Kind.INVITATION, QUESTION, NOW + 60, NOW)

    with closing(Waiting(tmp_path / "asked.sqlite", SECRET)) as other:
        assert other.open(Kind.INVITATION, token).content == QUESTION


def test_without_the_ledgers_secret_it_does_not_open(asked: Waiting, tmp_path: Path) -> None:
    token = asked.add(Kind.APPROVAL, QUESTION, NOW + 60, NOW)

    with (
        closing(Waiting(tmp_path / "asked.sqlite", b"x" * 32)) as other,
        pytest.raises(DamagedError, match="does not open"),
    ):
        other.open(Kind.APPROVAL, token)


def test_what_ended_a_day_ago_is_forgotten(asked: Waiting) -> None:
    token = asked.add(Kind.APPROVAL, QUESTION, NOW, NOW)

    asked.add(Kind.APPROVAL, QUESTION, NOW, NOW + waiting.KEPT_SECONDS)
    assert asked.open(Kind.APPROVAL, token).content == QUESTION
    asked.add(Kind.APPROVAL, QUESTION, NOW, NOW + waiting.KEPT_SECONDS + 1)
    with pytest.raises(NotFoundError):
        asked.open(Kind.APPROVAL, token)


def test_no_more_wait_than_that(asked: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "WAITING_MAX", 2)
    token = asked.add(Kind.APPROVAL, QUESTION, NOW, NOW)
    asked.add(Kind.INVITATION, QUESTION, NOW, NOW)

    with pytest.raises(LimitError, match="2 questions"):
        asked.add(Kind.APPROVAL, QUESTION, NOW, NOW)
    asked.settle(Kind.APPROVAL, token, b"")
    asked.add(Kind.APPROVAL, QUESTION, NOW, NOW)


def test_one_asker_leaves_places_to_others(
    asked: Waiting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING_EACH_MAX", 2)
    tokens = [asked.add(Kind.APPROVAL, QUESTION, NOW, NOW, "did:key:zEager") for _ in range(2)]

    with pytest.raises(LimitError, match="2 questions of did:key:zEager are waiting, at most 2"):
        asked.add(Kind.APPROVAL, QUESTION, NOW, NOW, "did:key:zEager")

    asked.add(Kind.APPROVAL, QUESTION, NOW, NOW, "did:key:zOther")
    for _ in range(3):
        asked.add(Kind.INVITATION, QUESTION, NOW, NOW)  # the operator's own
    asked.settle(Kind.APPROVAL, tokens[0], b"")
    asked.add(Kind.APPROVAL, QUESTION, NOW, NOW, "did:key:zEager")
    assert b"zEager" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_what_is_forgotten_takes_no_place(asked: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "WAITING_EACH_MAX", 1)
    asked.add(Kind.APPROVAL, QUESTION, NOW, NOW, "did:key:zEager")
    dropped = asked.add(Kind.APPROVAL, QUESTION, NOW, NOW, "did:key:zOther")

    asked.drop(Kind.APPROVAL, dropped)

    asked.add(Kind.APPROVAL, QUESTION, NOW, NOW, "did:key:zOther")
    later = NOW + waiting.KEPT_SECONDS + 1
    asked.add(Kind.APPROVAL, QUESTION, later, later, "did:key:zEager")


def test_a_file_of_an_earlier_release_is_used_as_it_is(tmp_path: Path) -> None:
    with closing(Waiting(tmp_path / "asked.sqlite", SECRET)) as opened:
        token = opened.add(Kind.APPROVAL, QUESTION, NOW, NOW)
    with closing(sqlite3.connect(tmp_path / "asked.sqlite")) as database:
        database.execute("DROP TABLE askers")

    with closing(Waiting(tmp_path / "asked.sqlite", SECRET)) as again:
        again.add(Kind.APPROVAL, QUESTION, NOW, NOW, "did:key:zOther")
        assert again.open(Kind.APPROVAL, token).content == QUESTION


def stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def sealed(asked: Waiting) -> list[bytes]:
    rows = asked._database.execute("SELECT sealed, outcome FROM asked").fetchall()
    return [one for row in rows for one in row if one is not None]


def test_what_was_asked_and_answered_is_in_no_file_any_more(asked: Waiting, tmp_path: Path) -> None:
    done, dropped, ended = (asked.add(Kind.APPROVAL, QUESTION, NOW, NOW) for _ in range(3))
    asked.settle(Kind.APPROVAL, done, b"the answer is no")
    before = sealed(asked)
    assert all(one in stored(tmp_path) for one in before)

    asked.finish(Kind.APPROVAL, done, b"", b"done")
    asked.drop(Kind.APPROVAL, dropped)
    later = NOW + waiting.KEPT_SECONDS + 1
    asked.add(Kind.APPROVAL, b"another", later, later)

    assert ended
    assert [one for one in before if one in stored(tmp_path)] == []  # while the file is open


def test_what_is_no_such_file_is_said_to_be_unusable(tmp_path: Path) -> None:
    (tmp_path / "asked.sqlite").write_bytes(b"no database at all" * 100)

    with pytest.raises(UnavailableError, match="cannot be used"):
        Waiting(tmp_path / "asked.sqlite", SECRET)


def test_a_file_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "asked.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 2")

    with pytest.raises(VersionError, match="format 2"):
        Waiting(path, SECRET)
