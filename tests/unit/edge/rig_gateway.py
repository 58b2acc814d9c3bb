"""A fake gateway on a real HTTP server: it answers by a script and keeps what it got."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from workshop.batch import decode_header, unframe

Script = list[tuple[int, dict[str, Any], dict[str, str]] | None]


class FakeGateway:
    """Acknowledges in order, unless the script has another answer; None in the script is an acknowledgement that gets lost after the commit."""

    def __init__(self) -> None:
        self.script: Script = []
        self.watermark = 0
        self.epoch: int | None = None
        self.digests: dict[int, str] = {}
        self.requests: list[tuple[str, str | None, int]] = []
        self.posts: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, body: bytes) -> tuple[int, dict[str, Any]]:
        offset = 0
        while offset < len(body):
            batch, offset = unframe(body, offset)
            header = decode_header(batch.header)
            self.epoch = header.epoch
            if header.seq > self.watermark + 1:
                return 409, {"type": "sequence-gap", "title": "gap", "status": 409, "watermark": self.watermark, "epoch": header.epoch}
            if self.digests.setdefault(header.seq, batch.digest) != batch.digest:
                return 409, {"type": "conflict", "title": "other body under the same number", "status": 409}
            self.watermark = max(self.watermark, header.seq)
        return 200, {"edge": "edge-1", "epoch": self.epoch, "watermark": self.watermark}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                gateway.requests.append((self.path, self.headers.get("Authorization"), len(body)))
                more: dict[str, str] = {}
                if self.path != "/v1/batches":
                    gateway.posts.append(json.loads(body))
                scripted = gateway.script.pop(0) if gateway.script else ()
                if scripted is None:
                    gateway.take(body)
                    self.close_connection = True
                    return
                if scripted:
                    status, answer, more = scripted
                elif self.path.endswith("/resume"):
                    status, answer = 400, {"type": "invalid", "title": "without a restore nothing is skipped", "status": 400}
                else:
                    status, answer = gateway.take(body) if self.path == "/v1/batches" else (204, {})
                self.reply(status, answer, more)

            def do_GET(self) -> None:
                answer = {"origin": "o", "generation": 1, "epoch": gateway.epoch, "watermark": gateway.watermark, "challenges": []}
                self.reply(200, answer, {})

            def reply(self, status: int, answer: dict[str, Any], more: dict[str, str]) -> None:
                data = json.dumps(answer).encode() if status != 204 else b""
                self.send_response(status)
                for name, value in {**more, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
