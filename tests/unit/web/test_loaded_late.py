"""What the service loads before it is ready: nothing that only some services ever need."""

import subprocess
import sys

LATER = (
    "tallystick.client",
    "h11",
    "tallystick.endpoint",
    "numpy",
    "opentelemetry",
    "cryptography.x509",
    "sklearn",
)
"""For webhooks, the small model, exported traces, TLS, and the demonstration."""


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
