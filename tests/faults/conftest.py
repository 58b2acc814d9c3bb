"""A real gateway in a process of its own, for all fault tests of the network; each edge has its own name there."""

from collections.abc import Iterator

import pytest

from tests.unit.gateway.plant import Process


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("gateway"))
    process.start()
    yield process
    process.close()
