"""A cluster of which a storage is missing: vmselect 1.131 gives half an answer with 200, unless it is told not to (recorded by hand from one)."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from store.victoria_server import VictoriaServer
from workshop.errors import NotConnected

HALF = b'{"status":"success","isPartial":true,"data":%b}'


class Vmselect(BaseHTTPRequestHandler):
    """Answers as a vmselect does that cannot reach one of its storages."""

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        half = b'["m-1/gauge"]' if "/label/" in self.path else b'{"resultType":"vector","result":[]}'
        status, body = (503, b"cannot connect to vmstorage") if form.get("deny_partial_response") == ["1"] else (200, HALF % half)
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[VictoriaServer]:
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Vmselect)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    asked = VictoriaServer(f"http://127.0.0.1:{listening.server_port}/select/0/prometheus", "", 10.0)
    yield asked
    asked.close()
    listening.shutdown()
    listening.server_close()


@pytest.mark.parametrize("ask", [
    lambda server: server.label_values("signal", "{}"), lambda server: server.query("up", 1000),
    lambda server: server.query_range("up", 0, 1000, 1000), lambda server: list(server.export("{}", 0, 1000)),
])
def test_half_an_answer_is_none(server: VictoriaServer, ask: Callable[[VictoriaServer], object]) -> None:
    with pytest.raises(NotConnected, match="503 cannot connect to vmstorage"):
        ask(server)
