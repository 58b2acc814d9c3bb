"""Line protocol to whoever speaks InfluxDB's `/api/v2/write`, through influxdb-client: preformatted bytes in large batches, errors in our words."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from workshop.errors import ConfigError, NotConnected

LEAST_LINES, MOST_LINES = 1, 1_000_000
_REASON = 300


def read_token(file: str) -> str:
    """The token in a file; empty when no file is named.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return Path(file).read_text().strip() if file else ""
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); it is 'token_file' of the engine") from error


class InfluxWriter:
    """Writes lines, and says which ones the server will never take.

    Args:
        url: before `/api/v2/write`.
        bucket, organisation, token: as the server knows them; a server without them is not troubled by them.
        precision: of the lines' times: ns, us, ms or s.
        batch_lines: lines of one request; small requests are slow.
        gzip: compress requests: less network, more processor.
        timeout_s: how long an answer may take.
    """

    def __init__(
        self, url: str, *, bucket: str, organisation: str, token: str, precision: str, batch_lines: int, gzip: bool, timeout_s: float,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"url '{url}': must begin with http:// or https://")
        if not LEAST_LINES <= batch_lines <= MOST_LINES:
            raise ConfigError(f"batch_lines = {batch_lines}: must be between {LEAST_LINES} and {MOST_LINES}")
        self.url, self._bucket, self._precision, self._batch_lines = url.rstrip("/"), bucket, precision, batch_lines
        self.client: Any = InfluxDBClient(
            url=self.url, token=token, org=organisation or "-", enable_gzip=gzip, timeout=int(timeout_s * 1000), retries=False,
        )
        self._writer: Any = self.client.write_api(write_options=SYNCHRONOUS)

    def write(self, lines: Sequence[bytes]) -> list[tuple[int, str]]:
        """Writes the lines, each without its newline.

        A batch that is refused (400, 422) or too large (413) is halved until the bad line stands alone; good lines may thus be written twice, which
        changes nothing.
        Returns:
            index and reason of every line that is refused by itself.
        Raises:
            NotConnected: no answer, 429, 5xx; some lines may have been stored, write all of them again.
            ConfigError: 401, 403, 404: token, rights, organisation or bucket.
        """
        refused: list[tuple[int, str]] = []
        for first in range(0, len(lines), self._batch_lines):
            self._halve(lines, first, min(first + self._batch_lines, len(lines)), refused)
        return refused

    def close(self) -> None:
        """Closes the connections."""
        self._writer.close()
        # close() of the client leaves its pool's sockets to the garbage collector.
        self.client.api_client.rest_client.pool_manager.clear()
        self.client.close()

    def _halve(self, lines: Sequence[bytes], first: int, end: int, refused: list[tuple[int, str]]) -> None:
        record = b"\n".join(lines[first:end])
        reason = self.call(lambda: self._writer.write(bucket=self._bucket, record=record, write_precision=self._precision))
        if reason is None:
            return
        if end - first == 1:
            refused.append((first, reason))
            return
        middle = (first + end) // 2
        self._halve(lines, first, middle, refused)
        self._halve(lines, middle, end, refused)

    def call(self, ask: Callable[[], Any]) -> str | None:
        """Calls the client; the reason of a 400, 413 or 422, or None when it was done. Raises as `write`."""
        try:
            ask()
        except ApiException as error:
            return self._judge(error)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NotConnected(f"{self.url}: no answer ({type(error).__name__}); is the server running?") from error
        return None

    def _judge(self, error: ApiException) -> str:
        """What to do about a status, as in InfluxDB's write API."""
        status = int(error.status or 0)
        said = " ".join(str(error.message or error.reason or "").split())[:_REASON]
        text = f"{self.url}: {status} {said}"
        if status in (400, 413, 422):
            return f"{status} {said}"
        if status in (401, 403, 404):
            raise ConfigError(f"{text}; check token, organisation and bucket of the engine") from error
        raise NotConnected(text, _retry_after_s(error.headers)) from error


def _retry_after_s(headers: Any) -> float | None:
    value = str((headers or {}).get("Retry-After") or "")
    return float(value) if value.isdigit() else None
