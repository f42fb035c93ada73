"""The LiteLLM proxy on loopback, as its makers' own benchmark sets it up.

    with running("http://127.0.0.1:9000", workers=1) as proxy:
        ...  # proxy.base_url, proxy.version, proxy.command, proxy.group, proxy.key

README.md in `bench/peers` says which settings and why. `sh bench/peers/setup.sh litellm` installs.
"""

import contextlib
import json
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.gateway.answers import MODEL
from bench.peers.process import PEERS, PeerError, free_port, serving

WORKERS_MAX = 8

_BIN = PEERS / "litellm" / "bin"
_ENVIRONMENT = {
    "LITELLM_LOG": "ERROR",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # do not fetch the price list at the start
    "NO_PROXY": "*",
}


@dataclass(frozen=True, slots=True)
class LiteLLM:
    """A proxy that is ready.

    Attributes:
        base_url: `http://127.0.0.1:PORT`, without `/v1`.
        version: Release of the `litellm` package.
        command: How it was started; the configuration is that of `settings`.
        group: Its process group.
        key: What clients must send as bearer token; it does not start without one.
    """

    base_url: str
    version: str
    command: str
    group: int
    key: str


@contextlib.contextmanager
def running(upstream_url: str, workers: int) -> Iterator[LiteLLM]:
    """Start the proxy in front of `upstream_url` (without `/v1`) and stop it afterwards.

    Raises:
        PeerError: It is not installed or does not become ready.
    """
    if not 1 <= workers <= WORKERS_MAX:
        raise PeerError(f"workers must be 1 to {WORKERS_MAX}, got {workers}")
    if not (_BIN / "litellm").exists():
        raise PeerError("not installed: sh bench/peers/setup.sh litellm")
    with tempfile.TemporaryDirectory(prefix="litellm-") as folder:
        config, key = Path(folder, "config.yaml"), f"sk-{secrets.token_hex(32)}"
        config.write_text(json.dumps(settings(upstream_url)))  # JSON is YAML
        arguments = ["--config", str(config), "--host", "127.0.0.1", "--port", str(free_port())]
        arguments += ["--num_workers", str(workers), "--telemetry", "False"]
        base_url = f"http://127.0.0.1:{arguments[5]}"
        with serving(
            [str(_BIN / "litellm"), *arguments],
            ready_url=f"{base_url}/health/readiness",
            log=Path(folder, "log"),
            environment={**_ENVIRONMENT, "LITELLM_MASTER_KEY": key},
        ) as group:
            shown = " ".join(["litellm", "--config", "config.yaml", *arguments[2:]])
            yield LiteLLM(base_url, version(), shown, group, key)


def settings(upstream_url: str) -> dict[str, object]:
    """Return the proxy's configuration: one model, no retries, no callbacks, no database."""
    upstream = {"model": f"openai/{MODEL}", "api_base": f"{upstream_url}/v1", "api_key": "sk-bench"}
    return {
        "model_list": [{"model_name": MODEL, "litellm_params": upstream}],
        "litellm_settings": {
            "set_verbose": False,
            "callbacks": [],
            "num_retries": 0,
            "request_timeout": 30,
        },
    }


def version() -> str:
    """Return the installed release, asked from the proxy's own environment."""
    code = "import importlib.metadata as m; print(m.version('litellm'))"
    done = subprocess.run([_BIN / "python", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()
