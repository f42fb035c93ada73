"""Write the manual page `tally.1` from the command itself.

    python tools/manpage.py          writes packaging/man/tally.1
    python tools/manpage.py --check  exits 1 if it would change

Every command and option stands in it, in the words of `--help`.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "packaging" / "man" / "tally.1"

sys.path.insert(0, str(ROOT))  # so that this runs as a file, without being installed

_ENVIRONMENT: Final = (
    ("TALLYSTICK_HOME", "Folder of the ledger."),
    ("TALLYSTICK_PASSPHRASE_FILE", "File with the passphrase; without one you are asked."),
    ("TALLYSTICK_API_KEY", "API key for commands beside a service that asks for one."),
    ("TALLYSTICK_*", "Any setting of the service, in upper case."),
)  # fmt: skip
_CODES: Final = (
    (0, "Verified, or done."),
    (1, "Verification failed, stored data is damaged, or a check found a problem."),
    (2, "Usage: correct the arguments or the input."),
    (3, "Indeterminate: something that is needed to believe it is missing."),
    (4, "Unavailable or in conflict: try again later."),
    (5, "Denied: by the registration policy, or for want of the right passphrase."),
    (130, "Interrupted."),
)


def page() -> str:
    """Return the manual page."""
    from tallystick import __version__
    from tallystick.cli.app import COMMANDS, tally

    context = click.Context(tally, info_name="tally", **tally.context_settings)
    lines = [
        f'.TH TALLY 1 "" "Tallystick {__version__}" "User Commands"',
        ".SH NAME", "tally \\- the evidence ledger for AI",
        ".SH SYNOPSIS", ".B tally", r"[\fIoptions\fR] \fIcommand\fR [\fIarguments\fR]",
        ".SH DESCRIPTION", *_paragraphs(tally.help or ""),
        "Data goes to standard output, words to standard error.",
        ".SH OPTIONS", *_options(tally, context),
        ".SH COMMANDS",
    ]  # fmt: skip
    for name in COMMANDS:
        command = tally.get_command(context, name)
        if command is not None:
            lines += _command(command, context, f"tally {name}", name)
    lines += [".SH ENVIRONMENT", *_terms(_ENVIRONMENT)]
    lines += [".SH FILES", *_terms([("tallystick.toml", "Settings, in the ledger's folder.")])]
    lines += [".SH EXIT STATUS", *_terms((str(code), text) for code, text in _CODES)]
    return "\n".join(lines) + "\n"


def _command(command: click.Command, above: click.Context, path: str, name: str) -> Iterator[str]:
    """Yield a command and those below it."""
    context = click.Context(command, parent=above, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_escaped(path)}"
    yield f".B {_escaped(path)}"
    yield _escaped(usage)
    yield from _paragraphs(command.help or "")
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from _command(found, context, f"{path} {below}", below)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    records = (parameter.get_help_record(context) for parameter in command.get_params(context))
    yield from _terms(record for record in records if record is not None)


def _terms(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in pairs:
        yield ".TP"
        yield f"\\fB{_escaped(term)}\\fR"
        yield _escaped(" ".join(text.split()))


def _paragraphs(text: str) -> Iterator[str]:
    clean = text.replace("\b", "").strip()
    for paragraph in re.split(r"\n\s*\n", clean):
        yield ".PP"
        yield _escaped(" ".join(paragraph.split()))


def _escaped(text: str) -> str:
    """Return text that roff shows as it is: no line of it is taken for a request."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", plain)


def main() -> int:
    """Write, or check."""
    made = page()
    if "--check" not in sys.argv[1:]:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(made)
        return 0
    if PAGE.exists() and PAGE.read_text() == made:
        return 0
    print(f"{PAGE.relative_to(ROOT)}: run `python tools/manpage.py`")
    return 1


if __name__ == "__main__":
    sys.exit(main())
