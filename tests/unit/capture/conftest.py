"""A house, a model API and a gateway between them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.capture.gateways import House, Kept, gateway_on
from tests.unit.capture.model_api import ModelApi, model_api


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "ledger")


@pytest.fixture
def api() -> Iterator[ModelApi]:
    with model_api() as running:
        yield running


@pytest.fixture
def kept(house: House, api: ModelApi) -> Iterator[Kept]:
    with gateway_on(house, api.url) as running:
        yield running
