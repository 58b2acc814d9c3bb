"""A running gateway as an engine: reads over its HTTP API; what is written goes to a gateway as signed batches, not through here."""

from collections.abc import Sequence
from typing import Any, TypeVar

import httpx
import msgspec
import numpy as np

from store.answers import AggregateAnswer, CountAnswer, SignalsAnswer
from store.engine import Aggregates, Capabilities, RefusedRows
from store.latest import newest_rows
from workshop.block import Block, concat, empty_block
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.reading import Value, ValueKind
from workshop.window import Window
from workshop.wire import Problem, ReadingsAnswer

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
        self._client = httpx.Client(base_url=self._url, headers=headers, timeout=settings.timeout_s, trust_env=False)

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
        """Page by page, sorted as asked."""
        pages: list[Block] = []
        waiting, wanted = list(dict.fromkeys(signals)), limit
        while waiting and (wanted is None or wanted > 0):
            names, waiting = waiting[:_SIGNALS_PER_REQUEST], waiting[_SIGNALS_PER_REQUEST:]
            found = self._read_pages(names, window, wanted)
            pages += found
            wanted = None if wanted is None else wanted - sum(len(page) for page in found)
        return concat(pages)

    def _read_pages(self, names: list[str], window: Window, wanted: int | None) -> list[Block]:
        """The rows of a few signals. A page that was cut is continued at its last row's signal and time, less the rows already held there."""
        pages: list[Block] = []
        held, start_us, skip = 0, window.start_us, 0
        while names and (wanted is None or held < wanted):
            # Only the signal that was cut starts late; the others follow with the whole window.
            asked = names if start_us == window.start_us and skip == 0 else names[:1]
            limit = self._page_rows + skip if wanted is None else min(self._page_rows, wanted - held) + skip
            answer = self._readings(asked, Window(start_us, window.end_us), limit=limit)
            block = _block(answer)
            rows = block.take(np.arange(skip, len(block)))
            pages.append(rows)
            held += len(rows)
            if not answer.truncated:
                names, start_us, skip = names[len(asked):], window.start_us, 0
                continue
            last, start_us = block.signals[int(block.signal[-1])], int(block.source_time_us[-1])
            names = names[names.index(last):]
            skip = int(((block.signal == block.signal[-1]) & (block.source_time_us == start_us)).sum())
        return pages

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
        names = signals if signals is not None else [item.id for item in self._get("/v1/signals", {}, SignalsAnswer).signals]
        return self.last_before(names, _LATEST)

    def last_before(self, signals: Sequence[str], time_us: int) -> Block:
        """An empty window with its carry-in."""
        names = list(dict.fromkeys(signals))
        groups = [names[i:i + _SIGNALS_PER_REQUEST] for i in range(0, len(names), _SIGNALS_PER_REQUEST)]
        blocks = [_block(self._readings(group, Window(time_us, time_us), limit=1, last_before=1)) for group in groups]
        return newest_rows(concat(blocks), names)

    def count(self) -> int:
        """Rows in the gateway's engine."""
        return self._get("/v1/count", {}, CountAnswer).rows

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _readings(self, signals: list[str], window: Window, **more: int) -> ReadingsAnswer:
        return self._get("/v1/readings", {"signal": signals, "from_us": window.start_us, "to_us": window.end_us, **more}, ReadingsAnswer)

    def _get(self, path: str, query: dict[str, Any], answer: type[Answer]) -> Answer:
        where = f"{self._url}{path}"
        try:
            response = self._client.get(path, params=query)
        except httpx.HTTPError as error:
            raise NotConnected(f"{where}: no answer ({error or type(error).__name__}); is the gateway running?") from error
        if response.status_code == 200:
            try:
                return msgspec.json.decode(response.content, type=answer)
            except msgspec.DecodeError as error:
                raise Rejected(f"{where}: an answer of another shape ({error}); is this a chejian gateway of this version?") from error
        text = f"{where}: {response.status_code} {_detail(response.content)}"
        if response.status_code in (401, 403):
            raise ConfigError(f"{text}; give it the token of a viewer")
        raise NotConnected(text) if response.status_code == 429 or response.status_code >= 500 else Rejected(text)


def _detail(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Problem).detail
    except msgspec.DecodeError:
        return body[:200].decode("utf-8", "replace")


def _kind(value: Value) -> ValueKind:
    match value:
        case None:
            return ValueKind.NONE
        case float():
            return ValueKind.F64
        case int():
            return ValueKind.I64
        case _:
            return ValueKind.TEXT


def _block(answer: ReadingsAnswer) -> Block:
    if not answer.signal:
        return empty_block()
    kind = np.array([_kind(value) for value in answer.value], np.uint8)
    text = [value if isinstance(value, str) else "" for value in answer.value] if bool((kind == ValueKind.TEXT).any()) else []
    return Block(
        answer.signals, answer.statuses, np.array(answer.signal, np.int32), np.array(answer.source_time_us, np.int64),
        np.array(answer.received_time_us, np.int64), kind, np.array([v if isinstance(v, float) else 0.0 for v in answer.value], np.float64),
        np.array([v if isinstance(v, int) else 0 for v in answer.value], np.int64), text, np.array(answer.quality, np.uint8),
        np.array(answer.status, np.int32),
    )
