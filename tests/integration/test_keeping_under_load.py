"""Backup while batches come in, a crash, a restore, pruning: the edge goes on each time, and a bundle over each verifies."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL

import httpx
import msgspec
import pytest

from evidence.trust import TrustFile, pin
from evidence.verify import Verification, verify
from tests.integration.test_restore import checkpoints, chejian, gateway_back
from tests.unit.gateway.plant import Process, Sender, admin_of, bearer, ramp, until
from workshop.batch import SealedBatch

ROWS = 200


class Load:
    """An edge that seals and sends without a pause, and keeps everything that it has sealed; batch n holds the next ROWS milliseconds."""

    def __init__(self, process: Process, folder: Path, first_ms: int) -> None:
        self.sender, self._next_ms, self.sealed = Sender(), first_ms, list[SealedBatch]()
        self._process = process
        with httpx.Client(base_url=process.url) as client:
            self.sender.enrol(client, admin_of(folder))

    @contextmanager
    def running(self) -> Iterator[None]:
        ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(ended,))
        thread.start()
        yield
        ended.set()
        thread.join()

    def _run(self, ended: threading.Event) -> None:
        with httpx.Client(base_url=self._process.url, timeout=20) as client:
            while not ended.is_set():
                self.sealed.append(self.sender.seal(ramp("m-1/gauge", self._next_ms, ROWS)))
                self._next_ms += ROWS
                assert self.sender.post(client, self.sealed[-1]).status_code == 200

    def send_again(self) -> None:
        """After a restore: from where the gateway says that it stands."""
        with httpx.Client(base_url=self._process.url) as client:
            answer = self.sender.post(client, self.sealed[-1])
            if answer.status_code == 409:
                for batch in self.sealed[answer.json()["watermark"]:]:
                    assert self.sender.post(client, batch).status_code == 200


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    process.start()
    yield process
    process.close()


def bundle(client: httpx.Client, folder: Path, window: tuple[int, int], trust: TrustFile) -> Verification:
    answer = client.post("/v1/bundles", json={"from_us": window[0], "to_us": window[1]}, timeout=60)
    assert answer.status_code == 200, answer.text
    (folder / "bundle.zip").write_bytes(answer.content)
    return verify(folder / "bundle.zip", trust)


@pytest.mark.long
def test_a_bundle_verifies_after_backup_under_load_restore_and_prune(process: Process, tmp_path: Path) -> None:
    admin = bearer(admin_of(tmp_path))
    with httpx.Client(base_url=process.url, headers=admin) as client:
        now_us = client.get("/readyz").json()["time_us"]
        start_us = now_us // 1000 * 1000
        load = Load(process, tmp_path, (start_us - ramp("m-1/gauge", 0, 1).source_time_us[0]) // 1000)
        with load.running():
            until(lambda: client.get("/readyz").json()["indexed_batches"] > 20, "under load")
            made = chejian("gateway", "backup", str(tmp_path / "backup"), "--config", str(tmp_path / "gateway.toml"))
            assert made.returncode == 0, made.stderr
            at_backup = len(load.sealed)
            until(lambda: len(load.sealed) > at_backup + 20, "the load goes on")
        known = checkpoints(process, tmp_path)
        trust = msgspec.json.decode(client.get("/v1/trust").content, type=TrustFile)
        span = (start_us, start_us + len(load.sealed) * ROWS * 1000)
        assert bundle(client, tmp_path, span, trust).ok
    gateway_back(process, tmp_path, known)
    with httpx.Client(base_url=process.url, headers=admin) as client:
        load.send_again()
        with load.running():
            until(lambda: client.get("/readyz").json()["archive_batches"] >= len(load.sealed) > 0, "everything is there again, and more")
        count = len(load.sealed)
        until(lambda: client.get("/v1/count").json()["rows"] == count * ROWS, "once")
        span = (start_us, start_us + count * ROWS * 1000)
        restored = bundle(client, tmp_path, span, pin(trust, known.values()))
        assert restored.ok, [step for step in restored.steps if not step.ok]
        before_us = start_us + count // 2 * ROWS * 1000
        pruned = client.post("/v1/prune", json={"before_us": before_us, "reason": "room"})
        assert pruned.status_code == 200 and 0 < pruned.json()["end"] < count
        for window in ((before_us, span[1]), span):
            found = bundle(client, tmp_path, window, pin(trust, known.values()))
            assert found.ok, [step for step in found.steps if not step.ok]
        assert client.get("/v1/count").json()["rows"] == count * ROWS, "the engine keeps what was pruned from the journal"
    process.end(SIGKILL)
    process.start()
    with httpx.Client(base_url=process.url, headers=admin) as client:
        assert bundle(client, tmp_path, span, trust).ok, "after a crash, too"
