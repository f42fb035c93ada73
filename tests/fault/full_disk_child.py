"""Registers on a small disk until it is full, and after space was made; says what it saw.

Its arguments are a folder on that disk, and where the bytes go: `vault`, or `log` for statements
that carry them inline, which fills the journal while no tile can be written. Prints `ok` if all
that was acknowledged is there.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from tallystick.errors import TallystickError, UnavailableError
from tallystick.ledger import Home, Ledger, LedgerReader, Registered, Submission
from tallystick.ledger.maintenance import check, check_statements
from tests.ledgers import PASSPHRASE, Clock, Issuer, ledger_in

FREE_BYTES = 200_000
"""What the filler leaves."""
TRIES_MAX = 400
TEXT_BYTES = 60_000


def fill(folder: Path) -> Path:
    filler, block = folder / "filler", bytes(65_536)
    state = os.statvfs(folder)
    with filler.open("wb") as file:
        for _ in range((state.f_bavail * state.f_frsize - FREE_BYTES) // len(block)):
            file.write(block)
    return filler


def submission(clinic: Issuer, where: str) -> Submission:
    if where == "log":
        inline = os.urandom(TEXT_BYTES)
        statement = clinic.sign(inline, type="call", hashed=False, content_type="text/plain")
        return Submission(statement.entry)
    statement, content = clinic.content({"text": os.urandom(TEXT_BYTES)})
    return Submission(statement.entry, content)


def register_until_full(
    ledger: Ledger, clinic: Issuer, where: str
) -> tuple[list[Registered], Submission, TallystickError]:
    """Return what was acknowledged, what was not, and the error."""
    done: list[Registered] = []
    for _ in range(TRIES_MAX):
        last = submission(clinic, where)
        try:
            done.append(ledger.register_one(last))
        except TallystickError as error:
            return done, last, error
    raise AssertionError(f"{TRIES_MAX} registrations fitted into {FREE_BYTES} bytes")


def main(folder: Path, where: str) -> None:
    clinic, home = Issuer(), Home(folder / "home")
    with ledger_in(home.root, clinic) as ledger:
        filler = fill(folder)
        done, rest, error = register_until_full(ledger, clinic, where)
        assert isinstance(error, UnavailableError), repr(error)
        assert "full" in str(error) or "No space left" in str(error), str(error)
        for registered in done:  # what was answered can be read while the disk is full
            assert ledger.at(registered.index).statement.id == registered.id
        with suppress(UnavailableError):
            ledger.register_one(submission(clinic, where))
        filler.unlink()
        done.append(ledger.register_one(rest))  # the same bytes, as the advice says
        deadline = time.monotonic() + 20
        while ledger.published < ledger.snapshot.checkpoint.size:
            assert time.monotonic() < deadline, ledger.trouble
            time.sleep(0.05)
        assert ledger.trouble is None
    assert check(home).damage == ()
    assert list(check_statements(home)) == []
    with LedgerReader(home, PASSPHRASE) as reader:
        for registered in done:
            assert reader.at(registered.index).statement.id == registered.id
            if where == "vault":
                assert len(reader.vault.get(registered.id).values()["text"]) == TEXT_BYTES
    Ledger.open(home, PASSPHRASE, clock=Clock()).close()
    sys.stdout.write(f"ok {len(done)} {error}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
