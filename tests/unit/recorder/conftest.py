from pathlib import Path

import pytest

from tests.unit.recorder.recorders import Recorder, recorder_in


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return recorder_in(tmp_path / "home", tmp_path / "recorder")
