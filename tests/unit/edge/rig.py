"""What the edge's tests share: small registers and settings, a real journal, a running agent, and the delivery oracle over its batches."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from edge import agent
from edge.config import EdgeSettings, load_edge
from edge.status import EdgeStatus
from store.journal import EdgeJournal
from store.signing import SigningKey
from workshop.batch import ClockState, Provenance, decode_header
from workshop.part import decode_part
from workshop.reading import Reading
from workshop.register import Workshop
from workshop.register_file import parse_register

REGISTER = """
[workshop]
id = "w"
title_zh = "车间"
title_en = "Workshop"
enterprise = "e"
site = "s"
area = "a"
time_zone = "Asia/Shanghai"

[[processes]]
id = "milling"
title_zh = "铣削"
title_en = "Milling"

[signal_sets]
cnc = [
  { name = "load", role = "spindle_load", kind = "gauge", unit = "%" },
  { name = "parts", role = "produced_count", kind = "counter" },
  { name = "program", role = "program", kind = "text" },
  { name = "state", role = "item_state", kind = "state" },
  { name = "link_state", role = "link_state", kind = "state", max_age_s = 3, origin = "edge" },
]
"""
EQUIPMENT = """
[[equipment]]
id = "{id}"
title_zh = "机"
title_en = "Machine"
equipment_class = "machining_centre"
work_center = "c"
serial_number = "{id}"
digital = true
numerically_controlled = true
process = "milling"
rated_power_w = 1000
in_service_from = "2020-01-01"
signal_set = "cnc"
"""
HEAD = """
edge = "edge-1"
provenance = "simulated"
register = "workshop.toml"
data = "run"
[gateway]
url = "{gateway}"
max_retry_s = 0.2
[seal]
every_s = 0.3
[commit]
every_ms = 50
idle_ms = 5
[retry]
first_s = 0.05
max_s = 0.1
[shutdown]
linger_ms = 300
drain_s = {drain_s}
"""
NO_GATEWAY = "http://127.0.0.1:9"


def now_us() -> int:
    """The machine's clock; tests are a roof of their own."""
    return time.time_ns() // 1000


def register_of(*equipment: str) -> Workshop:
    """A register of machines with the signals load, parts, program and state."""
    return parse_register(REGISTER + "".join(EQUIPMENT.replace("{id}", each) for each in equipment), "workshop.toml")


def settings_of(sources: str, gateway: str = NO_GATEWAY, drain_s: float = 0.0) -> EdgeSettings:
    """Settings with these [[source]] tables, quick about everything."""
    return load_edge(HEAD.replace("{gateway}", gateway).replace("{drain_s}", str(drain_s)) + sources, "edge-1.toml")


def open_journal(folder: Path, clock: Callable[[], int] = now_us) -> EdgeJournal:
    """The journal in this folder, with the key beside it."""
    key_file = folder / "key.pem"
    if not key_file.exists():
        SigningKey.create().save(key_file)
    return EdgeJournal.open(
        folder / "journal.sqlite", edge="edge-1", provenance=Provenance.SIMULATED, key=SigningKey.load(key_file), clock=clock
    )


async def until(condition: Callable[[], Any], what: str, within_s: float = 20.0) -> None:
    """Polls until the condition holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        await asyncio.sleep(0.02)


class RunningEdge:
    """An agent at work."""

    def __init__(self, folder: Path, settings: EdgeSettings, register: Workshop, file: str = "edge.toml") -> None:
        self.folder, self.settings, self.register, self.file = folder, settings, register, file
        self.stop = asyncio.Event()
        self.journal = open_journal(folder)
        self.task: asyncio.Task[None] | None = None

    @property
    def status_file(self) -> Path:
        return self.folder / "status.json"

    def start(self) -> None:
        """Begins to run."""
        key = SigningKey.load(self.folder / "key.pem")
        self.status_file.unlink(missing_ok=True)
        self.task = asyncio.create_task(agent.run(
            self.settings, self.register, clock=now_us, key=key, journal=self.journal, token="t", stop=self.stop, status=self.status_file,
            file=self.file,
        ))

    def status(self) -> EdgeStatus | None:
        """The last status, None before the first."""
        assert self.task is not None
        if self.task.done():
            self.task.result()
        return msgspec.json.decode(self.status_file.read_bytes(), type=EdgeStatus) if self.status_file.exists() else None

    def stored(self, source: str) -> int:
        """Readings stored from this source since the start, as the status says."""
        status = self.status()
        return status.sources[source].readings if status is not None else 0

    async def end(self) -> None:
        """An orderly end."""
        self.stop.set()
        assert self.task is not None
        await self.task
        self.journal.close()

    async def kill(self) -> None:
        """The nearest thing to kill -9 within one process: nothing is declared, sealed or acknowledged any more."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.journal.close()


@asynccontextmanager
async def running_edge(folder: Path, settings: EdgeSettings, register: Workshop, file: str = "edge.toml") -> AsyncIterator[RunningEdge]:
    """An agent at work, ended at the end of the block if it still runs."""
    edge = RunningEdge(folder, settings, register, file)
    edge.start()
    try:
        yield edge
    finally:
        if edge.task is not None and not edge.task.done():
            await edge.end()


class Record:
    """What an edge's batches hold."""

    def __init__(self, folder: Path) -> None:
        journal = open_journal(folder)
        journal.seal(ClockState())
        self.readings: list[Reading] = []
        self.gaps: list[tuple[str, int, int, str]] = []
        for _, batch in journal.from_seq(1, 100_000):
            header = decode_header(batch.header)
            self.gaps += [(signal, gap.from_us, gap.to_us, gap.reason) for gap in header.gaps for signal in gap.signals]
            for entry, part in zip(header.parts, batch.parts, strict=True):
                assert part is not None
                self.readings += decode_part(entry.equipment, part).readings()
        self.quarantined = journal.quarantined()
        journal.close()

    def of(self, signal: str) -> list[Reading]:
        """Readings of one signal."""
        return [reading for reading in self.readings if reading.signal == signal]

    def in_gap(self, signal: str, time_us: int) -> bool:
        return any(name == signal and start <= time_us < end for name, start, end, _ in self.gaps)

    def check(self, emitted: dict[tuple[str, int], Any]) -> dict[str, int]:
        """The delivery oracle: A = B ∪ G, B ∩ G = ∅, no duplicates, bit-equal."""
        rows = [reading for reading in self.readings if not reading.signal.endswith("/link_state")]
        stored = {(reading.signal, reading.source_time_us): bits(reading.value) for reading in rows}
        assert len(stored) == len(rows), "a reading is stored twice"
        assert not [key for key in stored if key not in emitted], "stored, but never emitted"
        assert not [(key, emitted[key], stored[key]) for key in stored if bits(emitted[key]) != stored[key]], "altered"
        assert not sorted(key for key in emitted if key not in stored and not self.in_gap(*key)), "neither stored nor in a gap"
        assert not sorted(key for key in stored if self.in_gap(*key)), "stored and in a gap"
        return {"emitted": len(emitted), "stored": len(stored), "in_gaps": len(emitted) - len(stored)}


def bits(value: Any) -> tuple[str, Any]:
    """A value so that equality means equal bits."""
    return ("f", struct.pack("<d", value)) if isinstance(value, float) else (type(value).__name__, value)
