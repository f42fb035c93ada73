"""Registers for ever in a child process and says what was answered, until it is killed."""

import os
import sys
import threading
from pathlib import Path

from tallystick.identity import SoftwareSigner
from tallystick.ledger import Home, Ledger, Registered, Submission
from tallystick.statement import KeyKind
from tests.ledgers import PASSPHRASE, Clock, Issuer

SECRET = b"k" * 32


def issuer() -> Issuer:
    return Issuer(signer=SoftwareSigner(KeyKind.ED25519, SECRET), emitter=b"e" * 16)


def work(ledger: Ledger, who: Issuer, name: str) -> None:
    count = 0
    while True:
        batch = [who.sign(subject=f"urn:{name}:{count + n}") for n in range(1 + count % 7)]
        count += len(batch)
        answers = ledger.register([Submission(statement.entry) for statement in batch])
        lines = [f"{a.index} {a.id.hex()}\n" for a in answers if isinstance(a, Registered)]
        os.write(1, "".join(lines).encode())  # one write: never half a line with another's


def main(folder: Path, run: str) -> None:
    ledger = Ledger.open(Home(folder), PASSPHRASE, clock=Clock())
    who = issuer()
    for thread in range(3):
        name = f"{run}/{thread}"
        threading.Thread(target=work, args=(ledger, who, name), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
