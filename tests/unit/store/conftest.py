"""Fixtures of the store: a journal and an archive on fresh files, closed when the test ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.store.gateway_archive import Gateway
from tests.unit.store.journal_line import Line


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    yield made
    made.journal.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path)
    yield made
    made.archive.close()
