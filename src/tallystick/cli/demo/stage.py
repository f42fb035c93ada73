"""How the demonstration speaks: numbered steps, one line each, with the command that does it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click


class Stage:
    """Says things to a person; silent where data was asked for."""

    def __init__(self, *, silent: bool) -> None:
        """Begin the clock."""
        self._silent = silent
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    @contextmanager
    def step(self, number: int, title: str) -> Iterator[None]:
        """Announce a step, and say afterwards how long it took."""
        began = time.monotonic()
        self._say(f"\n{click.style(f'{number}  {title}', bold=True)}")
        yield
        self._say(click.style(f"   {time.monotonic() - began:.1f} s", dim=True))

    def done(self, text: str, command: str = "") -> None:
        """Say what was done, and the command that does the same."""
        self._say(f"   {click.style('✓', fg='green')} {text}")
        if command:
            self._say(click.style(f"     $ tally {command}", dim=True))

    def refused(self, text: str, command: str = "") -> None:
        """Say what was refused or noticed."""
        self._say(f"   {click.style('✗', fg='red')} {text}")
        if command:
            self._say(click.style(f"     $ tally {command}", dim=True))

    def note(self, text: str) -> None:
        """Say something by the way."""
        self._say(f"     {text}")

    def _say(self, text: str) -> None:
        if not self._silent:
            click.echo(text)
