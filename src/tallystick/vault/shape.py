"""What decrypts and has another shape: only the master key could have written it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tallystick.errors import DamagedError, EncodingError


@contextmanager
def shape(statement_id: bytes) -> Iterator[None]:
    """Report what is not what a vault writes.

    Raises:
        DamagedError: It is not.
    """
    try:
        yield
    except (EncodingError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DamagedError(
            f"vault content of {statement_id.hex()} is not what a vault writes: {error}"
        ) from error
