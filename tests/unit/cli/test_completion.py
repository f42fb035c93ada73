"""The shell completes commands, options and values, as far as the shells are here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
source {script}; COMP_WORDS=({words}); COMP_CWORD={at}
_tally_completion tally
printf "%s\\n" "${{COMPREPLY[@]}}"
"""


def tally(**environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tallystick"], capture_output=True, text=True, timeout=60,
        env={**os.environ, **environ}, check=False,
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def on_path(tmp_path: Path) -> dict[str, str]:
    """An environment in which `tally` is this package's."""
    script = tmp_path / "bin" / "tally"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nfrom tallystick.cli import main\nmain()\n")
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{script.parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("words", "at", "expected"),
    [
        ("tally do", 1, {"doctor"}),
        ("tally ", 1, {"init", "up", "config", "doctor", "backup"}),
        ("tally config ", 2, {"show", "check"}),
        ("tally up --log-f", 2, {"--log-format"}),
        ("tally up --log-format ", 3, {"text", "json"}),
    ],
)
def test_bash_completes(
    tmp_path: Path, on_path: dict[str, str], words: str, at: int, expected: set[str]
) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    script = tmp_path / "completion.bash"
    # Older shells than click asks for complete, too: what it checks is left out here.
    script.write_text(tally(_TALLY_COMPLETE="bash_source", COMPLETE="1"))
    listed = " ".join(f'"{word}"' for word in words.split(" "))

    done = subprocess.run(
        [bash, "-c", ASK.format(script=script, words=listed, at=at)],
        capture_output=True, text=True, timeout=60, env=on_path, check=False,
    )  # fmt: skip

    assert expected <= set(done.stdout.split()), (done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("shell", "words"), [("zsh", ["-n"]), ("fish", ["--no-execute"]), ("bash", ["-n"])]
)
def test_each_shell_can_read_what_is_written_for_it(
    tmp_path: Path, shell: str, words: list[str]
) -> None:
    script = tmp_path / "completion"
    script.write_text(tally(_TALLY_COMPLETE=f"{shell}_source"))

    assert "_TALLY_COMPLETE" in script.read_text()
    if (found := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not installed; what is written for it was not run")
    done = subprocess.run(
        [found, *words, str(script)], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_answered_in_their_own_form(shell: str) -> None:
    environ = {"COMP_WORDS": "tally do", "COMP_CWORD": "do" if shell == "fish" else "1"}

    said = tally(_TALLY_COMPLETE=f"{shell}_complete", **environ)

    assert "doctor" in said
    assert "Look at everything" in said
