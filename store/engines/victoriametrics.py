"""VictoriaMetrics, one node or a cluster: writes through influxdb-client, reads by export and PromQL.

It has no transactions: the cursor lies in a file beside the archive and is written after the rows, and the same rows again are removed by the
server's deduplication, without which this engine does not start. What it acknowledges is visible after a second and on its disk some seconds
later; the stored cursor trails by so much. It holds numbers and milliseconds only.
"""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from store.cursor_file import CursorFile
from store.engine import Aggregates, Capabilities, RefusedRows
from store.influx_client import InfluxWriter, read_token
from store.latest import LatestRows, newest_rows
from store.victoria_rows import VALUES, Series, block_from, decoded, encoded, lines, sift
from store.victoria_server import YOUNG_MS, VictoriaServer, retention_ms, selector
from workshop.block import Block, concat, empty_block
from workshop.errors import ConfigError, NotConnected
from workshop.window import Window

_HOUR_MS = 3_600_000
_EARLIEST_MS = 24 * _HOUR_MS  # a question that begins before 1970, or a little after, finds nothing
_AHEAD_MS = 2 * 24 * _HOUR_MS - 60_000  # the server drops what lies further ahead than two days, in silence
_AT_ONCE = 50  # signals of one question
_POINTS = 10_000  # steps of one question; the server allows 30,000
_LOOK_S = 5.0
_DIGITS = 12


class VictoriaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the server is and how rows go there."""

    cursor_path: str
    """File of the cursor; the gateway puts it into its data folder."""
    url: str = "http://127.0.0.1:8428"
    """A single node, for writing and reading."""
    insert_url: str = ""
    """Of a cluster: vminsert with tenant, such as http://vminsert:8480/insert/0/influx."""
    select_url: str = ""
    """Of a cluster: vmselect with tenant, such as http://vmselect:8481/select/0/prometheus."""
    token_file: str = ""
    """File with a bearer token, where a proxy in front asks for one."""
    measurement: str = "chejian"
    """First word of the series' names; another for each gateway that shares a tenant."""
    batch_lines: int = 20_000
    """Lines of one request."""
    gzip: bool = False
    """Compress requests: for slow networks."""
    finer_times: Literal["refuse", "cut"] = "refuse"
    """What happens to source times finer than a millisecond: refused, or cut, and of two rows in one millisecond one stays."""
    retention_days: int = 0
    """Of a cluster, whose vmselect does not know it: -retentionPeriod of vmstorage in days; 0: not checked."""
    trail_s: float = 10.0
    """How old a written row must be before it is counted as safe on the server's disk, s."""
    timeout_s: float = 60.0
    """How long an answer may take, s."""


def open_engine(settings: VictoriaSettings) -> "VictoriaEngine":
    """The engine on this server.

    Raises:
        NotConnected: the server is not reachable.
        ConfigError: it does not deduplicate to the millisecond, or only one address of a cluster is given.
    """
    return VictoriaEngine(settings)


class VictoriaEngine:
    """Readings as series of VictoriaMetrics, see `store.victoria_rows`."""

    capabilities = Capabilities(
        text=False, integers_beyond_2_53=False, resolution_us=1000, deduplicates=True, aggregates=True, clustering=True, significant_digits=_DIGITS,
    )

    def __init__(self, settings: VictoriaSettings) -> None:
        if bool(settings.insert_url) != bool(settings.select_url):
            raise ConfigError("victoriametrics: of a cluster both are needed, insert_url and select_url")
        self._clustered = bool(settings.insert_url)
        self._measurement, self._cut = settings.measurement, settings.finer_times == "cut"
        token = read_token(settings.token_file)
        self._server = VictoriaServer(settings.select_url or settings.url, token, settings.timeout_s)
        self._writer = InfluxWriter(
            settings.insert_url or settings.url, bucket="chejian", organisation="", token=token, precision="ms",
            batch_lines=settings.batch_lines, gzip=settings.gzip, timeout_s=settings.timeout_s,
        )
        self._writing = threading.Lock()
        self._latest = LatestRows()
        self._lost = False
        self._counted = (-1, 0)
        try:
            self._retention_ms = self._check(settings)
            self._position = CursorFile(Path(settings.cursor_path), f"{self._writer.url} {settings.measurement}", settings.trail_s)
            self._started, self._looked_s = self._server.started(), time.monotonic()
            self._names = set(self._server.label_values("signal", selector(self._prefix, ["delay"])))
            if self._position.rows and not self._names:
                self._position.go_back(to_start=True)  # the server is empty: it was replaced
            self._latest.update(self._newest(sorted(self._names), self._server.now_ms() + _AHEAD_MS))
        except BaseException:
            self.close()
            raise

    @property
    def _prefix(self) -> str:
        return encoded(self._measurement)

    def _check(self, settings: VictoriaSettings) -> int:
        """Deduplication as it must be; returns the retention in ms, 0 when it is not known."""
        flags = self._server.flags()
        if flags.get("dedup.minScrapeInterval") not in ("1ms", "0.001s"):
            who = "vmselect and vmstorage" if self._clustered else "victoria-metrics"
            raise ConfigError(
                f"{self._server.url}: -dedup.minScrapeInterval is {flags.get('dedup.minScrapeInterval', 'not set')}; start {who} with "
                "-dedup.minScrapeInterval=1ms, or rows that come twice stay twice"
            )
        return retention_ms(flags.get("retentionPeriod", "1")) if not self._clustered else settings.retention_days * 24 * _HOUR_MS

    def write(self, block: Block, cursor: int) -> Sequence[RefusedRows]:
        """Rows first, then the cursor; a stop between them makes the same rows come again, which changes nothing."""
        with self._writing:
            try:
                self._watch()
                return self._write(block, cursor) if cursor > self._position.cursor else ()
            except NotConnected:
                self._lost = True
                raise

    def _write(self, block: Block, cursor: int) -> Sequence[RefusedRows]:
        now_ms = self._server.now_ms()
        oldest_ms = max(_EARLIEST_MS, now_ms - self._retention_ms + _HOUR_MS) if self._retention_ms else _EARLIEST_MS
        rows, refused = sift(block, cut_times=self._cut, oldest_ms=oldest_ms, newest_ms=now_ms + _AHEAD_MS)
        held = block.take(rows)
        bad = self._writer.write(lines(held, self._measurement))
        refused += [RefusedRows(rows[[index]], f"VictoriaMetrics: {reason}") for index, reason in bad]
        self._position.advance(cursor, len(held))
        self._names.update(encoded(held.signals[number]) for number in np.unique(held.signal).tolist())
        self._latest.update(held)
        return refused

    def _watch(self) -> None:
        """A server that was away or was started again may have lost its last seconds: they come again from the stored cursor."""
        if self._clustered or (time.monotonic() - self._looked_s < _LOOK_S and not self._lost):
            return
        started, self._looked_s = self._server.started(), time.monotonic()
        if started != self._started or self._lost:
            self._started, self._lost = started, False
            self._position.go_back()

    def cursor(self) -> int:
        """Next data-log index; goes back when the server was started again."""
        # While a write is under way it looks itself, and whether the server is there at all is for `write` to say.
        if self._writing.acquire(blocking=False):
            try:
                self._watch()
            except NotConnected:
                self._lost = True
            finally:
                self._writing.release()
        return self._position.cursor

    def read(self, signals: Sequence[str], window: Window, limit: int | None = None) -> Block:
        """Rows of the window, sorted. With a limit signal by signal, in growing pieces, so that a year is not fetched for a page."""
        asked = [name for name in dict.fromkeys(signals) if encoded(name) in self._names]
        blocks: list[Block] = []
        if limit is None:
            return concat([self._read(asked[i:i + _AT_ONCE], window) for i in range(0, len(asked), _AT_ONCE)])
        wanted = limit
        for name in asked:
            start_us, length_us = window.start_us, _HOUR_MS * 1000
            while start_us < window.end_us and wanted > 0:
                end_us = min(window.end_us, start_us + length_us)
                block = self._read([name], Window(start_us, end_us))
                block = block.take(np.arange(min(wanted, len(block))))
                blocks.append(block)
                wanted -= len(block)
                start_us, length_us = end_us, length_us * 4
        return concat(blocks)

    def _read(self, signals: Sequence[str], window: Window) -> Block:
        if not signals or window.length_us == 0:
            return empty_block()
        first_ms, last_ms = -(-window.start_us // 1000), -(-window.end_us // 1000) - 1
        if last_ms < max(first_ms, 0):
            return empty_block()
        chosen = selector(self._prefix, [*VALUES, "delay"], [encoded(name) for name in signals])
        return block_from(self._server.export(chosen, first_ms, last_ms), signals, self._measurement)

    def aggregate(self, signal: str, window: Window, step_us: int) -> Aggregates:
        """By PromQL where window and steps are whole milliseconds, otherwise and for a last short step and the last minute from the rows."""
        if step_us < 1:
            raise ConfigError(f"aggregate: step_us is {step_us}, must be at least 1")
        whole = 0
        if step_us % 1000 == 0 and window.start_us % 1000 == 0 and window.start_us >= 0:
            whole = max(0, min(window.length_us, (self._server.now_ms() - YOUNG_MS) * 1000 - window.start_us)) // step_us
        rest = Window(window.start_us + whole * step_us, window.end_us)
        columns = self._steps(signal, window.start_us // 1000, whole, step_us // 1000)
        block = self.read([signal], rest)
        numbers = block.kind != int(VALUES["bad"])
        value = np.where(block.kind == int(VALUES["f64"]), block.value_f64, block.value_i64.astype(np.float64))[numbers]
        starts, step = np.unique((block.source_time_us[numbers] - rest.start_us) // step_us, return_inverse=True)
        for i, start in enumerate(starts.tolist()):
            found = value[step.reshape(-1) == i]
            columns.append((rest.start_us + start * step_us, len(found), float(found.min()), float(found.max()), float(found.mean())))
        made = list(zip(*columns, strict=True)) if columns else [()] * 5
        return Aggregates(
            np.array(made[0], np.int64), np.array(made[1], np.int64), np.array(made[2], np.float64), np.array(made[3], np.float64),
            np.array(made[4], np.float64),
        )

    def _steps(self, signal: str, start_ms: int, steps: int, step_ms: int) -> list[tuple[int, int, float, float, float]]:
        """Whole steps. PromQL's (t - d, t] with t on the last millisecond of a step is our half-open step."""
        made: list[tuple[int, int, float, float, float]] = []
        chosen = f"{selector(self._prefix, ['f64', 'i64'], [encoded(signal)])}[{step_ms}ms]"
        for first in range(0, steps if encoded(signal) in self._names else 0, _POINTS):
            last = min(first + _POINTS, steps) - 1
            span = (start_ms + (first + 1) * step_ms - 1, start_ms + (last + 1) * step_ms - 1, step_ms)
            count, low, high, total = (
                self._server.query_range(f"{over}({inner}_over_time({chosen}))", *span)
                for over, inner in (("sum", "count"), ("min", "min"), ("max", "max"), ("sum", "sum"))
            )
            for at in sorted(count):
                if count[at] > 0 and at in low:
                    made.append(((at + 1 - step_ms) * 1000, round(count[at]), low[at], high[at], total[at] / count[at]))
        return made

    def latest(self, signals: Sequence[str] | None = None) -> Block:
        """From memory."""
        return self._latest.block(signals)

    def last_before(self, signals: Sequence[str], time_us: int) -> Block:
        """From memory where the newest row is old enough, otherwise asked for."""
        found = [self._latest.block(signals, before_us=time_us)]
        missing = [encoded(name) for name in dict.fromkeys(signals) if name not in found[0].signals and encoded(name) in self._names]
        found.append(self._newest(missing, -(-time_us // 1000) - 1))
        return newest_rows(concat(found), signals)

    def _newest(self, names: Sequence[str], at_ms: int) -> Block:
        """The newest row of each (encoded) name at or before a time: in the hour, the day, the month before it, then in everything."""
        blocks: list[Block] = []
        missing = list(names)
        everything_ms = at_ms - _EARLIEST_MS
        for length_ms in (_HOUR_MS, 24 * _HOUR_MS, 720 * _HOUR_MS, everything_ms):
            asked, missing = missing, []
            for i in range(0, len(asked) if everything_ms > 0 else 0, _AT_ONCE):
                group = asked[i:i + _AT_ONCE]
                block = self._last(group, at_ms, min(length_ms, everything_ms))
                blocks.append(block)
                seen = {encoded(block.signals[number]) for number in np.unique(block.signal).tolist()}
                missing += [name for name in group if name not in seen]
            if not missing:
                break
        return newest_rows(concat(blocks))

    def _last(self, names: Sequence[str], at_ms: int, length_ms: int) -> Block:
        chosen = f"{selector(self._prefix, [*VALUES, 'delay'], names)}[{length_ms}ms]"
        times = self._server.query(f"tlast_over_time({chosen}) keep_metric_names", at_ms)
        values = {tuple(sorted(labels.items())): value for labels, value in self._server.query(f"last_over_time({chosen})", at_ms)}
        found = [
            Series(labels, [values[key]], [round(seconds * 1000)])
            for labels, seconds in times if (key := tuple(sorted(labels.items()))) in values
        ]
        return newest_rows(block_from(found, [decoded(name) for name in names], self._measurement))

    def maintain(self, now_us: int) -> None:
        """Nothing: the server keeps house itself."""

    def count(self) -> int:
        """Number of rows, counted by the server once for each cursor."""
        cursor = self._position.cursor
        if self._counted[0] != cursor:
            at_ms = self._server.now_ms() + _AHEAD_MS
            found = self._server.query(f"sum(count_over_time({selector(self._prefix, ['delay'])}[{at_ms - _EARLIEST_MS}ms]))", at_ms)
            self._counted = (cursor, round(found[0][1]) if found else 0)
        return self._counted[1]

    def close(self) -> None:
        """Closes the connections; the last seconds before it are written once more after the next start."""
        self._writer.close()
        self._server.close()
