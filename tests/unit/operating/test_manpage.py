"""The manual page says what the command says, and a manual reader finds no fault in it."""

import shutil
import subprocess

import pytest

from tallystick.cli.app import COMMANDS
from tallystick.cli.config import config
from tools.manpage import _CODES, PAGE, page
from tools.reference_cli import exit_codes


def test_the_page_equals_reality() -> None:
    assert PAGE.read_text() == page()


def test_every_command_and_exit_code_is_on_it() -> None:
    text = PAGE.read_text()

    assert all(f".SS tally {name}\n".replace("-", "\\-") in text for name in COMMANDS)
    assert all(f".SS tally config {name}\n" in text for name in config.commands)
    assert {code for code, _ in _CODES} == exit_codes() | {0, 130}


def test_a_reader_of_manual_pages_warns_of_nothing() -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed")
    command = [groff, "-man", "-ww", "-z", "-Tutf8", str(PAGE)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_line_begins_with_what_roff_takes_for_a_request_of_its_own() -> None:
    known = {".TH", ".SH", ".SS", ".PP", ".TP", ".B"}
    lines = PAGE.read_text().splitlines()
    requests = {line.split()[0] for line in lines if line.startswith((".", "'"))}

    assert requests <= known
