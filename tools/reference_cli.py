"""The page of all commands: what `--help` says."""

from collections.abc import Iterator

import click

from tallystick.cli.app import COMMANDS, SUMMARIES, tally
from tallystick.errors import TallystickError

WIDTH = 88

_HEAD = """\
# The command `tally`

Data goes to standard output, words to standard error. `--json`, `--quiet` and `-q` may stand
anywhere. `$TALLYSTICK_HOME` names the ledger's folder, `$TALLYSTICK_PASSPHRASE_FILE` a file with
the passphrase of its keys; without one you are asked.

| exit code | |
|---|---|
| 0 | verified, or done |
| 1 | verification failed, or stored data is damaged |
| 2 | usage: correct the arguments or the input |
| 3 | indeterminate: something that is needed to believe it is missing |
| 4 | unavailable or in conflict: try again later |
| 5 | denied: by the registration policy, or for want of the right passphrase |
| 130 | interrupted |

Which error means what stands in [errors](errors.md).
"""


def cli_page() -> str:
    """Return the page."""
    context = _context(tally, None, "tally")
    parts = [_HEAD, _block(tally.get_help(context))]
    for name in COMMANDS:
        parts += _command(context, name)
    return "\n".join(parts)


def _command(context: click.Context, name: str) -> Iterator[str]:
    try:
        command = tally.get_command(context, name)
    except ModuleNotFoundError:  # an extra is not installed: the command exists all the same
        command = None
    if command is None:
        yield f"## `tally {name}`\n\n{SUMMARIES[name]}\n"
        return
    yield from _help(command, context, f"tally {name}", name, level=2)


def _help(
    command: click.Command, above: click.Context, path: str, name: str, *, level: int
) -> Iterator[str]:
    context = _context(command, above, name)
    yield f"{'#' * level} `{path}`\n"
    yield _block(command.get_help(context))
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            if found is not None and not found.hidden:
                yield from _help(found, context, f"{path} {sub}", sub, level=level + 1)


def _context(command: click.Command, above: click.Context | None, name: str) -> click.Context:
    context = click.Context(
        command, parent=above, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH
    )
    # As a run has it: click remembers per command what it made of this first.
    context.help_option_names = tally.context_settings["help_option_names"]
    return context


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"


def exit_codes() -> set[int]:
    """Return the exit codes of all errors, which the table above must name."""
    return {kind.exit_code for kind in _kinds(TallystickError)}


def _kinds(kind: type[TallystickError]) -> Iterator[type[TallystickError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)
