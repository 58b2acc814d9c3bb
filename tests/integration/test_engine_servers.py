"""Engines on servers when things go wrong: a server killed, a token refused, a bad line, a busy server; and a whole gateway over VictoriaMetrics."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from store.engine import load_engine
from tests.contracts.servers import Victoria, victoria
from tests.unit.gateway.plant import START_US, Sender, admin_of, bearer, gateway_in_thread, ramp, reading, until
from workshop.block import block_of, concat
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.window import Window

__all__ = ["victoria"]
WINDOW = Window(START_US - 10**9, START_US + 10**9)


def victoria_options(server: Victoria, folder: Path, **more: Any) -> dict[str, object]:
    return {"url": server.url, "cursor_path": str(folder / "engine.cursor"), "measurement": folder.name, **more}


def test_without_deduplication_the_engine_does_not_start(tmp_path: Path) -> None:
    server = Victoria(tmp_path, "-dedup.minScrapeInterval=1s")
    try:
        with pytest.raises(ConfigError, match=r"start victoria-metrics with -dedup\.minScrapeInterval=1ms"):
            load_engine("victoriametrics", victoria_options(server, tmp_path))
    finally:
        server.end()
    with pytest.raises(NotConnected, match="is VictoriaMetrics running"):
        load_engine("victoriametrics", victoria_options(server, tmp_path))


def test_a_killed_server_gets_its_last_rows_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stored cursor trails, and a new start of the server makes the engine go back to it; nothing is doubled."""
    monkeypatch.setattr("store.engines.victoriametrics._LOOK_S", 0.0)
    server = Victoria(tmp_path)
    engine = load_engine("victoriametrics", victoria_options(server, tmp_path, trail_s=3600.0))
    try:
        batches = [ramp("m-1/gauge", 10 * number, 10) for number in range(5)]
        for number, block in enumerate(batches):
            engine.write(block, number + 1)
        assert engine.cursor() == 5
        server.end()
        with pytest.raises(NotConnected):
            engine.write(ramp("m-1/gauge", 50, 1), 6)
        server.start()
        until(lambda: engine.cursor() == 0, "the engine has seen the new start")
        for number, block in enumerate(batches):
            engine.write(block, number + 1)
        server.flush()
        assert engine.cursor() == 5 and engine.count() == 50
        assert [r.value for r in engine.read(["m-1/gauge"], WINDOW).readings()] == [float(n) for n in range(50)]
    finally:
        engine.close()
        server.end()
    server.start()
    try:
        again = load_engine("victoriametrics", victoria_options(server, tmp_path))
        assert again.cursor() == 0
        again.close()
    finally:
        server.end()


def test_addresses_of_a_cluster_and_finer_times_by_setting(victoria: Victoria, tmp_path: Path) -> None:
    """A single node answers under the same paths as vminsert and vmselect do below their tenant."""
    options = victoria_options(
        victoria, tmp_path, insert_url=f"{victoria.url}/influx", select_url=f"{victoria.url}/prometheus", finer_times="cut", retention_days=3000,
    )
    engine = load_engine("victoriametrics", options)
    assert not engine.write(block_of([reading("m-1/gauge", 1234, 1.5), reading("m-1/gauge", 5678, None, status="Bad, no = \n communication\\")]), 1)
    victoria.flush()
    found = engine.read(["m-1/gauge"], WINDOW).readings()
    assert [(r.source_time_us - START_US, r.received_time_us - START_US, r.value, r.status) for r in found] == [
        (1000, 2734, 1.5, ""), (5000, 7178, None, "Bad, no = \n communication\\"),
    ]
    late = engine.write(block_of([reading("m-1/gauge", -20 * 365 * 86_400 * 10**6, 1.0), reading("m-1/gauge", 10**15, 1.0)]), 2)
    assert [item.rows.tolist() for item in late] == [[0, 1]] and "retentionPeriod" in late[0].reason
    engine.close()
    with pytest.raises(ConfigError, match="both are needed"):
        load_engine("victoriametrics", victoria_options(victoria, tmp_path, insert_url=victoria.url))


def test_a_gateway_over_victoriametrics_goes_on_when_rows_are_refused(victoria: Victoria, tmp_path: Path) -> None:
    engine = f'{{ name = "victoriametrics", url = "{victoria.url}", measurement = "{tmp_path.name}" }}'
    with gateway_in_thread(tmp_path, engine=engine) as url, httpx.Client(base_url=url) as client:
        admin = admin_of(tmp_path)
        sender = Sender()
        sender.enrol(client, admin)
        for number in range(3):
            rows = [reading("m-1/gauge", number * 10**6, float(number)), reading("m-1/text", number * 10**6, "O1")]
            assert sender.post(client, sender.seal(block_of(rows))).status_code == 200
        until(lambda: client.get("/readyz").json()["indexed_batches"] == 3, "indexed")
        victoria.flush()
        query = f"/v1/readings?signal=m-1/gauge&signal=m-1/text&from_us={WINDOW.start_us}&to_us={WINDOW.end_us}"
        assert client.get(query, headers=bearer(admin)).json()["value"] == [0.0, 1.0, 2.0]
        quarantined = client.get("/v1/quarantine", headers=bearer(admin)).json()
        assert [(row["seq"], row["row"]) for row in quarantined] == [(1, 1)] and "numbers only" in quarantined[0]["reason"]
        assert "chejian_engine_refused_rows_total 3.0" in client.get("/metrics").text


class Influx:
    """Speaks as much of InfluxDB 2 as the writing half of the engine needs, and answers queries with what the test says."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.judge: Callable[[list[bytes]], tuple[int, bytes, dict[str, str]] | None] = lambda lines: None
        self.csv = b"\r\n"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path.startswith("/api/v2/query"):
                    self.answer(200, outer.csv, {})
                    return
                assert "precision=us" in self.path and self.headers["authorization"] == "Token secret"
                lines = body.split(b"\n")
                verdict = outer.judge(lines)
                if verdict is None:
                    outer.lines += lines
                    self.answer(204, b"", {})
                else:
                    self.answer(*verdict)

            def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                self.close_connection = True
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def influx() -> Iterator[Influx]:
    server = Influx()
    yield server
    server.server.shutdown()
    server.server.server_close()


def influx_engine(server: Influx, folder: Path) -> Any:
    (folder / "token").write_text("secret\n")
    return load_engine("influxdb", {
        "url": server.url, "org": "o", "bucket": "b", "token_file": str(folder / "token"), "cursor_path": str(folder / "cursor"), "batch_lines": 8,
    })


def test_a_bad_line_is_found_by_halving_and_the_others_are_stored(influx: Influx, tmp_path: Path) -> None:
    engine = influx_engine(influx, tmp_path)
    words = b'{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict dropped=1"}'

    def judge(lines: list[bytes]) -> tuple[int, bytes, dict[str, str]] | None:
        if len(lines) > 4:
            return 413, b"{}", {}
        return (422, words, {}) if any(b"kind=3i" in line for line in lines) else None

    influx.judge = judge
    block = concat([ramp("m-1/gauge", 0, 9), block_of([reading("m-1/text", 0, 'a"\\b')]), ramp("m-1/gauge", 9, 9)])
    refused = engine.write(block, 1)
    assert [item.rows.tolist() for item in refused] == [[9]] and "field type conflict" in refused[0].reason
    assert len(set(influx.lines)) == 18 and engine.cursor() == 1
    assert influx.lines[0] == b'chejian,signal=m-1/gauge kind=1i,received=1790000000001500i,quality=0i,status="",f64=0.0 1790000000000000'
    engine.close()


@pytest.mark.parametrize(("status", "error", "words"), [
    (401, ConfigError, "check token"), (404, ConfigError, "bucket"), (429, NotConnected, "429"), (503, NotConnected, "503"),
    (500, NotConnected, "500"),
])
def test_what_the_engine_does_on_each_status(influx: Influx, tmp_path: Path, status: int, error: type[Exception], words: str) -> None:
    engine = influx_engine(influx, tmp_path)
    influx.judge = lambda lines: (status, b'{"code":"x","message":"said so"}', {"Retry-After": "7"} if status in (429, 503) else {})
    with pytest.raises(error, match=words) as caught:
        engine.write(ramp("m-1/gauge", 0, 3), 1)
    assert getattr(caught.value, "retry_after_s", None) == (7.0 if status in (429, 503) else None)
    assert engine.cursor() == 0
    influx.judge = lambda lines: None
    engine.write(ramp("m-1/gauge", 0, 3), 1)
    assert engine.cursor() == 1 and len(influx.lines) == 3
    engine.close()


def test_an_answer_of_flux_becomes_rows(influx: Influx, tmp_path: Path) -> None:
    engine = influx_engine(influx, tmp_path)
    influx.csv = (
        '#datatype,string,long,dateTime:RFC3339,string,long,long,long,string,double,string\r\n#group,false,false,false,true,false,false,false,false,'
        'false,false\r\n#default,_result,,,,,,,,,\r\n,result,table,_time,signal,kind,received,quality,status,f64,text\r\n'
        ',,0,2026-09-21T14:13:20.0015Z,m-1/gauge,1,1790000000003000,0,,0.1,\r\n'
        ',,0,2026-09-21T14:13:20Z,m-1/gauge,0,1790000000003000,2,"Bad ""x""\n,y",,\r\n'
        ',,0,2026-09-21T14:13:21.123456789Z,m-1/gauge,3,1790000000003000,1,,,"主轴\n"\r\n\r\n'
    ).encode()
    rows = engine.read(["m-1/gauge"], WINDOW).readings()
    assert [(r.source_time_us - START_US, r.value, int(r.quality), r.status) for r in rows] == [
        (0, None, 2, 'Bad "x"\n,y'), (1500, 0.1, 0, ""), (1123456, "主轴\n", 1, ""),
    ]
    influx.csv = b",error,reference\r\n,engine: unknown field type,897\r\n"
    with pytest.raises(NotConnected, match="unknown field type"):
        engine.read(["m-1/gauge"], WINDOW)
    engine.close()
    influx.csv = b"\x80"
    with pytest.raises((NotConnected, Rejected)):
        influx_engine(influx, tmp_path)
