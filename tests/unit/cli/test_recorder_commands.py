"""`tally recorder`: made in one go, or in two."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick.errors import UnavailableError
from tallystick.ledger.versioned import replace_private
from tallystick.recorder.place import Place
from tests.unit.cli.running import Command

MAKING = "tallystick.recorder.making"


def test_a_recorder_that_was_half_made_is_finished_the_next_time(
    made: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "app"
    with monkeypatch.context() as patch:
        patch.setattr(f"{MAKING}.replace_private", failing(replace_private, "recorder.json"))
        made("recorder", "create", "app", "--to", folder, code=4)
    issuer = made("recorder", "create", "app", "--to", folder).strip()
    made("recorder", "create", "app", "--to", folder, code=4)
    assert "there is a recorder" in made.words
    keys = made("find", "--type", "key", "--subject", issuer, "--json").splitlines()

    assert len(keys) == 1
    assert json.loads(Place(folder).card.read_bytes())["issuer"] == issuer


def failing(step: Callable[..., None], name: str) -> Callable[..., None]:
    def fails(path: Path, data: bytes) -> None:
        if path.name == name:
            raise UnavailableError("no room")
        step(path, data)

    return fails
