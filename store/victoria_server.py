"""What VictoriaMetrics says over HTTP: exports, PromQL, its flags and when it was started."""

import re
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from store.victoria_rows import Series
from workshop.errors import ConfigError, NotConnected, Rejected

YOUNG_MS = 60_000
"""Twice the default -search.latencyOffset, which version 1.131 leaves out when it is asked to, and 1.79 does not."""
_MONTH_H, _UNITS_H = 31 * 24, {"h": 1, "d": 24, "w": 7 * 24, "y": 365 * 24}


class _Sample(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] | None = None


class _Data(msgspec.Struct):
    result: list[_Sample]


class _Answer(msgspec.Struct):
    data: _Data


class _Labels(msgspec.Struct):
    data: list[str]


def instant(time_ms: int) -> str:
    """A time as VictoriaMetrics reads it: seconds, a fifth of a millisecond later: some versions cut a binary fraction, others round it."""
    return f"{time_ms // 1000}.{time_ms % 1000:03d}2"


class VictoriaServer:
    """Reads from a single node, or from the vmselect of a cluster.

    Args:
        url: before `/api/v1/…`; of a cluster with /select/<tenant>/prometheus.
    """

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self._root = f"{parts.scheme}://{parts.netloc}"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(timeout=timeout_s, headers=headers, trust_env=False)

    def export(self, selector: str, start_ms: int, end_ms: int) -> Iterator[Series]:
        """Raw samples with times in [start, end], both inclusive, ms."""
        form = {"match[]": selector, "start": instant(max(0, start_ms)), "end": instant(max(0, end_ms)), "reduce_mem_usage": "1"}
        for line in self._ask("/api/v1/export", form).content.splitlines():
            yield self._decode(line, Series)

    def query(self, promql: str, time_ms: int) -> list[tuple[dict[str, str], float]]:
        """An instant query: labels and value of each series."""
        form = {"query": promql, "time": instant(max(0, time_ms)), "nocache": "1"}
        found = self._decode(self._ask("/api/v1/query", form).content, _Answer).data.result
        return [(item.metric, float(item.value[1])) for item in found if item.value is not None]

    def query_range(self, promql: str, start_ms: int, end_ms: int, step_ms: int) -> dict[int, float]:
        """A range query whose result is one series: value by time, ms.

        For what is younger than `YOUNG_MS`, and for steps that are not over yet, the server repeats an older value: a scrape may be under way.
        """
        form = {"query": promql, "start": instant(start_ms), "end": instant(end_ms), "step": f"{step_ms}ms", "nocache": "1", "latency_offset": "1ms"}
        found = self._decode(self._ask("/api/v1/query_range", form).content, _Answer).data.result
        return {round(at * 1000): float(text) for item in found for at, text in item.values or ()}

    def label_values(self, label: str, selector: str) -> list[str]:
        """All values that a label has ever had."""
        # Not 0: a vmselect takes that for no start at all, and then looks at today only.
        form = {"match[]": selector, "start": "1"}
        answer: _Labels = self._decode(self._ask(f"/api/v1/label/{label}/values", form).content, _Labels)
        return answer.data

    def now_ms(self) -> int:
        """The server's clock, to the second, by its HTTP answers."""
        response = self._get("/health")
        try:
            return int(parsedate_to_datetime(response.headers["date"]).timestamp() * 1000)
        except (KeyError, ValueError) as error:
            raise NotConnected(f"{self._root}/health: no date in the answer; is this VictoriaMetrics?") from error

    def flags(self) -> dict[str, str]:
        """The flags with which the server was started."""
        text = self._get("/flags").text
        return dict(re.findall(r'^-([\w.]+)="?(.*?)"?$', text, re.MULTILINE))

    def started(self) -> str:
        """Changes when the server is started again."""
        found = re.search(r"^vm_app_start_timestamp(?:\{\})? (\S+)$", self._get("/metrics").text, re.MULTILINE)
        return found[1] if found else ""

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _ask(self, path: str, form: dict[str, str]) -> httpx.Response:
        # Half an answer of a cluster whose storages are not all there would pass for the whole: signals and rows that are not.
        return self._judged("POST", f"{self.url}{path}", form | {"deny_partial_response": "1"})

    def _get(self, path: str) -> httpx.Response:
        return self._judged("GET", f"{self._root}{path}", None)

    def _judged(self, method: str, where: str, form: dict[str, str] | None) -> httpx.Response:
        try:
            response = self._client.request(method, where, data=form)
        except httpx.HTTPError as error:
            raise NotConnected(f"{where}: no answer ({error or type(error).__name__}); is VictoriaMetrics running?") from error
        if response.status_code == 200:
            return response
        text = f"{where}: {response.status_code} {' '.join(response.text.split())[:300]}"
        if response.status_code in (400, 422):
            raise Rejected(text)
        if response.status_code in (401, 403, 404):
            raise ConfigError(f"{text}; check the engine's addresses and token")
        raise NotConnected(text)

    def _decode(self, data: bytes, shape: type[Any]) -> Any:
        try:
            return msgspec.json.decode(data, type=shape)
        except msgspec.DecodeError as error:
            raise NotConnected(f"{self.url}: an answer of another shape ({error}); is this VictoriaMetrics?") from error


def retention_ms(flag: str) -> int:
    """Length of -retentionPeriod, ms: months, or a number with h, d, w or y; the shortest that it can mean."""
    unit = flag[-1:] if flag[-1:] in _UNITS_H else ""
    try:
        number = float(flag.removesuffix(unit))
    except ValueError as error:
        raise ConfigError(f"VictoriaMetrics: -retentionPeriod={flag} is not understood") from error
    return int(number * (_UNITS_H[unit] if unit else _MONTH_H) * 3_600_000)


def selector(measurement: str, fields: Sequence[str], names: Sequence[str] = ()) -> str:
    """A series selector for some fields of some signals, all of them when none are named; names are percent-encoded."""
    by_name = f'__name__=~"{measurement}_({"|".join(fields)})"'
    pattern = "|".join(name.replace(".", "\\\\.") for name in names)
    return f'{{{by_name},signal=~"{pattern}"}}' if names else f"{{{by_name}}}"
