"""A real gateway in a thread, for tests of its clients."""

import asyncio
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from gateway.serve import run as serve
from gateway.settings import GatewaySettings
from store.signing import SigningKey
from workshop.batch import NO_DIGEST, Header, Provenance, SealedBatch, encode_header, frame
from workshop.block import Block
from workshop.part import encode_part, split_block
from workshop.window import Clock

PATIENCE_S = 60.0


class Running:
    """A gateway on a free port with this register; its clock is in the test's hand."""

    def __init__(self, folder: Path, register: Path, clock: Clock, **more: Any) -> None:
        self._stop, self._ready = threading.Event(), queue.Queue[int]()
        self.folder, self.clock = folder, clock
        settings = GatewaySettings(register=str(register), data=str(folder / "gateway"), port=0, **more)
        self._thread = threading.Thread(target=lambda: serve(settings, clock, stop=self._stop, ready=self._ready.put), name="gateway")

    def start(self) -> None:
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._ready.get(timeout=PATIENCE_S)}"
        self.admin_token = self.folder / "gateway" / "admin.token"
        self.client = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.admin_token.read_text().strip()}"}, timeout=30)

    def close(self) -> None:
        self.client.close()
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def enrol(self, edge: str, provenance: Provenance, key: SigningKey) -> str:
        token = self.client.post("/v1/edges", json={"edge": edge, "provenance": provenance.value}).json()["token"]
        return str(self.client.post("/v1/enrol", json={"token": token, "edge": edge, "public_key": key.public}).json()["token"])

    def deliver(self, data: Block, edge: str = "edge-1") -> None:
        """As an edge of its own."""
        key = SigningKey.create()
        token = self.enrol(edge, Provenance.SIMULATED, key)
        made = [encode_part(equipment, rows) for equipment, rows in split_block(data).items()]
        epoch = int(data.source_time_us.min())
        header = encode_header(Header(edge, epoch, 1, NO_DIGEST, Provenance.SIMULATED, self.clock(), parts=tuple(entry for entry, _ in made)))
        batch = SealedBatch(header, key.sign("batch", header), tuple(part for _, part in made))
        answer = self.client.post("/v1/batches", content=frame(batch), headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text


async def until(true: Callable[[], object], what: str) -> None:
    """Waits for something that another process or thread does."""
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - what is waited for is in another process or thread
            await asyncio.sleep(0.05)
