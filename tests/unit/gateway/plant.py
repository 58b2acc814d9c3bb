"""A small workshop, an edge that signs, and real gateways to send to; for the tests of gateway and engines."""

import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from gateway.pseudonyms import open_pseudonyms
from gateway.serve import run
from gateway.settings import GatewaySettings, load_gateway
from store.signing import SigningKey
from workshop.batch import NO_DIGEST, Gap, Header, Provenance, SealedBatch, encode_header, frame
from workshop.block import Block, block_of
from workshop.part import encode_part, split_block
from workshop.reading import Quality, Reading, Value
from workshop.register import Workshop
from workshop.register_file import parse_register
from workshop.wire import EnrolAnswer

START_US = 1_790_000_000_000_000
PATIENCE_S = 30.0
REGISTER = """
[workshop]
id = "test"
title_zh = "测试"
title_en = "Test"
enterprise = "Example"
site = "east"
area = "hall"
time_zone = "Asia/Shanghai"

[[processes]]
id = "milling"
title_zh = "铣削"
title_en = "Milling"

[signal_sets]
machine = [
  { name = "gauge", role = "active_power", kind = "gauge", unit = "W" },
  { name = "other", role = "spindle_load", kind = "gauge", unit = "%" },
  { name = "count", role = "produced_count", kind = "counter", unit = "{part}" },
  { name = "state", role = "item_state", kind = "state" },
  { name = "good", role = "good_count", kind = "counter", unit = "{part}" },
  { name = "text", role = "program", kind = "text" },
  { name = "link_state", role = "link_state", kind = "state", max_age_s = 3, origin = "edge" },
]

[[equipment]]
id = "m-1"
title_zh = "一"
title_en = "One"
equipment_class = "machining_centre"
work_center = "w"
serial_number = "1"
digital = true
numerically_controlled = true
process = "milling"
rated_power_w = 1000
in_service_from = "2020-01-01"
signal_set = "machine"

[[equipment]]
id = "m-2"
title_zh = "二"
title_en = "Two"
equipment_class = "machining_centre"
work_center = "w"
serial_number = "2"
digital = true
numerically_controlled = true
process = "milling"
rated_power_w = 1000
in_service_from = "2020-01-01"
signal_set = "machine"
"""
CLAIMS = """
[[claims]]
id = "networking"
indicator = "networking_rate_all"
at_least = "0.95"
title_zh = "联网率"
title_en = "Networking rate"
"""


def workshop() -> Workshop:
    """The register of these tests: m-1 and m-2, each with gauge, other, count, state, text and link_state."""
    return parse_register(REGISTER, "workshop.toml")


def reading(signal: str, at: int, value: Value, *, status: str = "", quality: Quality = Quality.GOOD, delay_us: int = 1500) -> Reading:
    """A reading `at` µs after the start; bad when the value is None."""
    trust = Quality.BAD if value is None else quality
    return Reading(signal, START_US + at, START_US + at + delay_us, value, trust, status)


def ramp(signal: str, first: int, count: int, step_us: int = 1000) -> Block:
    """`count` readings of a gauge whose value is their number."""
    return block_of(reading(signal, number * step_us, float(number)) for number in range(first, first + count))


class Sender:
    """An edge that signs batches in a chain; it sends nothing by itself."""

    def __init__(self, edge: str = "edge-1", provenance: Provenance = Provenance.SIMULATED, key: SigningKey | None = None) -> None:
        self.edge, self.provenance, self.key = edge, provenance, key or SigningKey.create()
        self.epoch, self.seq, self.previous = START_US, 0, NO_DIGEST
        self.token = ""

    def seal(self, block: Block, gaps: Sequence[Gap] = (), **changes: Any) -> SealedBatch:
        """The next batch of the chain; `changes` replace members of its header before it is signed."""
        self.seq += 1
        made = [encode_part(equipment, rows) for equipment, rows in split_block(block).items()]
        header = Header(
            self.edge, self.epoch, self.seq, self.previous, self.provenance, START_US, parts=tuple(entry for entry, _ in made), gaps=tuple(gaps),
        )
        data = encode_header(msgspec.structs.replace(header, **changes))
        batch = SealedBatch(data, self.key.sign("batch", data), tuple(part for _, part in made))
        self.previous = batch.digest
        return batch

    def enrol(self, client: httpx.Client, admin: str) -> EnrolAnswer:
        """Gets this edge's token from a gateway."""
        invited = client.post("/v1/edges", json={"edge": self.edge, "provenance": self.provenance.value}, headers=bearer(admin))
        assert invited.status_code == 200, invited.text
        answer = client.post("/v1/enrol", json={"token": invited.json()["token"], "edge": self.edge, "public_key": self.key.public})
        assert answer.status_code == 200, answer.text
        enrolled = msgspec.json.decode(answer.content, type=EnrolAnswer)
        self.token = enrolled.token
        return enrolled

    def post(self, client: httpx.Client, *batches: SealedBatch) -> httpx.Response:
        """Posts batches as frames."""
        return client.post("/v1/batches", content=b"".join(frame(batch) for batch in batches), headers=bearer(self.token))


def bearer(token: str) -> dict[str, str]:
    """The header with this token."""
    return {"Authorization": f"Bearer {token}"}


def until(true: Callable[[], Any], what: str) -> Any:
    """Polls until it is true, and returns it."""
    deadline = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        pause.wait(0.02)
    return found


def configure(folder: Path, port: int = 0, **more: Any) -> GatewaySettings:
    """Writes register, claims and gateway.toml into a folder. `register_text`: another register than that of these tests."""
    (folder / "workshop.toml").write_text(more.pop("register_text", REGISTER))
    (folder / "claims.toml").write_text(CLAIMS)
    lines = [f'data = "{folder / "data"}"', f"port = {port}", 'register = "workshop.toml"', 'claims = "claims.toml"']
    lines += [f"{key} = {value}" for key, value in ({"engine": '{ name = "duckdb" }'} | more).items()]
    (folder / "gateway.toml").write_text("\n".join(lines))
    return load_gateway(folder / "gateway.toml")


def admin_of(folder: Path) -> str:
    """The administrator's token of the gateway in this folder."""
    return (folder / "data" / "admin.token").read_text().strip()


def known_as(folder: Path, name: str) -> str:
    """How the gateway in this folder calls a person in its control log."""
    return open_pseudonyms(folder / "data").of(name)


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def now_us() -> int:
    """The real clock."""
    return time.time_ns() // 1000


@contextmanager
def gateway_in_thread(folder: Path, clock: Callable[[], int] = now_us, **more: Any) -> Iterator[str]:
    """A real gateway with its HTTP server in this process, by the real clock or another; yields its address."""
    settings = configure(folder, **more)
    stop, port = threading.Event(), queue.Queue[int | BaseException]()

    def serve() -> None:
        try:
            run(settings, clock, stop=stop, ready=port.put)
        except BaseException as error:
            port.put(error)
            raise

    thread = threading.Thread(target=serve, name="gateway")
    thread.start()
    try:
        found = port.get(timeout=PATIENCE_S)
        assert isinstance(found, int), found
        yield f"http://127.0.0.1:{found}"
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


class Process:
    """A real gateway in a process of its own, which can be killed and started again.

    Args:
        arguments: of `chejian gateway run`, behind the settings.
        more: as for `configure`.
    """

    def __init__(self, folder: Path, arguments: Sequence[str] = (), **more: Any) -> None:
        self.folder, self.port, self.arguments = folder, free_port(), arguments
        self.url = f"http://127.0.0.1:{self.port}"
        configure(folder, self.port, **more)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        log = (self.folder / "gateway.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "chejian", "gateway", "run", str(self.folder / "gateway.toml"), *self.arguments], stdout=log, stderr=log,
            )
        until(self._ready, f"gateway ready; its log: {(self.folder / 'gateway.log').read_text()[-2000:]}")

    def _ready(self) -> bool:
        assert self._process is not None and self._process.poll() is None, (self.folder / "gateway.log").read_text()[-3000:]
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def end(self, number: signal.Signals) -> int:
        """Sends a signal, waits, and returns the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        """Ends it, whatever it does."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
