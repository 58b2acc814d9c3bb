"""Bodies that come drop by drop, or not at all: refused after a while, and in nobody's way meanwhile."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway import ingest
from tests.unit.gateway.plant import Sender, admin_of, gateway_in_thread, ramp
from workshop.batch import frame

STREAMS = 60


def head(token: str, size: int = 100_000) -> bytes:
    return f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {size}\r\n\r\n".encode()


def answer_of(stream: socket.socket) -> bytes:
    """Everything until the gateway closes the connection."""
    pieces = []
    while piece := stream.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)


def test_slow_senders_are_refused_and_an_edge_beside_them_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "SILENT_S", 0.5)
    with gateway_in_thread(tmp_path) as url, httpx.Client(base_url=url) as client:
        edge = Sender()
        edge.enrol(client, admin_of(tmp_path))
        where = ("127.0.0.1", int(url.rpartition(":")[2]))
        silent = [socket.create_connection(where, 30) for _ in range(STREAMS)]
        for stream in silent:
            stream.sendall(head(edge.token) + b"CJ")
        for number in range(20):
            assert edge.post(client, edge.seal(ramp("m-1/gauge", number * 10, 10))).status_code == 200
        for stream in silent:
            assert answer_of(stream).startswith(b"HTTP/1.1 408 ") and stream.close() is None
        # Drop by drop: never silent for long, but far below any line's speed.
        with socket.create_connection(where, 30) as stream:
            stream.sendall(head(edge.token))
            ended = threading.Event()

            def drip() -> None:
                while not ended.wait(0.05):
                    try:
                        stream.sendall(b"x")
                    except OSError:
                        return

            dripping = threading.Thread(target=drip)
            dripping.start()
            # Either the refusal, or a reset because a drop was on its way: but an end.
            with contextlib.suppress(ConnectionResetError):
                assert b'"too-slow"' in answer_of(stream)
            ended.set()
            dripping.join()
        # One that is slow and fast enough is served.
        batch = edge.seal(ramp("m-1/gauge", 200, 10))
        monkeypatch.setattr(ingest, "SLOWEST_BYTES_S", 1)
        body = frame(batch)

        def pieces() -> Iterator[bytes]:
            pause = threading.Event()
            for at in range(0, len(body), 100):
                pause.wait(0.1)
                yield body[at : at + 100]

        posted = client.post("/v1/batches", content=pieces(), headers={"Authorization": f"Bearer {edge.token}"})
        assert posted.status_code == 200, posted.text
