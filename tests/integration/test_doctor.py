"""The doctor on installations that are well, ill, and running; TLS by file; an InfluxDB that is set up."""

import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from chejian.doctor import Finding, Level
from chejian.doctor_line import look_at_edge, look_at_gateway
from chejian.doctor_machine import look_at_certificate, look_at_clock, look_at_folder
from chejian.influx_setup import set_up
from tests.integration.test_alerts import certificate
from tests.unit.gateway.plant import START_US, configure, free_port, gateway_in_thread
from workshop.errors import ConfigError, NotConnected

NOW_US = START_US
DEMO = Path(__file__).parents[2] / "config" / "demo"


def hang_up(server: socket.socket) -> None:
    server.accept()[0].close()


def named(found: list[Finding], word: str) -> Finding:
    return next(item for item in found if word in item.what)


def test_a_gateway_that_stands_and_one_that_runs(tmp_path: Path) -> None:
    with gateway_in_thread(tmp_path) as url:
        port = int(url.rpartition(":")[2])
        configure(tmp_path, port)
        found = look_at_gateway(tmp_path / "gateway.toml", lambda: httpx.get(f"{url}/readyz").json()["time_us"])
        assert [item for item in found if item.level is Level.BAD] == []
        assert "a gateway runs there" in named(found, "port").said
        apart = look_at_gateway(tmp_path / "gateway.toml", lambda: START_US)
        assert "from this one's" in named(apart, "clock").said and named(apart, "clock").mend
    (tmp_path / "data" / "admin.token").chmod(0o644)
    found = look_at_gateway(tmp_path / "gateway.toml", lambda: START_US)
    assert "free" in named(found, "port").said and "duckdb" in named(found, "engine").what
    assert named(found, "secret").level is Level.BAD and "chmod 600" in named(found, "secret").mend


def test_what_is_wrong_is_named_with_what_to_do(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), listen='"0.0.0.0"', engine='{ name = "victoriametrics", url = "http://127.0.0.1:9" }',
              alerts='{ allow = ["127.0.0.1:9"], webhook = [{ url = "http://127.0.0.1:9/" }] }')
    found = look_at_gateway(tmp_path / "gateway.toml", lambda: NOW_US)
    assert named(found, "TLS").level is Level.WARNING and named(found, "alerts").level is Level.BAD
    assert any("is VictoriaMetrics running" in item.said for item in found), "one look that fails does not keep the others from looking"
    (tmp_path / "gateway.toml").write_text("nonsense = 1\n")
    only, = look_at_gateway(tmp_path / "gateway.toml", lambda: NOW_US)
    assert only.level is Level.BAD and "nonsense" in only.said
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        configure(tmp_path, stranger.getsockname()[1])
        threading.Thread(target=hang_up, args=(stranger,), daemon=True).start()
        assert "no gateway" in named(look_at_gateway(tmp_path / "gateway.toml", lambda: NOW_US), "port").said


def test_an_edge_that_is_not_enrolled_and_whose_machines_are_away(tmp_path: Path) -> None:
    for name in ("workshop.toml", "edge-1.toml"):
        (tmp_path / name).write_text((DEMO / name).read_text().replace('data = "', f'data = "{tmp_path}/'))
    found = look_at_edge(tmp_path / "edge-1.toml", lambda: NOW_US)
    assert "chejian edge enrol" in named(found, "采集端").mend
    assert {item.level for item in found if "source" in item.what} <= {Level.BAD, Level.OK}
    assert sum("source" in item.what for item in found) >= 2


def test_certificates_and_their_keys(tmp_path: Path) -> None:
    file, other = certificate(tmp_path), tmp_path / "other"
    other.mkdir()
    certificate(other)
    (tmp_path / "key.pem").chmod(0o600)
    day_us = 86_400 * 10**6
    now_us = time.time_ns() // 1000
    levels = [[item.level for item in look_at_certificate(file, at)] for at in (now_us, now_us + 2 * day_us, now_us - day_us)]
    assert levels == [[Level.WARNING], [Level.BAD], [Level.BAD]]
    assert [item.level for item in look_at_certificate(file, now_us, tmp_path / "key.pem")] == [Level.WARNING]
    wrong = [item.said for item in look_at_certificate(file, now_us, other / "key.pem")]
    assert "is not the key of that certificate" in wrong
    (tmp_path / "broken.pem").write_text("-----BEGIN nothing")
    assert [item.level for item in look_at_certificate(tmp_path / "broken.pem", now_us)] == [Level.BAD]


def test_folders_and_clock_are_looked_at_without_a_trace(tmp_path: Path) -> None:
    assert all(item.said for item in look_at_clock())
    assert {item.level for item in look_at_folder(tmp_path / "not" / "there")} <= {Level.OK, Level.WARNING, Level.BAD}
    list(look_at_folder(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("state", "max_error_us", "level", "words"), [
    (0, 1_500, Level.OK, "within 1.5 ms"), (0, 400_000, Level.WARNING, "only to within 400 ms"), (5, 0, Level.WARNING, "not synchronised"),
])
def test_the_kernel_s_word_about_its_clock_is_told(
    monkeypatch: pytest.MonkeyPatch, state: int, max_error_us: int, level: Level, words: str,
) -> None:
    class Kernel:
        @staticmethod
        def adjtimex(timex: Any) -> int:
            timex._obj.maxerror = max_error_us
            return state

    monkeypatch.setattr("chejian.doctor_machine.ctypes.CDLL", lambda _: Kernel)
    monkeypatch.setattr("chejian.doctor_machine.sys.platform", "linux")
    finding, = look_at_clock()
    assert (finding.level, words in finding.said, bool(finding.mend)) == (level, True, level is not Level.OK)


@pytest.mark.parametrize(("free", "level"), [(2**40, Level.OK), (5 * 2**30, Level.WARNING), (2**30, Level.BAD)])
def test_little_room_on_the_disk_is_told_before_it_stops_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level,
) -> None:
    monkeypatch.setattr("chejian.doctor_machine.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 0, free))  # type: ignore[attr-defined]
    finding = next(look_at_folder(tmp_path))
    assert finding.level is level and bool(finding.mend) is (level is not Level.OK)


def test_a_disk_that_syncs_slowly_and_one_that_cannot_be_written_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chejian.doctor_machine.SLOW_SYNC_S", -1.0)
    assert "to reach the disk" in [item.said for item in look_at_folder(tmp_path)][-1]

    def refused(_: Path) -> float:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("chejian.doctor_machine._write_and_sync", refused)
    last = list(look_at_folder(tmp_path))[-1]
    assert last.level is Level.BAD and "cannot be written" in last.said


def test_a_platform_that_is_away_and_its_certificate_are_told(tmp_path: Path) -> None:
    certificate(tmp_path)
    configure(tmp_path, free_port(), northbound='{ host = "127.0.0.1", port = 9, ca_file = "cert.pem" }')
    found = look_at_gateway(tmp_path / "gateway.toml", lambda: time.time_ns() // 1000)
    assert named(found, "平台").level is Level.BAD and "127.0.0.1:9" in named(found, "平台").said
    assert named(found, "证书").level is Level.WARNING


def test_the_command_says_it_in_words_and_in_its_exit_code(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), engine='{ name = "victoriametrics", url = "http://127.0.0.1:9" }')
    command = [sys.executable, "-m", "chejian", "doctor", "--gateway", str(tmp_path / "gateway.toml"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and {item["level"] for item in json.loads(done.stdout)} >= {"ok", "bad"}


def test_a_gateway_serves_tls_by_file_and_refuses_files_that_do_not_fit(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    certificate(tmp_path / "other")
    with gateway_in_thread(tmp_path, tls_certificate='"cert.pem"', tls_key='"key.pem"') as url:
        secure = url.replace("http://", "https://")
        assert httpx.get(f"{secure}/healthz", verify=ssl.create_default_context(cafile=str(file))).text == "alive\n"
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{secure}/healthz")
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{url}/healthz")
    settings = ({"tls_certificate": '"cert.pem"', "tls_key": '"other/key.pem"'}, {"tls_certificate": '"none.pem"', "tls_key": '"key.pem"'})
    for wrong in settings:
        configure(tmp_path, free_port(), **wrong)
        done = subprocess.run([sys.executable, "-m", "chejian", "gateway", "run", str(tmp_path / "gateway.toml")], capture_output=True, text=True,
                              check=False, timeout=60)
        assert done.returncode == 2 and "no TLS with these" in done.stderr and "Traceback" not in done.stderr
    with pytest.raises(ConfigError, match="belong together"):
        configure(tmp_path, 0, tls_key='"key.pem"')


@pytest.fixture
def influx() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The part of InfluxDB 2's management API that is used, as its OpenAPI document (2.7) describes it; the real server is no Debian package."""
    posts: list[dict[str, Any]] = []
    buckets: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            if self.headers["authorization"] != "Token operator":
                self.answer(401, {"code": "unauthorized", "message": "unauthorized access"})
            elif self.path.startswith("/api/v2/orgs?org=works"):
                self.answer(200, {"orgs": [{"id": "0a", "name": "works"}]})
            elif self.path.startswith("/api/v2/orgs"):
                self.answer(404, {"code": "not found", "message": "organization not found"})
            else:
                self.answer(200, {"buckets": buckets})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            posts.append({"path": self.path} | body)
            if self.path == "/api/v2/buckets":
                buckets.append({"id": "0b"} | body)
                self.answer(201, buckets[-1])
            else:
                self.answer(201, {"id": "0c", "token": "made=="})

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", posts
    server.shutdown()
    server.server_close()


def test_bucket_and_token_of_an_influxdb_are_made_once(influx: tuple[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    url, posts = influx
    file = tmp_path / "influx.token"
    assert "bucket 'cj' and token" in set_up(url, "works", "cj", "operator", file)
    assert file.read_text() == "made==\n" and file.stat().st_mode & 0o077 == 0
    rights = [(right["action"], right["resource"]["id"]) for right in posts[-1]["permissions"]]
    assert rights == [("read", "0b"), ("write", "0b")], "this bucket, and nothing else"
    assert set_up(url, "works", "cj", "operator", file) == "all was there" and len(posts) == 2
    with pytest.raises(ConfigError, match="401"):
        set_up(url, "works", "cj", "wrong", file)
    with pytest.raises(ConfigError, match="no organisation 'other'"):
        set_up(url, "other", "cj", "operator", file)
    with pytest.raises(NotConnected, match="is InfluxDB running"):
        set_up("http://127.0.0.1:9", "works", "cj", "operator", file)
