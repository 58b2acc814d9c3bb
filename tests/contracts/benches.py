"""Engines under test, and the ways in which rows come into them."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import httpx

from store.engine import Engine, load_engine
from tests.unit.gateway.plant import Sender, admin_of, bearer, until
from workshop.block import Block, empty_block


class Bench(Protocol):
    """An engine under test and the way in which rows come into it."""

    engine: Engine

    def fill(self, block: Block) -> None:
        """Stores the block as the next batch and waits until it can be read."""

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

    def fill(self, block: Block) -> None:
        self._last = block
        self.engine.write(block, self.engine.cursor() + 1)

    def again(self) -> None:
        self.engine.write(self._last, self.engine.cursor())

    def reopen(self) -> None:
        self.engine.close()
        self.engine = load_engine(self._name, self._options)


class OnServer(Direct):
    """An engine whose server shows what it took only when it is asked to, or a second later."""

    def __init__(self, name: str, options: dict[str, object], flush: Callable[[], None]) -> None:
        super().__init__(name, options)
        self.flush = flush

    def fill(self, block: Block) -> None:
        super().fill(block)
        self.flush()

    def again(self) -> None:
        super().again()
        self.flush()


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

    def fill(self, block: Block) -> None:
        self._batch = self._sender.seal(block)
        assert self._sender.post(self._client, self._batch).status_code == 200
        until(lambda: self.engine.cursor() == self._sender.seq, "the batch is in the engine")

    def again(self) -> None:
        assert self._sender.post(self._client, self._batch).status_code == 200

    def reopen(self) -> None:
        self.engine.close()
        self.engine = load_engine("gateway", self._options)

    def close(self) -> None:
        self._client.close()
