"""Does one thing that an operator does, again and again, until it is killed."""

import os
import shutil
import sys
from pathlib import Path

from tallystick.ledger import Home
from tallystick.ledger.maintenance import backup, rebuild_index, restore


def main(work: str, home: Home, folder: Path) -> None:
    os.write(1, b"begin\n")
    while True:
        if work == "backup":
            backup(home, folder)
        elif work == "rebuild-index":
            rebuild_index(home)
        else:
            restore(folder, home, [], unsafe_alone=True)
            shutil.rmtree(home.data)


if __name__ == "__main__":
    main(sys.argv[1], Home(Path(sys.argv[2])), Path(sys.argv[3]))
