"""The programs that `benchmarks.edge_opcua` measures: the whole edge without a gateway, its source alone, counting, and asyncua's own subscription
with a handler that counts.

`python -m benchmarks.edge_opcua_child edge|source|asyncua FOLDER SIGNALS` prints how many values it has, once a second.
"""

import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from asyncua.client.client import Client

from edge import agent
from edge.config import load_edge, source_context
from edge.source import open_source
from store.journal import EdgeJournal
from store.signing import SigningKey
from workshop.batch import ClockState, Provenance, decode_header
from workshop.part import decode_part
from workshop.register_file import parse_register

EACH = 100
"""Signals of a machine."""
_NAMESPACE = "urn:chejian:load"
_FRACTION = 2.0**-20


def now_us() -> int:
    """The machine's clock."""
    return time.time_ns() // 1000


def write_files(folder: Path, url: str, signals: int) -> None:
    """A register of machines with a hundred gauges each, and the edge's file."""
    count = signals // EACH
    members = "\n".join(f'  {{ name = "s{n:02}", role = "load_{n:02}", kind = "gauge", unit = "%" }},' for n in range(EACH))
    machines = "".join(
        f'[[equipment]]\nid = "load-{m:02}"\ntitle_zh = "机"\ntitle_en = "Load"\nequipment_class = "machining_centre"\nwork_center = "c"\n'
        f'serial_number = "{m}"\ndigital = true\nnumerically_controlled = true\nprocess = "milling"\nrated_power_w = 1000\n'
        'in_service_from = "2020-01-01"\nsignal_set = "load"\n' for m in range(count)
    )
    (folder / "workshop.toml").write_text(
        '[workshop]\nid = "w"\ntitle_zh = "车间"\ntitle_en = "Workshop"\nenterprise = "e"\nsite = "s"\narea = "a"\ntime_zone = "Asia/Shanghai"\n'
        f'[[processes]]\nid = "milling"\ntitle_zh = "铣削"\ntitle_en = "Milling"\n[signal_sets]\nload = [\n{members}\n]\n{machines}',
        encoding="utf-8",
    )
    addresses = [[f's{n:02} = "nsu={_NAMESPACE};s=S{m * EACH + n}"\n' for n in range(EACH)] for m in range(count)]
    maps = "".join(f"[source.map.m{m:02}]\n" + "".join(own) for m, own in enumerate(addresses))
    equipment = "".join(f'{{ id = "load-{m:02}", map = "m{m:02}" }}, ' for m in range(count))
    (folder / "edge-1.toml").write_text(
        'edge = "edge-1"\nprovenance = "simulated"\nregister = "workshop.toml"\ndata = "."\n[gateway]\nurl = "http://127.0.0.1:9"\n'
        f'[[source]]\nname = "load"\nprotocol = "opcua"\nurl = "{url}"\nsecurity = "None"\nequipment = [{equipment}]\n{maps}', encoding="utf-8",
    )


def _journal(folder: Path) -> tuple[EdgeJournal, SigningKey]:
    file = folder / "key.pem"
    if not file.exists():
        SigningKey.create().save(file)
    key = SigningKey.load(file)
    return EdgeJournal.open(folder / "journal.sqlite", edge="edge-1", provenance=Provenance.SIMULATED, key=key, clock=now_us), key


async def _edge(folder: Path) -> None:
    settings = load_edge((folder / "edge-1.toml").read_bytes(), "edge-1.toml")
    register = parse_register((folder / "workshop.toml").read_text(encoding="utf-8"), "workshop.toml")
    journal, key = _journal(folder)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    running = asyncio.create_task(agent.run(
        settings, register, clock=now_us, key=key, journal=journal, token="", stop=stop, status=folder / "status.json",
    ))
    while not running.done():
        print(journal.status().unsealed_rows + _sealed(journal), flush=True)
        await asyncio.wait([running], timeout=1.0)
    running.result()
    journal.close()


def _sealed(journal: EdgeJournal) -> int:
    """Rows in sealed batches so far; counted once each."""
    batches = journal._db.execute("SELECT seq, record FROM batches WHERE seq > ? ORDER BY seq", (_counted["seq"],))
    for seq, record in batches:
        _counted["seq"] = seq
        _counted["rows"] += decode_header(record[:-64]).rows
    return _counted["rows"]


_counted = {"seq": 0, "rows": 0}


class _Handler:
    def __init__(self) -> None:
        self.values = 0

    def datachange_notification(self, _node: Any, _value: Any, _data: Any) -> None:
        """Counts."""
        self.values += 1


async def _source(folder: Path) -> None:
    settings = load_edge((folder / "edge-1.toml").read_bytes(), "edge-1.toml")
    register = parse_register((folder / "workshop.toml").read_text(encoding="utf-8"), "workshop.toml")
    (block,) = settings.source
    source = open_source(block.protocol, block.options, source_context(settings, block, register, "edge-1.toml", clock=now_us))
    await source.connect()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    values, say_at = 0, 0.0
    while not stop.is_set():
        for delivery in await source.read():
            values += len(delivery.block)
            if delivery.on_committed is not None:
                delivery.on_committed()
        if time.monotonic() >= say_at:
            say_at = time.monotonic() + 1.0
            print(values, flush=True)
    await source.close()


async def _asyncua(folder: Path, signals: int) -> None:
    handler = _Handler()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    url = load_edge((folder / "edge-1.toml").read_bytes(), "edge-1.toml").source[0].options["url"]
    async with Client(url) as client:
        index = await client.get_namespace_index(_NAMESPACE)
        subscription = await client.create_subscription(200, handler)
        nodes = [client.get_node(f"ns={index};s=S{n}") for n in range(signals)]
        await subscription.subscribe_data_change(nodes, queuesize=1000)
        while not stop.is_set():
            print(handler.values, flush=True)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)


def check(folder: Path, signals: int, period_us: int) -> dict[str, Any]:
    """Every reading in the journal against the load's formula: value k + n / 2^20 at start + k periods, for k = 0, 1, 2 …"""
    journal, _ = _journal(folder)
    journal.seal(ClockState())
    ticks: list[list[np.ndarray[Any, Any]]] = [[] for _ in range(signals)]
    rows = gaps = wrong = size = 0
    start_us: int | None = None
    seq = 1
    while batches := journal.from_seq(seq, 16):
        for number, batch in batches:
            seq = number + 1
            header = decode_header(batch.header)
            gaps += len(header.gaps)
            size += len(batch.header)
            for entry, part in zip(header.parts, batch.parts, strict=True):
                assert part is not None
                size += len(part)
                block = decode_part(entry.equipment, part)
                machine = int(entry.equipment.removeprefix("load-"))
                first = np.array([machine * EACH + int(name.rpartition("/s")[2]) for name in block.signals])
                tick = np.floor(block.value_f64).astype(np.int64)
                start = block.source_time_us - tick * period_us
                start_us = int(start[0]) if start_us is None else start_us
                wrong += int((block.value_f64 != tick + first[block.signal] * _FRACTION).sum() + (start != start_us).sum())
                for place, each in enumerate(first.tolist()):
                    ticks[each].append(tick[block.signal == place])
                rows += len(block)
    missing = 0
    for parts in ticks:
        seen = np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
        missing += int((seen[-1] + 1 if len(seen) else 1) - len(np.unique(seen)))
        wrong += len(seen) - len(np.unique(seen))
    journal.close()
    return {"rows": rows, "gaps": gaps, "wrong": wrong, "missing": missing, "bytes": size}


if __name__ == "__main__":
    _what, _where, _count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    asyncio.run({"edge": lambda: _edge(_where), "source": lambda: _source(_where), "asyncua": lambda: _asyncua(_where, _count)}[_what]())
