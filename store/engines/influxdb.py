"""InfluxDB 2 through influxdb-client: preformatted line protocol in large batches, Flux whose work is done by the server.

The server has no transactions: the cursor lies in a file beside the archive and is written after the rows; the same rows again replace themselves,
because a point's identity is its signal and time.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import urllib3

from store.cursor_file import CursorFile
from store.engine import Aggregates, Capabilities, RefusedRows
from store.influx_client import InfluxWriter, read_token
from store.influx_rows import EARLIEST_US, LATEST_US, block_from, decoded, encoded, flux_time, lines, records, sift, time_of
from store.latest import LatestRows, newest_rows
from workshop.block import Block, concat, empty_block
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.window import Window

_AT_ONCE = 50  # signals of one question
_PIVOT = '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
_EVERYTHING = Window(EARLIEST_US, LATEST_US)


class InfluxSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the server is and how rows go there."""

    cursor_path: str
    """File of the cursor; the gateway puts it into its data folder."""
    org: str
    """Organisation."""
    bucket: str
    """Bucket; made beforehand, with a retention that covers what is to be kept."""
    token_file: str
    """File with a token that may read and write the bucket."""
    url: str = "http://127.0.0.1:8086"
    measurement: str = "chejian"
    """Measurement of all points; another for each gateway that shares a bucket."""
    batch_lines: int = 10_000
    """Lines of one request."""
    gzip: bool = True
    """Compress requests."""
    timeout_s: float = 60.0
    """How long an answer may take, s."""


def open_engine(settings: InfluxSettings) -> "InfluxEngine":
    """The engine on this bucket.

    Raises:
        NotConnected: the server is not reachable.
        ConfigError: token, organisation or bucket are refused.
    """
    return InfluxEngine(settings)


class InfluxEngine:
    """Readings as points of one measurement, see `store.influx_rows`."""

    capabilities = Capabilities(text=True, integers_beyond_2_53=True, resolution_us=1, deduplicates=True, aggregates=True, clustering=False)

    def __init__(self, settings: InfluxSettings) -> None:
        self._bucket, self._measurement = settings.bucket.replace("\\", "\\\\").replace('"', '\\"'), encoded(settings.measurement)
        self._writer = InfluxWriter(
            settings.url, bucket=settings.bucket, organisation=settings.org, token=read_token(settings.token_file), precision="us",
            batch_lines=settings.batch_lines, gzip=settings.gzip, timeout_s=settings.timeout_s,
        )
        self._queries = self._writer.client.query_api()
        self._writing = threading.Lock()
        self._latest = LatestRows()
        try:
            self._position = CursorFile(Path(settings.cursor_path), f"{settings.url} {settings.org}/{settings.bucket} {settings.measurement}")
            rows = self._last((), LATEST_US)
        except BaseException:
            self.close()
            raise
        if self._position.rows and not len(rows):
            self._position.go_back(to_start=True)  # the bucket is empty: it was replaced
        self._latest.update(rows)

    def write(self, block: Block, cursor: int) -> Sequence[RefusedRows]:
        """Rows first, then the cursor; a stop between them makes the same rows come again, which changes nothing."""
        with self._writing:
            if cursor <= self._position.cursor:
                return ()
            rows, refused = sift(block)
            held = block.take(rows)
            bad = self._writer.write(lines(held, self._measurement))
            refused += [RefusedRows(rows[[index]], f"InfluxDB: {reason}") for index, reason in bad]
            stored = np.ones(len(held), np.bool_)
            stored[[index for index, _ in bad]] = False
            self._position.advance(cursor, int(stored.sum()))
            self._latest.update(held.take(stored))
            return refused

    def cursor(self) -> int:
        """Next data-log index."""
        return self._position.cursor

    def read(self, signals: Sequence[str], window: Window, limit: int | None = None) -> Block:
        """Rows of the window, sorted by the server within each signal; with a limit, signal by signal."""
        asked = list(dict.fromkeys(signals))
        if window.length_us == 0:
            return empty_block()
        blocks: list[Block] = []
        wanted, group = limit, _AT_ONCE if limit is None else 1
        for i in range(0, len(asked), group):
            if wanted == 0:
                break
            names = asked[i:i + group]
            cut = f'|> sort(columns: ["_time"]) |> limit(n: {wanted})' if wanted is not None else ""
            blocks.append(block_from(self._ask(f"{self._from(names, window)} {_PIVOT} {cut}"), names))
            wanted = None if wanted is None else wanted - len(blocks[-1])
        return concat(blocks)

    def aggregate(self, signal: str, window: Window, step_us: int) -> Aggregates:
        """By aggregateWindow on the server; floats and integers of one signal are put together here."""
        if step_us < 1:
            raise ConfigError(f"aggregate: step_us is {step_us}, must be at least 1")
        source = f'data = {self._from([signal], window)} |> filter(fn: (r) => r._field == "f64" or r._field == "i64")'
        shape = f'every: {step_us}us, offset: {window.start_us % step_us}us, createEmpty: false, timeSrc: "_start"'
        wanted = [f'data |> aggregateWindow({shape}, fn: {name}) |> yield(name: "{name}")' for name in ("count", "min", "max", "sum")]
        found: dict[str, dict[int, list[float]]] = {"count": {}, "min": {}, "max": {}, "sum": {}}
        for record in self._ask("\n".join([source, *wanted])) if window.length_us else ():
            found[record["result"]].setdefault(time_of(record["_time"]), []).append(float(record["_value"]))
        starts = sorted(found["count"])
        count = np.array([sum(found["count"][at]) for at in starts], np.int64)
        total = np.array([sum(found["sum"][at]) for at in starts], np.float64)
        low = np.array([min(found["min"][at]) for at in starts], np.float64)
        high = np.array([max(found["max"][at]) for at in starts], np.float64)
        return Aggregates(np.array(starts, np.int64), count, low, high, total / np.maximum(count, 1))

    def latest(self, signals: Sequence[str] | None = None) -> Block:
        """From memory."""
        return self._latest.block(signals)

    def last_before(self, signals: Sequence[str], time_us: int) -> Block:
        """From memory where the newest row is old enough, otherwise by last() on the server."""
        found = [self._latest.block(signals, before_us=time_us)]
        missing = [name for name in dict.fromkeys(signals) if name not in found[0].signals]
        found += [self._last(missing[i:i + _AT_ONCE], time_us) for i in range(0, len(missing), _AT_ONCE)]
        return newest_rows(concat(found), signals)

    def _last(self, signals: Sequence[str], time_us: int) -> Block:
        """The newest row of each signal (of all when none are named) before a time: the last value of each field, by time."""
        if time_us <= EARLIEST_US:
            return empty_block()
        found = self._ask(f"{self._from(signals, Window(EARLIEST_US, time_us))} |> last() {_PIVOT}")
        block = block_from(found, signals) if signals else block_from(found, _names(found))
        return newest_rows(block)

    def maintain(self, now_us: int) -> None:
        """Nothing: the server keeps house itself."""

    def count(self) -> int:
        """Number of rows."""
        found = self._ask(f'{self._from((), _EVERYTHING)} |> filter(fn: (r) => r._field == "kind") |> count() |> group() |> sum()')
        return sum(int(record["_value"]) for record in found)

    def close(self) -> None:
        """Closes the connections."""
        self._writer.close()

    def _from(self, signals: Sequence[str], window: Window) -> str:
        """range and filter, which the storage engine of the server does itself."""
        which = " or ".join(f'r.signal == "{encoded(name)}"' for name in signals)
        condition = f'r._measurement == "{self._measurement}"' + (f" and ({which})" if which else "")
        span = f"range(start: {flux_time(window.start_us)}, stop: {flux_time(window.end_us)})"
        return f'from(bucket: "{self._bucket}") |> {span} |> filter(fn: (r) => {condition})'

    def _ask(self, flux: str) -> list[dict[str, str]]:
        answer: list[bytes] = []
        refusal = self._writer.call(lambda: answer.append(self._queries.query_raw(flux).data))
        if refusal is not None:
            raise Rejected(f"{self._writer.url}: the query was refused: {refusal}")
        try:
            return list(records(answer[0].decode(), self._writer.url))
        except (UnicodeDecodeError, IndexError, urllib3.exceptions.HTTPError) as error:
            raise NotConnected(f"{self._writer.url}: an answer that cannot be read ({error})") from error


def _names(found: Sequence[dict[str, str]]) -> list[str]:
    return sorted({decoded(record["signal"]) for record in found})
