"""A running gateway as an engine: reads over its HTTP API, readings as Arrow; rows go to a gateway as signed batches, not through here."""

import ssl
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import httpx
import msgspec
import numpy as np

from store.answers import AggregateAnswer, CountAnswer, SignalsAnswer
from store.arrow_block import ARROW_TYPE, from_arrow
from store.engine import Aggregates, Capabilities, RefusedRows
from store.latest import newest_rows
from workshop.block import Block, concat
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.window import Window
from workshop.wire import Problem

Answer = TypeVar("Answer")
_SIGNALS_PER_REQUEST = 100  # keeps the request line below 8 kB
_LATEST = 2**62


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the gateway is and who asks."""

    url: str
    """Such as http://127.0.0.1:8410."""
    token: str
    """Bearer token of a viewer or higher."""
    timeout_s: float = 30.0
    """How long an answer may take, s."""
    page_rows: int = 100_000
    """Rows asked for at once."""


def open_engine(settings: GatewaySettings) -> "GatewayEngine":
    """A client of this gateway; it connects with the first question."""
    return GatewayEngine(settings)


class GatewayEngine:
    """Reads from a gateway what its own engine holds."""

    capabilities = Capabilities(
        text=True, integers_beyond_2_53=True, resolution_us=1, deduplicates=False, aggregates=True, clustering=False,
    )

    def __init__(self, settings: GatewaySettings) -> None:
        self._url = settings.url.rstrip("/")
        self._page_rows = settings.page_rows
        headers = {"Authorization": f"Bearer {settings.token}"}
        context = ssl.create_default_context()
        self._client = httpx.Client(base_url=self._url, headers=headers, timeout=settings.timeout_s, trust_env=False, verify=context)

    def write(self, block: Block, cursor: int) -> Sequence[RefusedRows]:
        """Refused: an index has no right to write.

        Raises:
            Rejected: always.
        """
        raise Rejected(f"{self._url}: this engine only reads; readings go to a gateway as signed batches, through an enrolled edge")

    def cursor(self) -> int:
        """The cursor of the gateway's own engine."""
        return self._get("/v1/count", {}, CountAnswer).cursor

    def read(self, signals: Sequence[str], window: Window, limit: int | None = None) -> Block:
        """Page by page as Arrow, sorted as asked."""
        return concat(list(self.pages(signals, window, limit)))

    def pages(self, signals: Sequence[str], window: Window, limit: int | None = None) -> Iterator[Block]:
        """The same page by page, so that no more than one of them is in memory."""
        waiting, wanted = list(dict.fromkeys(signals)), limit
        while waiting and (wanted is None or wanted > 0):
            names, waiting = waiting[:_SIGNALS_PER_REQUEST], waiting[_SIGNALS_PER_REQUEST:]
            page: str | None = None
            while wanted is None or wanted > 0:
                most = self._page_rows if wanted is None else min(self._page_rows, wanted)
                block, page = self._readings(names, window, limit=most, **({"page": page} if page else {}))
                yield block
                wanted = None if wanted is None else wanted - len(block)
                if page is None:
                    break

    def aggregate(self, signal: str, window: Window, step_us: int) -> Aggregates:
        """Computed by the gateway."""
        query = {"signal": signal, "from_us": window.start_us, "to_us": window.end_us, "step_us": step_us}
        answer = self._get("/v1/aggregate", query, AggregateAnswer)
        return Aggregates(
            np.array(answer.start_us, np.int64), np.array(answer.count, np.int64), np.array(answer.minimum, np.float64),
            np.array(answer.maximum, np.float64), np.array(answer.mean, np.float64),
        )

    def latest(self, signals: Sequence[str] | None = None) -> Block:
        """The newest row of each signal in the gateway's engine."""
        names = signals if signals is not None else self.signals()
        return self.last_before(names, _LATEST)

    def signals(self) -> list[str]:
        """The ids of all signals in the gateway's register."""
        return [item.id for item in self._get("/v1/signals", {}, SignalsAnswer).signals]

    def last_before(self, signals: Sequence[str], time_us: int) -> Block:
        """An empty window with its carry-in."""
        names = list(dict.fromkeys(signals))
        groups = [names[i:i + _SIGNALS_PER_REQUEST] for i in range(0, len(names), _SIGNALS_PER_REQUEST)]
        blocks = [self._readings(group, Window(time_us, time_us), limit=1, last_before=1)[0] for group in groups]
        return newest_rows(concat(blocks), names)

    def maintain(self, now_us: int) -> None:
        """Nothing: the server keeps house itself."""

    def count(self) -> int:
        """Rows in the gateway's engine."""
        return self._get("/v1/count", {}, CountAnswer).rows

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _readings(self, signals: list[str], window: Window, **more: int | str) -> tuple[Block, str | None]:
        """One page, and the name of the next."""
        query = {"signal": signals, "from_us": window.start_us, "to_us": window.end_us, **more}
        response = self._ask("/v1/readings", query, ARROW_TYPE)
        return from_arrow(response.content), response.headers.get("x-next-page")

    def _get(self, path: str, query: dict[str, Any], answer: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(self._ask(path, query, "application/json").content, type=answer)
        except msgspec.DecodeError as error:
            raise Rejected(f"{self._url}{path}: an answer of another shape ({error}); is this a chejian gateway of this version?") from error

    def _ask(self, path: str, query: dict[str, Any], media: str) -> httpx.Response:
        where = f"{self._url}{path}"
        try:
            response = self._client.get(path, params=query, headers={"Accept": media})
        except httpx.HTTPError as error:
            raise NotConnected(f"{where}: no answer ({error or type(error).__name__}); is the gateway running?") from error
        if response.status_code == 200:
            return response
        text = f"{where}: {response.status_code} {_detail(response.content)}"
        if response.status_code in (401, 403):
            raise ConfigError(f"{text}; give it the token of a viewer")
        raise NotConnected(text) if response.status_code == 429 or response.status_code >= 500 else Rejected(text)


def _detail(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Problem).detail
    except msgspec.DecodeError:
        return body[:200].decode("utf-8", "replace")

