"""Options that several commands have: for a new ledger, and for settings of the service."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object])

_FILE: Final = click.Path(exists=True, path_type=Path)
_OPTIONS: Final = (
    click.option("--upstream", metavar="URL", help="Model API behind the gateway, up to its /v1."),
    click.option(
        "--small-lm/--no-small-lm",
        default=None,
        help="Without --upstream, let a small model that ships with it answer [yes].",
    ),
    click.option("--host", help="Address to listen on [127.0.0.1]."),
    click.option("--port", type=int, help="Port to listen on [8471]; 0 takes a free one."),
    click.option("--workers", type=int, help="Processes that check signatures [one per core]."),
    click.option(
        "--fail-open/--fail-closed",
        default=None,
        help="Let AI calls through that cannot be recorded [no]. The switch is recorded.",
    ),
    click.option(
        "--require-key/--no-require-key",
        default=None,
        help="Ask callers on this machine, too [no].",
    ),
    click.option(
        "--show-content/--no-show-content",
        default=None,
        help="Serve content to trusted callers [no].",
    ),
    click.option("--public-url", metavar="URL", help="What clients call this service."),
    click.option("--log-format", type=click.Choice(["text", "json"]), help="Log lines [text]."),
    click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        help="The least that is logged [warning].",
    ),
    click.option(
        "--access-log/--no-access-log",
        default=None,
        help="Log each request, never who asked [no].",
    ),
    click.option("--otlp-endpoint", metavar="URL", help="Collector that spans go to [none]."),
    click.option("--tls-certificate", type=_FILE, help="PEM certificate chain."),
    click.option("--tls-key", type=_FILE, help="PEM private key."),
)


_NEW: Final = (
    click.option(
        "--allow",
        multiple=True,
        metavar="TYPE=WHO",
        help="Who may register a type: a kind (person, organisation, machine, ai) or a DID.",
    ),
    click.option(
        "--private",
        is_flag=True,
        help="Only callers on this machine, and with an API key, read the log from the service.",
    ),
    click.option(
        "--generate-passphrase",
        is_flag=True,
        help="Make a random passphrase, and keep it in the ledger's folder.",
    ),
    click.option(
        "--keys-in",
        metavar="REFERENCE",
        help="Keep checkpoint, receipt and operator key there, such as keyring:tallystick/{}; "
        "{} stands for the name of each.",
    ),
)


def new_ledger_options(command: Command) -> Command:
    """Give a command the options that every new ledger has."""
    return _with(_NEW, command)


def serving_options(command: Command) -> Command:
    """Give a command the options of the service, in the order in which they are learned."""
    return _with(_OPTIONS, command)


def _with(options: Sequence[Callable[[Command], Command]], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
