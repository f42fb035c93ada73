"""Administrative acts that were done and are not registered yet.

    keep(home, act)                 # durable, before anybody tries to register it
    register_kept(home, ledger)     # all that are not in the log, each once

What is done to files must not wait for the log: a backup is good also where nobody can sign. So the
record of it is kept beside the log, and registered by whoever opens the ledger for writing next.
"""

import hmac
import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from tallystick.errors import EncodingError, VersionError
from tallystick.ledger.home import Home
from tallystick.ledger.reading import Query
from tallystick.ledger.versioned import replace_private
from tallystick.log import PosixDisk
from tallystick.statement.administration import Act, AdminAct, is_act, parse_act
from tallystick.statement.governance import StatementType

if TYPE_CHECKING:
    from tallystick.ledger.ledger import Ledger
    from tallystick.ledger.reading import Reads
    from tallystick.ledger.submission import Registered

FOLDER: Final = "acts"
_SUFFIX: Final = ".act"
_PURPOSE: Final = b"tallystick/settings/1"


class Recorder(Protocol):
    """What registers acts: a ledger, or the service that has it open."""

    def record_act(self, act: AdminAct) -> "Registered | Any":
        """Register an act, as the operator."""
        ...


def keep(home: Home, act: AdminAct) -> None:
    """Keep an act until it is registered; the same one is kept once.

    Raises:
        EncodingError: It holds more than codes and numbers.
        OSError: The disk does not take it.
    """
    payload = act.encode()
    parse_act(payload)
    folder = home.data / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_private(folder / f"{sha256(payload).hexdigest()}{_SUFFIX}", payload)


def kept(home: Home) -> list[AdminAct]:
    """Return what is not registered yet, the oldest first; a file that is damaged is left alone."""
    return [act for _, act in _kept(home)]


def _kept(home: Home) -> list[tuple[Path, AdminAct]]:
    found = []
    for path in (home.data / FOLDER).glob(f"*{_SUFFIX}"):
        try:
            found.append((path, parse_act(path.read_bytes())))
        except (EncodingError, VersionError):
            continue
    return sorted(found, key=lambda one: (one[1].at, one[0].name))


def register_kept(home: Home, ledger: Recorder, reads: "Reads") -> list["Registered"]:
    """Register what is kept and not in the log, and forget what is.

    Args:
        home: Of the ledger.
        ledger: Registers.
        reads: The same ledger, to look.

    Raises:
        TallystickError: As `record_act`; what is left is kept.
    """
    done = []
    for path, act in _kept(home):
        if not is_registered(reads, act):
            done.append(ledger.record_act(act))
        PosixDisk().remove(path)
    return done


def is_registered(reads: "Reads", act: AdminAct) -> bool:
    """Tell whether the operator registered this very act."""
    issuer, payload = reads.at(0).statement.header.issuer, act.encode()
    query = Query(type=StatementType.ACCESS, issuer=issuer, subject=act.subject)
    return any(found.statement.payload == payload for found in reads.find_all(query))


def record_change(
    ledger: "Ledger",
    act: Act,
    known: Mapping[str, Any],
    usual: Mapping[str, Any],
    **details: str | int,
) -> "Registered | None":
    """Register what holds now, if it is not what was registered last.

    The digest is keyed: whoever reads the log cannot try out settings until one matches.

    Args:
        ledger: Open for writing.
        act: What changed.
        known: All of it, as JSON takes it.
        usual: What holds where nothing was ever registered.
        details: Codes and numbers of it that may be public.
    """
    digest = _digest(ledger, known)
    last = next(_targets(ledger, act), None)
    if digest == (last or _digest(ledger, usual)):
        return None
    now = ledger.clock()
    return ledger.record_act(AdminAct(act=act, target=digest, at=now, details=details))


def _targets(ledger: "Ledger", act: Act) -> Iterator[str]:
    issuer = ledger.at(0).statement.header.issuer
    for found in ledger.find_all(Query(type=StatementType.ACCESS, issuer=issuer)):
        if is_act(found.statement) and (said := parse_act(found.statement.payload)).act is act:
            yield said.target


def _digest(ledger: "Ledger", content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, default=str).encode()
    return hmac.digest(ledger.api_secret, _PURPOSE + text, "sha256").hex()
