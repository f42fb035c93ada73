"""Recorders for tests: a folder, an application's side of it, and what it wrote."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from tallystick.identity import KeyFile
from tallystick.ledger import Home, read_card
from tallystick.recorder import calls
from tallystick.recorder.forwarder import Forwarder
from tallystick.recorder.frames import FrameReader
from tallystick.recorder.handoff import Handoff
from tallystick.recorder.making import allow, finish_recorder, make_recorder, open_forwarder
from tallystick.recorder.place import FOLDER, SUFFIX, Place
from tallystick.recorder.said import Said, parse
from tests.ledgers import ledger_in


@dataclass
class Recorder:
    """A recorder's folder, and what an application does with it."""

    place: Place

    def private(self) -> bytes:
        phrase = self.place.passphrase.read_bytes().strip()
        return KeyFile(self.place.keys, phrase).secret("frames")

    def said(self) -> list[Said]:
        """Return what stands in all files, the oldest first."""
        paths = sorted(self.place.calls.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
        readers = [FrameReader(path, self.private()) for path in paths]
        return [parse(frame.body) for reader in readers for frame in reader.read(10**6)]


def recorder_in(
    home: Path, folder: Path, url: str = "http://127.0.0.1:1", **more: bool
) -> Recorder:
    """Make a recorder for the ledger in a folder, which nobody has open."""
    place = Place(folder)
    with ledger_in(home) as ledger:
        card, record = make_recorder(
            place, read_card(Home(home)), name="app", url=url, public_name=None,
            fail_open=more.get("fail_open", False),
        )  # fmt: skip
        ledger.register_key(record)
        ledger.set_policy(allow(ledger.state.policy, card.issuer))
    finish_recorder(place, card)
    return Recorder(place)


@contextmanager
def recording_in(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Handoff]:
    """Have `record` and `recording` write here; no forwarder is started."""
    handoff = Handoff(recorder.place.root, forwarder=False)
    monkeypatch.setenv(FOLDER, str(recorder.place.root))
    monkeypatch.setattr(calls, "_open", lambda _folder: handoff)
    yield handoff
    handoff.close()


@contextmanager
def forwarding(recorder: Recorder) -> Iterator[Forwarder]:
    """Forward in a thread."""
    forwarder = open_forwarder(recorder.place)
    thread = Thread(target=forwarder.run)
    thread.start()
    try:
        yield forwarder
    finally:
        forwarder.stop()
        thread.join(60)
        assert not thread.is_alive()


def environment(recorder: Recorder) -> dict[str, str]:
    """Return what an application's process is started with."""
    return {**os.environ, FOLDER: str(recorder.place.root)}
