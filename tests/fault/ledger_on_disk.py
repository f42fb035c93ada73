"""One small log on any disk, for the fault and property tests."""

from pathlib import Path

from tallystick.identity import SoftwareSigner
from tallystick.log import Disk, EmbeddedLog, LogKey, Places
from tallystick.statement import KeyKind, VerifierKey
from tests.conftest import Entropy

SIGNER = SoftwareSigner(KeyKind.ED25519, b"K" * 32)
KEY = LogKey(VerifierKey("log.example/fault", 1, SIGNER.public.raw), SIGNER.sign)


def open_log(disk: Disk, root: str = "/ledger") -> EmbeddedLog:
    base = Path(root)
    places = Places(base / "log", base / "journal", base / "head")
    return EmbeddedLog(places, KEY, disk, Entropy("seed"), halfway=None)
