"""One service for all tests of a file that only add to it."""

from collections.abc import Iterator

import pytest

from tests.ledgers import Issuer
from tests.unit.web.served import Place, served


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    clinic = Issuer()
    with served(tmp_path_factory.mktemp("served"), clinic, show_content=True) as client:
        yield Place(client, clinic)
