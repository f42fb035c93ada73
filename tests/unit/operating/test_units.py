"""Units, image and compose file name only what there is; systemd reads the units, if it is here."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tallystick.cli.app import COMMANDS, tally
from tallystick.web.settings import Settings
from tallystick.web.sources import OTHER_VARIABLES, PREFIX
from tools import airgap

FOLDER = airgap.ROOT / "packaging"
UNITS = sorted((FOLDER / "systemd").glob("*.*"))
CONTAINER = FOLDER / "container" / "Containerfile"
EXPOSURE_MAX = 2.0
"""What `systemd-analyze security` may say at most; 10 is an unconfined service."""


def test_every_variable_of_ours_is_a_setting() -> None:
    known = {PREFIX + name.upper() for name in (*Settings.__struct_fields__, *OTHER_VARIABLES)}
    named = {
        name
        for path in FOLDER.rglob("*")
        if path.is_file() and path.suffix not in {".1", ".json"}
        for name in re.findall(r"\bTALLYSTICK_[A-Z_]+\b", path.read_text())
    }

    assert named
    assert named <= known


def test_every_command_that_a_unit_runs_is_one() -> None:
    lines = [line for path in UNITS for line in path.read_text().splitlines()]
    starts = [line.partition("=")[2].lstrip("-") for line in lines if line.startswith("ExecStart")]

    assert len(starts) == 3
    for start in starts:
        program, *words = shlex.split(start)
        words = [word for word in words if word != "--quiet"]
        assert program == "/opt/tallystick/bin/tally"
        command = tally.get_command(None, words[0])  # type: ignore[arg-type]
        assert words[0] in COMMANDS
        assert command is not None
        options = {o for parameter in command.params for o in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options


def test_the_socket_unit_opens_one_port_on_this_machine_alone() -> None:
    text = (FOLDER / "systemd" / "tallystick.socket").read_text()

    assert re.findall(r"^ListenStream=(.*)$", text, re.MULTILINE) == ["127.0.0.1:8471"]
    assert "Accept=no" in text


def test_systemd_waits_longer_than_the_service_takes_to_end() -> None:
    text = (FOLDER / "systemd" / "tallystick.service").read_text()
    [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)

    assert int(seconds) > Settings().shutdown_seconds_max + Settings().drain_seconds
    assert compose()["services"]["tallystick"]["stop_grace_period"] == f"{seconds}s"


def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed")
    return found


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that exists here."""
    for path in UNITS:
        text = path.read_text().replace("/opt/tallystick/bin/tally", "/bin/true")
        (tmp_path / path.name).write_text(text.replace("Documentation=man:tally(1)\n", ""))
    return tmp_path


def test_systemd_finds_no_fault_in_the_units(units: Path) -> None:
    names = [p for p in units.iterdir() if p.suffix in {".service", ".socket", ".timer"}]

    for path in names:
        command = [analyze(), "verify", "--man=no", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, ""), path.name
    assert len(names) == 4


@pytest.mark.parametrize("name", ["tallystick.service", "tallystick-backup.service"])
def test_services_may_do_little(units: Path, name: str) -> None:
    command = [analyze(), "security", "--offline=yes", "--no-pager", str(units / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)

    assert found, done.stderr
    assert float(found[1]) <= EXPOSURE_MAX


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CONTAINER.parent / "compose.yml").read_text())
    return found


def test_the_composed_service_is_confined_and_encrypted() -> None:
    service = compose()["services"]["tallystick"]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["environment"]["TALLYSTICK_HOST"] == "0.0.0.0"  # noqa: S104 - what it says
    assert {"TALLYSTICK_TLS_CERTIFICATE", "TALLYSTICK_TLS_KEY"} <= service["environment"].keys()
    assert set(service["secrets"]) == compose()["secrets"].keys()
    build = service["build"]
    context = (CONTAINER.parent / build["context"]).resolve()
    assert context == airgap.ROOT
    assert context / build["dockerfile"] == CONTAINER


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    text = CONTAINER.read_text().replace("\\\n", " ")
    ignored = (CONTAINER.parent / "Containerfile.dockerignore").read_text().splitlines()
    sources = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for source in line.split()[:-1]
    ]

    assert "requirements/run.txt" in sources
    for source in sources:
        assert (airgap.ROOT / source).exists()
        assert "!" + source.partition("/")[0] in ignored


def test_the_image_runs_as_nobody_in_particular_and_installs_by_hash() -> None:
    text = CONTAINER.read_text()

    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    for line in re.findall(r"pip install (.*)", text):
        assert "--require-hashes" in line or "--no-index" in line
