"""A socket that a supervisor opened is served on, by a real process that inherits it."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import pytest

from tallystick.errors import InputError
from tallystick.web import Settings, activation
from tests.ledgers import ledger_in
from tests.unit.web.child import ROOT

WAIT_SECONDS = 30
# What a supervisor does between fork and exec: the socket becomes 3, the variables name the child.
HAND_IN = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True); "
    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='http'); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)


def start(
    folder: Path, listener: socket.socket, ear: Path | None = None, **options: object
) -> subprocess.Popen[str]:
    listener.set_inheritable(True)
    command = ["-m", "tests.unit.web.child", str(folder), json.dumps(options)]
    environ = {**os.environ, **({"NOTIFY_SOCKET": str(ear)} if ear else {})}
    return subprocess.Popen(
        [sys.executable, "-c", HAND_IN, str(listener.fileno()), *command],
        pass_fds=[listener.fileno()], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=ROOT, env=environ,
    )  # fmt: skip


def test_callers_wait_at_the_inherited_socket_also_while_the_service_starts_again(
    tmp_path: Path,
) -> None:
    with ledger_in(tmp_path / "ledger"):
        pass
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for _ in range(2):
            # Port 1 in the settings: what counts is where the socket is bound.
            with start(tmp_path / "ledger", listener, port=1) as child:
                try:
                    # Asked at once: the connection waits in the socket that listens already.
                    with urlopen(f"{url}/healthz", timeout=WAIT_SECONDS) as reply:  # noqa: S310
                        assert reply.status == 200
                    assert child.stdout is not None
                    assert child.stdout.readline().strip() == url
                finally:
                    child.send_signal(signal.SIGTERM)
                    _, words = child.communicate(timeout=WAIT_SECONDS)
                assert child.returncode == 0, words


def test_the_supervisor_is_told_when_it_is_ready_and_when_it_ends(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "ledger"):
        pass
    ear = tmp_path / "ear"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        heard.bind(str(ear))
        heard.settimeout(WAIT_SECONDS)
        with start(tmp_path / "ledger", listener, ear) as child:
            said = [heard.recv(100)]
            child.send_signal(signal.SIGTERM)
            said.append(heard.recv(100))
            child.communicate(timeout=WAIT_SECONDS)

    assert said == [activation.READY, activation.STOPPING]


def test_a_socket_that_others_reach_demands_protection_whatever_the_settings_say(
    tmp_path: Path,
) -> None:
    with ledger_in(tmp_path / "ledger"):
        pass
    with socket.create_server(("0.0.0.0", 0)) as listener:  # noqa: S104 - nothing is served
        with start(tmp_path / "ledger", listener, host="127.0.0.1") as child:
            _, words = child.communicate(timeout=WAIT_SECONDS)
        with pytest.raises(OSError, match="timed out"):
            urlopen(f"http://127.0.0.1:{listener.getsockname()[1]}/healthz", timeout=0.2)

    assert child.returncode == 1
    assert "host 0.0.0.0 can be reached from other machines" in words


def given(count: str = "1", pid: str | None = None) -> dict[str, str]:
    return {"LISTEN_PID": pid or str(os.getpid()), "LISTEN_FDS": count, "LISTEN_FDNAMES": "x"}


def test_what_is_meant_for_another_process_is_left_alone() -> None:
    environ = given(pid="1")

    assert activation.inherited_socket(environ) is None
    assert environ == given(pid="1")
    assert activation.inherited_socket({}) is None


@pytest.mark.parametrize("count", ["", "0", "2", "many"])
def test_any_other_number_of_sockets_than_one_is_refused(count: str) -> None:
    environ = given(count)

    with pytest.raises(InputError, match="expected one"):
        activation.inherited_socket(environ)
    assert environ == {}


def test_what_is_no_listening_tcp_socket_is_refused(tmp_path: Path) -> None:
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    local.bind(str(tmp_path / "s"))
    local.listen()
    for wrong in (datagrams, silent, local):
        with pytest.raises(InputError, match="no TCP socket that listens"):
            activation.inherited_socket(given(), wrong.detach())
    with (tmp_path / "file").open("wb") as file, pytest.raises(InputError, match="is no socket"):
        activation.inherited_socket(given(), file.fileno())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_settings_take_the_sockets_address(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.create_server((host, 0), family=family)) as server:
        handed = activation.inherited_socket(given(), os.dup(server.fileno()))
        assert handed is not None
        settings = activation.at_address_of(handed, Settings(host="192.0.2.1", port=1))
        assert not handed.get_inheritable()
        handed.close()
        assert (settings.host, settings.port) == server.getsockname()[:2]


def test_an_ear_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    activation.notify(activation.READY, {})
    activation.notify(activation.READY, {"NOTIFY_SOCKET": str(tmp_path / "nobody")})


def test_an_ear_without_a_file_hears() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        name = f"tallystick-test-{os.getpid()}"
        heard.bind("\0" + name)
        activation.notify(activation.READY, {"NOTIFY_SOCKET": "@" + name})
        heard.settimeout(5)

        assert heard.recv(100) == activation.READY
