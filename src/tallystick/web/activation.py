"""What a supervisor hands a service: a socket that listens already, and an ear for its state.

systemd, and others that speak its protocol, open the port before the service is there. So a
service that runs as nobody in particular can have port 443, and while it is started again callers
wait instead of being refused.

Source:
    sd_listen_fds(3), sd_notify(3).
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Final

import msgspec

from tallystick.errors import InputError
from tallystick.web.settings import Settings

FIRST: Final = 3
"""File descriptor of the first socket that is handed in."""
_FAMILIES: Final = frozenset({socket.AF_INET, socket.AF_INET6})
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")

READY: Final = b"READY=1"
STOPPING: Final = b"STOPPING=1"


def inherited_socket(environ: MutableMapping[str, str], first: int = FIRST) -> socket.socket | None:
    """Return the socket that a supervisor handed in; None if it handed in none to us.

    Its variables are removed, so that no process started from here believes them meant for it.

    Args:
        environ: Environment, such as `os.environ`.
        first: Its file descriptor.

    Raises:
        InputError: There are several, or it is no TCP socket that listens.
    """
    pid, count = environ.get("LISTEN_PID"), environ.get("LISTEN_FDS", "")
    if pid != str(os.getpid()):
        return None
    for name in _VARIABLES:
        environ.pop(name, None)
    if count != "1":
        raise InputError(
            f"{count[:20] or 'no number of'} sockets were handed in, expected one",
            advice="give the socket unit one ListenStream=",
        )
    try:
        handed = socket.socket(fileno=first)
    except OSError as error:
        raise InputError(f"file descriptor {first} is no socket: {error.strerror}") from error
    handed.set_inheritable(False)
    _check(handed)
    return handed


def _check(handed: socket.socket) -> None:
    tcp = handed.family in _FAMILIES and handed.type == socket.SOCK_STREAM
    if not tcp or not handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        handed.close()
        raise InputError(
            "what was handed in is no TCP socket that listens",
            advice="the socket unit needs ListenStream=ADDRESS:PORT and Accept=no",
        )


def at_address_of(handed: socket.socket, settings: Settings) -> Settings:
    """Return the settings with the address that a socket is bound to: what counts is that."""
    host, port = handed.getsockname()[:2]
    return msgspec.structs.replace(settings, host=host, port=port)


def notify(state: bytes, environ: MutableMapping[str, str] = os.environ) -> None:
    """Tell the supervisor how the service does, if it listens; nothing depends on it."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # A name that begins with @ is of Linux's abstract namespace.
    path = "\0" + address[1:] if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.connect(path)
        ear.send(state)
