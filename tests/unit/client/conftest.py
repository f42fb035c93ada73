"""Both clients, and a service that some tests share."""

from collections.abc import Iterator

import pytest

from tests.ledgers import Issuer
from tests.unit.client.speaking import Speaker
from tests.unit.web.served import Place, served


@pytest.fixture(params=["sync", "async"])
def speaker(request: pytest.FixtureRequest) -> Speaker:
    return Speaker(request.param)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    clinic = Issuer()
    with served(tmp_path_factory.mktemp("served"), clinic) as client:
        yield Place(client, clinic)
