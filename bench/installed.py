"""The environment of what is measured: as after an installation, which has compiled everything."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def as_installed() -> Iterator[Mapping[str, str]]:
    """Yield variables with which Python keeps what it has compiled, in a folder of their own.

    Where `PYTHONDONTWRITEBYTECODE` is set, as containers and some shells have it, a checkout is
    compiled anew at every start, which takes longer than the start itself.
    """
    with tempfile.TemporaryDirectory(prefix="tally-compiled-") as folder:
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        yield {**kept, "PYTHONPYCACHEPREFIX": folder}
