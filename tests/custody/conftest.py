"""The places that keys are kept in, each a real one: they are made here, and taken away again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.custody import places
from tests.unit.cli.conftest import bare

__all__ = ["bare"]


@pytest.fixture(scope="package")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[places.Token]:
    """A token of SoftHSM."""
    with places.token(tmp_path_factory.mktemp("token")) as made:
        yield made


@pytest.fixture(scope="package")
def desktop_keyring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[places.DesktopKeyring]:
    """GNOME Keyring behind a D-Bus of its own."""
    with places.desktop_keyring(tmp_path_factory.mktemp("keyring")) as made:
        yield made


@pytest.fixture(scope="package")
def key_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[places.KeyService]:
    """The plug-in of the examples, installed, and the service that it speaks to."""
    with places.key_service(tmp_path_factory.mktemp("kms")) as made:
        yield made


@pytest.fixture
def key_file(tmp_path: Path) -> places.KeyFilePlace:
    """A key file on a disk of its own."""
    (tmp_path / "stick").mkdir()
    return places.KeyFilePlace(tmp_path / "stick")


@pytest.fixture(params=["key_file", "token", "desktop_keyring", "key_service"])
def place(request: pytest.FixtureRequest) -> places.Place:
    """Each of them in turn."""
    made: places.Place = request.getfixturevalue(request.param)
    return made
