"""Time-series servers for the contract tests: the real ones where they are installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.gateway.plant import free_port, until

PROGRAM = shutil.which("victoria-metrics") or shutil.which("victoria-metrics-prod")


class Victoria:
    """A VictoriaMetrics on a free port with its data in a folder; it can be killed and started again."""

    def __init__(self, folder: Path, *flags: str) -> None:
        if PROGRAM is None:
            pytest.skip("victoria-metrics is not installed")
        self.port, self._folder, self._flags = free_port(), folder, flags
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        assert PROGRAM is not None
        with (self._folder / "victoria.log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, f"-storageDataPath={self._folder / 'victoria'}", f"-httpListenAddr=127.0.0.1:{self.port}", "-retentionPeriod=100y",
                 "-dedup.minScrapeInterval=1ms", "-memory.allowedBytes=256MiB", *self._flags], stdout=log, stderr=log,
            )
        until(self._answers, "VictoriaMetrics answers")

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, (self._folder / "victoria.log").read_text()[-2000:]
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.HTTPError:
            return False

    def flush(self) -> None:
        """Makes everything that was accepted visible now; by itself that takes a second."""
        httpx.get(f"{self.url}/internal/force_flush").raise_for_status()

    def end(self) -> None:
        """Kills it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)


@pytest.fixture(scope="module")
def victoria() -> Iterator[Victoria]:
    """One server for all tests of a module."""
    with tempfile.TemporaryDirectory() as folder:
        server = Victoria(Path(folder))
        yield server
        server.end()


def influx_options(measurement: str, folder: Path) -> dict[str, object]:
    """Options of the engine on the InfluxDB 2 that the environment names; skips where there is none."""
    url = os.environ.get("CHEJIAN_INFLUX_URL")
    if not url:
        pytest.skip("no InfluxDB 2 server: set CHEJIAN_INFLUX_URL")
    token = folder / "influx.token"
    token.write_text(os.environ.get("CHEJIAN_INFLUX_TOKEN", ""))
    return {
        "url": url, "org": os.environ.get("CHEJIAN_INFLUX_ORG", "chejian"), "bucket": os.environ.get("CHEJIAN_INFLUX_BUCKET", "chejian"),
        "token_file": str(token), "measurement": measurement, "cursor_path": str(folder / "engine.cursor"), "batch_lines": 3,
    }
