"""What decrypts and has another shape: only the master key could have written it."""

from tallystick.errors import DamagedError, EncodingError

_WRONG = (EncodingError, ValueError, TypeError, AttributeError, OverflowError)


class Shape:
    """Reports what is not what a vault writes; entered for each read, so it is no generator.

    Raises:
        DamagedError: It is not.
    """

    __slots__ = ("_id",)

    def __init__(self, statement_id: bytes) -> None:
        self._id = statement_id

    def __enter__(self) -> None:
        """Nothing is prepared."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if isinstance(error, _WRONG):
            raise DamagedError(
                f"vault content of {self._id.hex()} is not what a vault writes: {error}"
            ) from error
