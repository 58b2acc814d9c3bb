"""More than the gateway can index: it asks to wait before memory grows, stays up for everybody else, and holds every accepted row once."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.unit.gateway.plant import START_US, Process, Sender, admin_of, bearer, until
from workshop.block import block_of
from workshop.reading import Reading

EDGES, BATCHES, ROWS, BACKLOG, AT_ONCE = 10, 12, 4_000, 8_000, 8


def flood(url: str, sender: Sender, number: int) -> tuple[int, list[str]]:
    """Posts this edge's batches as fast as the gateway takes them; how often it was asked to wait, and for how long."""
    waits: list[str] = []
    pause = threading.Event()
    with httpx.Client(base_url=url, timeout=60) as client:
        for batch in range(BATCHES):
            first = START_US + (number * BATCHES + batch) * ROWS * 1000
            rows = [Reading("m-1/gauge", first + row * 1000, first + row * 1000 + 5, float(row)) for row in range(ROWS)]
            sealed = sender.seal(block_of(rows))
            while (answer := sender.post(client, sealed)).status_code == 429:
                assert answer.json()["type"] == "busy"
                waits.append(answer.headers["retry-after"])
                pause.wait(0.05)  # impatient on purpose: it comes back before it should
            assert answer.status_code == 200, answer.text
    return sender.seq, waits


def test_an_overloaded_gateway_asks_to_wait_stays_up_and_loses_nothing(tmp_path: Path) -> None:
    gateway = Process(tmp_path, backlog_rows=BACKLOG)
    gateway.start()
    try:
        with httpx.Client(base_url=gateway.url, timeout=60) as client:
            senders = [Sender(f"edge-{number}") for number in range(EDGES)]
            for sender in senders:
                sender.enrol(client, admin_of(tmp_path))
            admin, done = bearer(admin_of(tmp_path)), threading.Event()
            seen: list[tuple[int, int, int]] = []

            def look() -> None:
                with httpx.Client(base_url=gateway.url, timeout=60) as eye:
                    while not done.is_set():
                        metrics = eye.get("/metrics", headers=admin)
                        backlog = re.search(r"^chejian_backlog_rows ([0-9.e+]+)$", metrics.text, re.MULTILINE)
                        assert backlog is not None, metrics.text
                        seen.append((eye.get("/healthz").status_code, eye.get("/v1/edges", headers=admin).status_code, int(float(backlog[1]))))

            eye = threading.Thread(target=look)
            eye.start()
            try:
                with ThreadPoolExecutor(EDGES) as pool:
                    ends = list(pool.map(flood, [gateway.url] * EDGES, senders, range(EDGES)))
            finally:
                done.set()
                eye.join()
            waits = [wait for _, found in ends for wait in found]
            assert waits and {int(wait) for wait in waits} == {1}, "it was too much, and the answer says when to come again"
            assert seen and {(health, edges) for health, edges, _ in seen} == {(200, 200)}, "others are served meanwhile"
            assert max(backlog for _, _, backlog in seen) <= BACKLOG + (AT_ONCE + 1) * ROWS, "what waits in memory is bounded"
            rows = EDGES * BATCHES * ROWS
            until(lambda: client.get("/v1/count", headers=admin).json()["rows"] >= rows, "all rows in the engine")
            assert client.get("/v1/count", headers=admin).json()["rows"] == rows
            marks = {row["edge"]: row["watermark"] for row in client.get("/v1/edges", headers=admin).json()}
            assert {sender.edge: sender.seq for sender in senders}.items() <= marks.items()
    finally:
        gateway.close()
