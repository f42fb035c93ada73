"""The verifier's own wheel: three packages and one module, no network, and it says yes or no."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "vectors"
ALLOWED = ("cbor2", "_cbor2", "cryptography", "cffi", "_cffi_backend", "typing_extensions")

PROGRAM = """
import socket, sys
def never(*_, **__):
    raise AssertionError("the verifier opened a socket")
socket.socket = socket.create_connection = socket.getaddrinfo = never
from tallystick.verify.__main__ import main
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content and its two dependencies, and nothing else."""
    built = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", built],
        cwd=ROOT / "packaging/verifier",
        check=True,
        capture_output=True,
        timeout=100,
    )
    [wheel] = built.glob("tallystick_verify-*.whl")
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, folder], check=True, timeout=60)
    for name in ALLOWED:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        source = origin.parent if origin.name.startswith("__init__.") else origin
        (folder / source.name).symlink_to(source)
    return folder


def verify(alone: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    program = PROGRAM + f"sys.exit(main({[str(a) for a in arguments]!r}))"
    start = f"import sys; sys.path.insert(0, {str(alone)!r})\n"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_verifies_the_golden_bundle(alone: Path) -> None:
    done = verify(alone, VECTORS / "answer.tally.json", "--policy", VECTORS / "trust.policy")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "VERIFIED" in done.stdout
    assert "not proven" in done.stdout


def test_it_refuses_a_changed_one_and_says_what(alone: Path, tmp_path: Path) -> None:
    text = (VECTORS / "answer.tally.json").read_text()
    changed = tmp_path / "changed.tally.json"
    changed.write_text(text.replace('"leaves": "', '"leaves": "A', 1))
    assert verify(alone, changed, "--policy", VECTORS / "trust.policy").returncode == 2

    value = text.index('"answer": {')
    at = text.index('"value": "', value) + len('"value": "') + 3
    letter = "A" if text[at] != "A" else "B"
    changed.write_text(text[:at] + letter + text[at + 1 :])
    done = verify(alone, changed, "--policy", VECTORS / "trust.policy")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "field 'answer' does not match its commitment" in done.stdout


def test_it_needs_to_be_told_whom_to_believe(alone: Path) -> None:
    assert verify(alone, VECTORS / "answer.tally.json").returncode == 3
    vkey = (VECTORS / "trust.policy").read_text().split()[1]
    assert verify(alone, VECTORS / "answer.tally.json", "--log", vkey).returncode == 0


def test_it_holds_no_more_than_it_says(alone: Path) -> None:
    held = {path.name for path in (alone / "tallystick").iterdir()}
    assert held - {"__pycache__"} == {
        "__init__.py",
        "py.typed",
        "errors.py",
        "merkle",
        "statement",
        "verify",
    }
