"""A gateway that is killed, stopped, started twice or rebuilt: what it acknowledged is there, once."""

import io
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.rebuild import rebuild
from gateway.settings import load_gateway
from store.engine import load_engine
from tests.unit.gateway.plant import START_US, Process, Sender, admin_of, bearer, ramp, until
from workshop.batch import SealedBatch
from workshop.block import Block
from workshop.errors import ConfigError
from workshop.window import Window

EVERYTHING = Window(START_US - 10**12, START_US + 10**12)
ROWS = 200


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    process.start()
    yield process
    process.close()


def send_until_it_breaks(url: str, edge: Sender, batches: list[SealedBatch], acknowledged: list[int], enough: threading.Event) -> None:
    """Posts batch after batch, as an edge would, until the gateway is gone."""
    with httpx.Client(base_url=url) as client:
        try:
            for batch in batches:
                answer = edge.post(client, batch)
                assert answer.status_code == 200, answer.text
                acknowledged.append(answer.json()["watermark"])
                if len(acknowledged) >= 20:
                    enough.set()
        except httpx.HTTPError:
            return


def run_to_its_end(folder: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "chejian", "gateway", "run", str(folder / "gateway.toml")]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


def engine_rows(folder: Path) -> tuple[Block, int]:
    engine = load_engine("duckdb", {"path": str(folder / "data" / "engine.duckdb")})
    try:
        return engine.read(["m-1/gauge"], EVERYTHING), engine.cursor()
    finally:
        engine.close()


def test_killed_in_the_middle_it_keeps_what_it_acknowledged_and_nothing_twice(process: Process, tmp_path: Path) -> None:
    edge = Sender()
    with httpx.Client(base_url=process.url) as client:
        edge.enrol(client, admin_of(tmp_path))
    batches = [edge.seal(ramp("m-1/gauge", ROWS * number, ROWS)) for number in range(400)]
    acknowledged: list[int] = []
    for _ in range(2):
        enough = threading.Event()
        before = len(acknowledged)
        sender = threading.Thread(target=send_until_it_breaks, args=(process.url, edge, batches[before:], acknowledged, enough))
        sender.start()
        assert enough.wait(30)
        process.end(signal.SIGKILL)
        sender.join(30)
        assert not sender.is_alive()
        process.start()
        with httpx.Client(base_url=process.url, headers=bearer(admin_of(tmp_path))) as client:
            watermark = client.get("/v1/edges").json()[0]["watermark"]
            assert watermark >= acknowledged[-1]
            # The edge does not know of what was committed and not acknowledged: it sends that again.
            assert edge.post(client, *batches[len(acknowledged):watermark + 3]).json()["watermark"] == watermark + 3
            acknowledged += range(len(acknowledged) + 1, watermark + 4)
            until(lambda: client.get("/v1/count").json()["cursor"] == len(acknowledged), "all is indexed")  # noqa: B023
    assert process.end(signal.SIGTERM) == 0
    block, cursor = engine_rows(tmp_path)
    assert cursor == len(acknowledged)
    assert block.value_f64.tolist() == [float(number) for number in range(ROWS * len(acknowledged))]


def test_a_rebuilt_engine_has_the_same_rows(process: Process, tmp_path: Path) -> None:
    edge = Sender()
    with httpx.Client(base_url=process.url) as client:
        edge.enrol(client, admin_of(tmp_path))
        batches = [edge.seal(ramp("m-1/gauge", ROWS * number, ROWS)) for number in (2, 0, 1)]
        assert edge.post(client, *batches).status_code == 200
    settings = load_gateway(tmp_path / "gateway.toml")
    with pytest.raises(ConfigError, match="in use by another process"):
        rebuild(settings, lambda: START_US, lambda done, total: None)
    assert process.end(signal.SIGTERM) == 0
    before, cursor = engine_rows(tmp_path)
    assert len(before) == 3 * ROWS and cursor == 3, "a graceful stop writes what is waiting"
    settings.file("engine.duckdb").unlink()
    told: list[tuple[int, int]] = []
    assert rebuild(settings, lambda: START_US, lambda done, total: told.append((done, total))) == 3 * ROWS
    assert told[0] == (0, 3) and told[-1] == (3, 3)
    after, cursor = engine_rows(tmp_path)
    assert cursor == 3 and after.readings() == before.readings()
    process.start()
    with httpx.Client(base_url=process.url, headers=bearer(admin_of(tmp_path))) as client:
        assert client.get("/v1/count").json() == {"rows": 3 * ROWS, "cursor": 3}


def test_an_engine_beyond_its_archive_is_refused_in_words(process: Process, tmp_path: Path) -> None:
    assert process.end(signal.SIGTERM) == 0
    engine = load_engine("duckdb", {"path": str(tmp_path / "data" / "engine.duckdb")})
    engine.write(ramp("m-1/gauge", 0, 1), 7)
    engine.close()
    again = run_to_its_end(tmp_path)
    assert again.returncode == 2 and b"rebuild" in again.stderr and b"Traceback" not in again.stderr


def test_secrets_are_for_their_owner_and_stay_over_a_restart(process: Process, tmp_path: Path) -> None:
    data = tmp_path / "data"
    kept = {name: (data / name).read_bytes() for name in ("key.pem", "admin.token", "origin")}
    assert all((data / name).stat().st_mode & 0o077 == 0 for name in ("key.pem", "admin.token"))
    assert kept["admin.token"].strip() not in (tmp_path / "gateway.log").read_bytes()
    for number in (signal.SIGKILL, signal.SIGTERM):
        process.end(number)
        process.start()
    assert kept == {name: (data / name).read_bytes() for name in kept}
    (tmp_path / "workshop.toml").write_text((tmp_path / "workshop.toml").read_text().replace("rated_power_w = 1000", "rated_power_w = 1100"))
    process.end(signal.SIGTERM)
    process.start()
    with httpx.Client(base_url=process.url, headers=bearer(admin_of(tmp_path))) as client:
        assert client.get("/v1/workshop").json()["register"]["equipment"][0]["rated_power_w"] == 1100
        assert "/control\n" in client.get("/v1/checkpoint").json()["control"]
    assert (tmp_path / "gateway.log").read_text().count("register logged") == 2


def test_a_port_in_use_is_one_line_and_exit_code_3(process: Process, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    other = Process(second)
    text = (second / "gateway.toml").read_text().replace(f"port = {other.port}", f"port = {process.port}")
    (second / "gateway.toml").write_text(text)
    answer = run_to_its_end(second)
    assert answer.returncode == 3
    assert len(answer.stderr.decode().strip().splitlines()) == 1 and str(process.port) in answer.stderr.decode()
    assert not (second / "data").exists(), "nothing is made when the gateway cannot listen"


def test_a_stop_ends_open_streams_and_finishes(process: Process, tmp_path: Path) -> None:
    host, port = "127.0.0.1", process.port
    request = f"GET /v1/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin_of(tmp_path)}\r\n\r\n"
    with socket.create_connection((host, port)) as stream:
        stream.sendall(request.encode())
        assert stream.recv(64).startswith(b"HTTP/1.1 200")
        assert process.end(signal.SIGTERM) == 0


def test_a_bundle_is_streamed_and_leaves_nothing_behind(process: Process, tmp_path: Path) -> None:
    edge = Sender()
    with httpx.Client(base_url=process.url, headers=bearer(admin_of(tmp_path)), timeout=60) as client:
        # The window must not end before the first register was logged: readings of now.
        now = time.time_ns() // 1000
        window = {"from_us": now - 10**7, "to_us": now + 10**7}
        assert client.post("/v1/bundles", json=window).status_code == 400, "an empty log has nothing to export"
        edge.enrol(client, admin_of(tmp_path))
        assert edge.post(client, edge.seal(ramp("m-1/gauge", (now - START_US) // 1000, 10))).status_code == 200
        answer = client.post("/v1/bundles", json=window)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip"), answer.text
        assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
        verdicts = client.get("/v1/verdicts", params=window).json()
        assert [(item["claim"], item["outcome"]) for item in verdicts] == [("networking", "undetermined")]
        assert client.get("/v1/verdicts", params=window | {"as_of": "yesterday"}).status_code == 400
    assert not list((tmp_path / "data").glob("bundle-*"))
