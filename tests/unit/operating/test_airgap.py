"""The air-gapped bundle: installs without a network, and not if a byte of it was changed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import airgap

NEEDED = ("cbor2", "cffi", "click", "cryptography", "msgspec", "pycparser")
SECONDS_MAX = 120
NOWHERE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_INDEX": "1"}


def core(folder: Path) -> Path:
    """Write the pins that the core needs; the whole list would be 100 MB."""
    blocks = re.split(r"\n(?=\S)", airgap.REQUIREMENTS.read_text())
    path = folder / "core.txt"
    path.write_text("\n".join(b for b in blocks if b.partition("==")[0] in NEEDED) + "\n")
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the core, with pages; skipped where no package index can be reached."""
    folder = tmp_path_factory.mktemp("airgap")
    out, pins = folder / "bundle", core(folder)
    try:
        airgap.download(pins, folder / "probe", ())
    except airgap.BundleError as error:
        pytest.skip(f"no package index: {str(error)[-200:]}")
    assert airgap.main([str(out), "--pages", "--requirements", str(pins)]) == 0
    return out


def install(bundle: Path, target: Path) -> "subprocess.CompletedProcess[str]":
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | NOWHERE
    return subprocess.run(
        ["sh", str(bundle / "install.sh"), str(target)], env=environ | {"PYTHON": sys.executable},
        capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
    )  # fmt: skip


@pytest.mark.timeout(300)
def test_a_bundle_installs_without_a_network_and_the_command_works(
    bundle: Path, tmp_path: Path
) -> None:
    done = install(bundle, tmp_path / "opt")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tally, version ")
    home = ["--home", str(tmp_path / "home")]
    made = subprocess.run(
        [tmp_path / "opt" / "bin" / "tally", *home, "init", "--generate-passphrase"],
        env={"PATH": "/usr/bin:/bin"}, capture_output=True, timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    again = install(bundle, tmp_path / "opt")
    assert (again.returncode, "name a new folder" in again.stderr) == (2, True)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["wheels/*.whl", "requirements.txt", "docs/index.md"])
def test_a_bundle_that_was_changed_is_not_installed(
    bundle: Path, tmp_path: Path, name: str
) -> None:
    path = next(bundle.glob(name))
    before = path.read_bytes()
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    try:
        done = install(bundle, tmp_path / "opt")
    finally:
        path.write_bytes(before)

    assert done.returncode != 0
    assert not (tmp_path / "opt").exists()


def test_a_bundle_holds_what_an_operator_needs(bundle: Path) -> None:
    listed = {line.split("  ")[1] for line in (bundle / airgap.SUMS).read_text().splitlines()}
    there = {str(p.relative_to(bundle)) for p in bundle.rglob("*") if p.is_file()}

    assert listed == there - {airgap.SUMS}
    assert {
        "install.sh", "README.txt", "LICENSE", "requirements.txt", "docs/guides/operating.md",
        "packaging/systemd/tallystick.service", "packaging/man/tally.1",
        "packaging/observability/grafana.json",
    } <= listed  # fmt: skip
    assert "tallystick==" in (bundle / "requirements.txt").read_text()


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    assert airgap.main([str(tmp_path), "--pages"]) == 1
    assert list(tmp_path.iterdir()) == []


def test_sums_are_in_a_fixed_order_and_leave_themselves_out(tmp_path: Path) -> None:
    for name in ("b", "a", airgap.SUMS):
        (tmp_path / name).write_text(name)

    lines = airgap.sums(tmp_path).splitlines()

    assert [line.partition("  ")[2] for line in lines] == ["a", "b"]
