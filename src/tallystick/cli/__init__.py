"""The command `tally`. Data goes to standard output, words to standard error."""

from tallystick.cli.app import main

__all__ = ["main"]
