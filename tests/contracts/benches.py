"""Engines under test, and the ways in which rows come into them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import httpx

from store.engine import Engine, RefusedRows, load_engine
from tests.unit.gateway.plant import Sender, admin_of, bearer, until
from workshop.block import Block, empty_block
from workshop.window import Window


class Bench(Protocol):
    """An engine under test and the way in which rows come into it."""

    engine: Engine

    def fill(self, block: Block) -> Sequence[RefusedRows]:
        """Stores the block as the next batch, waits until it can be read, and returns what the engine refused."""

    def again(self) -> None:
        """Delivers the last batch once more."""

    def reopen(self) -> None:
        """Closes and opens the engine."""


class Direct:
    """An engine that is written directly."""

    def __init__(self, name: str, options: dict[str, object]) -> None:
        self._name, self._options = name, options
        self.engine = load_engine(name, options)
        self._last = empty_block()

    def fill(self, block: Block) -> Sequence[RefusedRows]:
        self._last = block
        return self.engine.write(block, self.engine.cursor() + 1)

    def again(self) -> None:
        self.engine.write(self._last, self.engine.cursor())

    def reopen(self) -> None:
        self.engine.close()
        self.engine = load_engine(self._name, self._options)


class OnServer(Direct):
    """An engine whose server shows what it took only when it is asked to, or seconds later."""

    def __init__(self, name: str, options: dict[str, object], flush: Callable[[], None]) -> None:
        super().__init__(name, options)
        self._flush = flush
        self._held: dict[tuple[str, int], set[int]] = {}

    def fill(self, block: Block) -> Sequence[RefusedRows]:
        refused = super().fill(block)
        out = {row for item in refused for row in item.rows.tolist()}
        for number, row in enumerate(block.readings()):
            if number not in out:
                self._held.setdefault((row.signal, row.source_time_us), set()).add(row.received_time_us)
        # A flush returns at once while another one, that the server began by itself, still makes its rows visible.
        until(self._shown, "the server shows what it took")
        self._flush()
        return refused

    def _shown(self) -> bool:
        """Whether every row can be read, of those at one time any."""
        self._flush()
        times = [time for _, time in self._held]
        if not times:
            return True
        found = self.engine.read([name for name, _ in self._held], Window(min(times), max(times) + 1)).readings()
        seen = {(row.signal, row.source_time_us) for row in found if row.received_time_us in self._held.get((row.signal, row.source_time_us), ())}
        return seen == set(self._held)

    def again(self) -> None:
        super().again()
        self._flush()


class ThroughGateway:
    """The engine that reads from a running gateway: rows come in as signed batches."""

    def __init__(self, url: str, folder: Path) -> None:
        self._client = httpx.Client(base_url=url)
        self._sender = Sender()
        self._sender.enrol(self._client, admin_of(folder))
        token = self._client.post("/v1/tokens", json={"role": "viewer", "subject": "test"}, headers=bearer(admin_of(folder))).json()["token"]
        # A page of three rows, so that every read goes over several.
        self._options = {"url": url, "token": token, "page_rows": 3}
        self.engine = load_engine("gateway", self._options)

    def fill(self, block: Block) -> Sequence[RefusedRows]:
        self._batch = self._sender.seal(block)
        assert self._sender.post(self._client, self._batch).status_code == 200
        until(lambda: self.engine.cursor() == self._sender.seq, "the batch is in the engine")
        return ()

    def again(self) -> None:
        assert self._sender.post(self._client, self._batch).status_code == 200

    def reopen(self) -> None:
        self.engine.close()
        self.engine = load_engine("gateway", self._options)

    def close(self) -> None:
        self._client.close()
