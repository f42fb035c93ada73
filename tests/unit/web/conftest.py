"""One service for all tests of a file that only add to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.impostor import Impostor, lying
from tests.ledgers import Issuer
from tests.unit.web.served import Place, served
from tests.unit.web.signing_in import Make, places


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    clinic = Issuer()
    with served(tmp_path_factory.mktemp("served"), clinic, show_content=True) as client:
        yield Place(client, clinic)


@pytest.fixture
def impostor() -> Iterator[Impostor]:
    with lying() as impostor:
        yield impostor


@pytest.fixture
def make(tmp_path: Path, impostor: Impostor) -> Iterator[Make]:
    with places(tmp_path, impostor) as make:
        yield make
