"""What all tests share: where the real data lies, and a clock and entropy that repeat."""

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says nothing on a machine that others use too.
settings.register_profile("tallystick", deadline=None)
settings.load_profile("tallystick")

pytest_plugins = ["tests.oracles.tally"]

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the real data sets; the test is skipped, or fails in CI, where it is absent."""
    folder = Path(os.environ.get("TALLYSTICK_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        word = f"no data sets at {folder}: set TALLYSTICK_DATA"
        if os.environ.get("TALLYSTICK_VECTORS") == "required":
            pytest.fail(word)
        pytest.skip(word)
    return folder


@pytest.fixture(scope="session")
def vectors(data: Path) -> Callable[[str], list[tuple[str, Any]]]:
    """Read every JSON vector under a folder of the conformance data, with its name."""

    def read(folder: str) -> list[tuple[str, Any]]:
        base = data / "conformance" / folder
        files = sorted(base.rglob("*.json"))
        assert files, f"no vectors in {base}"
        return [(str(f.relative_to(base)), json.loads(f.read_text())) for f in files]

    return read


class Entropy:
    """Bytes that look random and are the same each run."""

    def __init__(self, seed: str = "tallystick") -> None:
        self.seed, self.count = seed, 0

    def __call__(self, size: int) -> bytes:
        out = b""
        while len(out) < size:
            out += sha256(f"{self.seed}/{self.count}".encode()).digest()
            self.count += 1
        return out[:size]


@pytest.fixture
def entropy() -> Entropy:
    return Entropy()
