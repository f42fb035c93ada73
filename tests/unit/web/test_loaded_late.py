"""What the service and its workers load: nothing that only some of them ever need."""

import subprocess
import sys

import pytest

from tallystick import ledger

LATER = (
    "tallystick.client",
    "h11",
    "tallystick.endpoint",
    "numpy",
    "opentelemetry",
    "cryptography.x509",
    "sklearn",
    "joserfc",
    "tallystick.web.oidc",
)
"""For webhooks, the small model, exported traces, TLS, the demonstration, and signing in."""


def test_service_and_gateway_load_nothing_that_only_some_need() -> None:
    program = (
        "import sys, tallystick.cli.opening, tallystick.web.server, tallystick.capture.app\n"
        "import tallystick.web.opening\n"
        f"print([m for m in {LATER!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_worker_process_loads_neither_index_nor_log() -> None:
    rooms = ("sqlite3", "tallystick.ledger.index", "tallystick.log", "tallystick.vault")
    program = (
        "import sys, tallystick.ledger.worker, tallystick.ledger.signatures\n"
        f"print([m for m in {rooms!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_all_that_the_ledger_names_can_be_asked_for() -> None:
    assert all(getattr(ledger, name) is not None for name in ledger.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Leger'"):
        getattr(ledger, "Leger")  # noqa: B009 - as whoever misspells it
