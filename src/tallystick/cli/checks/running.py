"""The running service: is there one, is it this ledger's, does the clock go with it."""

import http.client
import json
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tallystick.cli.checks.finding import Finding, ok, problem, warning
from tallystick.cli.checks.stored import Stored, newest_beat
from tallystick.errors import UnavailableError

if TYPE_CHECKING:
    from tallystick.web import Settings

ANSWER_SECONDS_MAX: Final = 3
ANSWER_BYTES_MAX: Final = 1 << 20
JUMP_SECONDS: Final = 60
"""A clock that is further behind the ledger's newest heartbeat than this has jumped back."""
UNAVAILABLE: Final = 503


def service(stored: Stored, settings: "Settings") -> Iterator[Finding]:
    """Check whether a service has the ledger open, and whether it is the one that answers."""
    from tallystick.cli.remote import address_file, find_service

    url, holder = find_service(stored.home), stored.holder
    if holder is None and url is None:
        yield ok("service", "not running")
    elif holder is None:
        yield warning(
            "service", f"{url} was left behind by a service that was killed",
            mend=f"rm {quote(str(address_file(stored.home)))}, or start the service",
        )  # fmt: skip
    elif url is None:
        yield ok("service", f"process {holder} has the ledger open, and serves nothing")
    else:
        yield from _answering(stored, settings, url, holder)


def _answering(stored: Stored, settings: "Settings", url: str, holder: str) -> Iterator[Finding]:
    where = f"process {holder} at {url}"
    try:
        keys = ask_service(url, "/keys?limit=1", settings.tls_certificate)[1]
        status, health = ask_service(url, "/readyz", settings.tls_certificate)
    except UnavailableError as error:
        yield problem(
            "service", f"{where} does not answer: {error}", "an answer",
            "look at its log: journalctl -u tallystick",
        )  # fmt: skip
        return
    if keys.get("checkpoint_key") != stored.card.checkpoint_key:
        yield problem(
            "service", f"{url} serves another ledger than {stored.home.root}",
            "one service for each folder, and one port for each service",
            "end one of them, or change its `port`",
        )  # fmt: skip
    elif status == UNAVAILABLE:
        yield problem("service", f"{where} is not ready: {health.get('detail')}", "ready")
    else:
        yield ok("service", f"{where}, version {health.get('version', 'unknown')}, is ready")


def clock(stored: Stored, now: int | None = None) -> Iterator[Finding]:
    """Check the clock against the newest heartbeat. Time zones play no part: both are UTC."""
    now, beat = int(time.time()) if now is None else now, newest_beat(stored)
    if beat is None:
        yield warning("clock", "not compared: no heartbeat can be read")
    elif now < beat - JUMP_SECONDS:
        yield problem(
            "clock", f"{beat - now} s behind the ledger's newest heartbeat",
            f"at most {JUMP_SECONDS} s", "set the clock, by NTP; nothing registered is lost",
        )  # fmt: skip
    else:
        yield ok("clock", f"{max(0, now - beat)} s after the newest heartbeat")


def two_owners(stored: Stored) -> Iterator[Finding]:
    """Check that all of the folder belongs to one user, whom two services would differ in."""
    owners: dict[int, Path] = {}
    for path in (stored.home.root, stored.home.data, stored.home.lock, stored.home.service_keys):
        if path.exists():
            owners.setdefault(path.stat().st_uid, path)
    if len(owners) > 1:
        seen = ", ".join(f"{path} is user {uid}'s" for uid, path in owners.items())
        yield warning("owner", seen, "one user", f"chown -R USER {stored.home.root}")
    elif owners and os.geteuid() not in owners:
        [owner] = owners
        yield warning("owner", f"the folder is user {owner}'s, this is user {os.geteuid()}",
                      mend="run the command as that user")  # fmt: skip
    else:
        yield ok("owner", f"user {os.geteuid()}")


def ask_service(url: str, path: str, certificate: Path | None) -> tuple[int, dict[str, Any]]:
    """Return the status and the object that a service of this machine answers with.

    Raises:
        UnavailableError: It does not answer.
    """
    try:
        with closing(_connect(url, certificate)) as line:
            line.request("GET", path)
            answer = line.getresponse()
            body = json.loads(answer.read(ANSWER_BYTES_MAX))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnavailableError(f"{type(error).__name__}: {error}") from error
    return answer.status, body if isinstance(body, dict) else {}


def _connect(url: str, certificate: Path | None) -> http.client.HTTPConnection:
    parts, host = urlsplit(url), urlsplit(url).hostname or ""
    # A service on all addresses is asked at one of this machine.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it is looked up
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, parts.port, timeout=ANSWER_SECONDS_MAX)
    context = ssl.create_default_context(cafile=certificate)
    # What is asked is whether it answers; that it is the right ledger, its key says.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(
        host, parts.port, timeout=ANSWER_SECONDS_MAX, context=context
    )
