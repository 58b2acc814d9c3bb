"""A gateway, one edge with its own journal, and a client for each role: for the tests of what is put on record."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge.requests import Requests
from store.journal import EdgeJournal
from tests.unit.edge.rig import now_us
from tests.unit.gateway.plant import Sender, admin_of, bearer, gateway_in_thread, known_as
from workshop.batch import Provenance
from workshop.block import Block, block_of
from workshop.reading import Reading
from workshop.window import Clock


class Plant:
    """A gateway with one edge and a client for each role."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.edge = url, Sender()
        self.li_na = known_as(folder, "Li Na")
        self.admin = httpx.Client(base_url=url, headers=bearer(admin_of(folder)))
        self.edge.enrol(self.admin, admin_of(folder))
        self.roles: dict[str, httpx.Client] = {"admin": self.admin, "edge": httpx.Client(base_url=url, headers=bearer(self.edge.token))}
        for role in ("viewer", "engineer", "evaluator"):
            token = self.admin.post("/v1/tokens", json={"role": role, "subject": "Li Na"}).json()["token"]
            self.roles[role] = httpx.Client(base_url=url, headers=bearer(token))

    def post(self, role: str, path: str, body: dict[str, Any]) -> httpx.Response:
        return self.roles[role].post(path, json=body)

    def close(self) -> None:
        for client in self.roles.values():
            client.close()


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with gateway_in_thread(tmp_path) as url:
        plant = Plant(url, tmp_path)
        yield plant
        plant.close()


async def no_watermark(epoch: int | None, watermark: int) -> None:
    assert (epoch, watermark) == (None, 0)


class Asked:
    """The edge's own journal, and what answers from it."""

    def __init__(self, plant: Plant, folder: Path, clock: Clock = now_us) -> None:
        self.journal = EdgeJournal.open(
            folder / "journal.sqlite", edge="edge-1", provenance=Provenance.SIMULATED, key=plant.edge.key, clock=clock,
        )
        self.requests = Requests(
            plant.url, plant.edge.token, "edge-1", epoch=self.journal.epoch, key=plant.edge.key, clock=clock, find=self._find,
            look_back=no_watermark,
        )

    async def _find(self, signal: str, from_us: int, to_us: int) -> tuple[Block, bool]:
        return self.journal.readings_within(signal, from_us, to_us)

    def store(self, *readings: Reading) -> None:
        self.journal.append([block_of(readings)])

    async def close(self) -> None:
        await self.requests.close()
        self.journal.close()


def command(plant: Plant, tmp_path: Path, role: str, *words: str) -> subprocess.CompletedProcess[str]:
    token = tmp_path / f"{role}.token"
    token.write_text(plant.roles[role].headers["authorization"].removeprefix("Bearer "))
    return subprocess.run(
        [sys.executable, "-m", "chejian", *words, "--url", plant.url, "--token-file", str(token)], capture_output=True, text=True, check=False,
        timeout=60)
