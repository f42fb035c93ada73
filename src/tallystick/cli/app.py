"""The command's frame: which commands there are, how errors become words and exit codes.

Modules of commands are imported only when their command runs, so that the command starts fast.
"""

import importlib
import json
import os
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import click

from tallystick import __version__
from tallystick.errors import (
    EncodingError,
    InputError,
    TallystickError,
    UnavailableError,
    missing_extra,
)

COMMANDS: Final = {
    "init": "home",
    "up": "service",
    "demo": "demonstration",
    "recorder": "recorders",
    "model": "models",
    "register": "registering",
    "batch": "batches",
    "rows": "rows",
    "erase": "erasing",
    "publish": "publishing",
    "retention": "retaining",
    "reads": "readers",
    "holds": "holding",
    "restrict": "holding",
    "unrestrict": "holding",
    "rectify": "rectifying",
    "prove": "proving",
    "verify": "verifying",
    "find": "reading",
    "watch": "watching",
    "search": "searching",
    "webhooks": "webhooks",
    "ledgers": "ledgers",
    "show": "reading",
    "export": "proving",
    "keys": "keys",
    "issuers": "issuers",
    "persons": "persons",
    "credentials": "credentials",
    "delegate": "delegations",
    "delegations": "delegations",
    "passkeys": "passkeys",
    "approvals": "approvals",
    "appeals": "appeals",
    "policy": "policies",
    "access": "acts",
    "gaps": "gaps",
    "law": "law",
    "usage": "usage",
    "config": "config",
    "doctor": "doctor",
    "fsck": "maintenance",
    "rebuild-index": "maintenance",
    "migrate": "migrating",
    "backup": "maintenance",
    "restore": "maintenance",
    "bench": "measuring",
}
"""Command and the module of `tallystick.cli` that holds it."""

INTERRUPTED: Final = 130
_COMMON: Final = frozenset(
    f"TALLYSTICK_{name}"
    for name in ("HOME", "PASSPHRASE_FILE", "API_KEY", "PORT", "DATA", "RECORDER")
)
"""Variables that are known without loading the settings, which takes time."""


class LazyGroup(click.Group):
    """Looks commands up in `COMMANDS` and imports their module when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return all commands in the order in which they are learned."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tallystick.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List commands with one line each, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


SUMMARIES: Final = {
    "init": "Make a new, empty ledger.",
    "up": "Serve a ledger, and a gateway for AI calls.",
    "demo": "See the whole story on real data, in under a minute.",
    "recorder": "Record calls in an application; sign and register what was recorded.",
    "model": "Serve or show the small language model that ships with Tallystick.",
    "register": "Register signed statements.",
    "batch": "Register rows of a file under one signature.",
    "rows": "Write the rows of batches that verify, and refuse the others.",
    "erase": "Erase content for ever, and register that it was.",
    "publish": "Show content to everybody, by a statement of its own.",
    "retention": "Show and set how long content is kept; erase what is over.",
    "reads": "Show who read content, what for, and when.",
    "holds": "Place, lift and list legal holds: what is held cannot be erased.",
    "restrict": "Keep AI from reading some content.",
    "unrestrict": "Let AI read it again.",
    "rectify": "Register right content in the place of wrong content.",
    "prove": "Write the receipt of a statement.",
    "verify": "Verify an evidence bundle offline.",
    "find": "Search statements.",
    "watch": "Show statements as they are registered.",
    "search": "Save searches under a name.",
    "webhooks": "Have statements that match sent to a URL, signed.",
    "ledgers": "Make and list further ledgers that the same service opens.",
    "show": "Show a statement, or what is in a bundle.",
    "export": "Write the evidence bundle of a statement.",
    "keys": "Make, register and list keys.",
    "issuers": "Register issuers named by did:web or did:webvh, with the evidence.",
    "persons": "Let people sign under pseudonyms; show, prove and erase who they are.",
    "credentials": "Issue, show in part and verify credentials of roles and qualifications.",
    "delegate": "Let an agent act for somebody, for some types, until a time.",
    "delegations": "List, show and revoke delegations.",
    "passkeys": "Invite people to make passkeys; list and revoke them.",
    "approvals": "Ask a person to approve something by passkey.",
    "appeals": "Answer people who ask about, or contest, a decision about them.",
    "policy": "Show and change who may register what; replay refusals.",
    "access": "List what was done to the service.",
    "gaps": "Show whether anything that was numbered is missing.",
    "law": "Show what laws ask for, and what this ledger does about it and does not.",
    "usage": "Show what callers of the gateway used; compare with the upstream's account.",
    "config": "Show settings and where they come from; check them.",
    "doctor": "Look at everything the service depends on, and say what mends it.",
    "fsck": "Check every published file of the ledger.",
    "rebuild-index": "Build the index anew from the log.",
    "migrate": "Bring files of an older release to the formats of this one.",
    "backup": "Copy the ledger, later only what is new.",
    "restore": "Bring a backup back, unless that would fork the log.",
    "bench": "Measure this machine and this ledger on it.",
}


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tally")
@click.option(
    "--home",
    type=click.Path(),
    help="Folder of the ledger [$TALLYSTICK_HOME, else the user's data folder, such as "
    "~/.local/share/tallystick].",
)
@click.option(
    "--ledger",
    "further",
    metavar="NAME",
    help="A further ledger beside the first, see `tally ledgers`.",
)
@click.option("--json", "as_json", is_flag=True, help="Write data as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Write no words, only data and errors.")
@click.pass_context
def tally(
    ctx: click.Context, home: str | None, further: str | None, *, as_json: bool, quiet: bool
) -> None:
    """The evidence ledger for AI."""
    from tallystick.cli.session import Session

    ctx.obj = Session(home, further, as_json=as_json, quiet=quiet)
    ctx.obj.reading_for = f"tally {ctx.invoked_subcommand}"
    for warning in misspelt(os.environ):
        click.echo(warning, err=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Codes: 0 verified or done, 1 verification failed, 2 usage, 3 indeterminate, 4 unreachable,
    5 denied.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in arguments
    try:
        # `--json` and `--quiet` may stand anywhere: people put them last.
        front = [a for a in ("--json", "--quiet", "-q") if a in arguments]
        rest = [a for a in arguments if a not in front]
        code = _main([*front, *rest])
    except TallystickError as error:
        return _told(_for_people(error), as_json=as_json)
    except click.ClickException as error:
        return _usage(error, as_json=as_json)
    except (BrokenPipeError, SystemExit):
        # Whoever reads has enough, as `head` has; click ends with 1 then, and never else.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return INTERRUPTED
    except (OSError, UnicodeDecodeError) as error:
        return _told(_of_system(error), as_json=as_json)
    return code if isinstance(code, int) else 0


def _usage(error: click.ClickException, *, as_json: bool) -> int:
    if as_json:
        return _told(InputError(error.format_message()), as_json=True)
    error.show()
    return error.exit_code


def _of_system(error: OSError | UnicodeDecodeError) -> TallystickError:
    """Tell a path that the caller must correct from a disk or permission that is amiss."""
    if isinstance(error, UnicodeDecodeError):
        return EncodingError(f"a file is not UTF-8 text: {error}")
    wrong = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)
    kind = InputError if isinstance(error, wrong) else UnavailableError
    return kind(f"{error.strerror or error}: {error.filename or 'a file'}")


def _for_people(error: TallystickError) -> TallystickError:
    """Say what the user of a command can do about a certificate, who has no `tls=` to hand in."""
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        error.advice = (
            "name the file of the certificate, or of the authority that signed it, in the variable "
            "SSL_CERT_FILE; it must be made for the host that is asked"
        )
    return error


def _told(error: TallystickError, *, as_json: bool) -> int:
    _tell(error, as_json=as_json)
    return error.exit_code


def misspelt(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each variable that is nearly one of ours, and thus does nothing."""
    ours = [name for name in environ if name.startswith("TALLYSTICK_")]
    if not set(ours) - _COMMON:
        return
    import difflib

    from tallystick.web.settings import Settings
    from tallystick.web.sources import OTHER_VARIABLES, PREFIX

    known = {PREFIX + name.upper() for name in (*Settings.__struct_fields__, *OTHER_VARIABLES)}
    for name in sorted(set(ours) - known):
        near = difflib.get_close_matches(name, known, n=1)
        yield f"warning: {name} is no setting" + (f"; is {near[0]} meant?" if near else "")


def _main(arguments: list[str]) -> object:
    """Run the command; a library that is not installed becomes an error that names the extra."""
    try:
        return tally.main(arguments, prog_name="tally", standalone_mode=False)
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error


def _tell(error: TallystickError, *, as_json: bool) -> None:
    if as_json:
        problem = {"error": error.code, "detail": str(error), "advice": error.advice}
        if (reason := getattr(error, "reason", None)) is not None:
            problem["reason"] = reason
        click.echo(json.dumps(problem), err=True)
        return
    click.echo(f"{click.style('error', fg='red', bold=True)}: {error}", err=True)
    if error.advice:
        click.echo(f"  {error.advice}", err=True)
