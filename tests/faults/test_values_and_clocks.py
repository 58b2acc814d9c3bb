"""Fault classes 13, 16, 20, 23, 24 and 25: poison, wrong clocks, pressure inside the edge, changing types, older formats, odd values."""

import asyncio
import math
import sqlite3
from pathlib import Path

import httpx

from edge.config import CommitBlock
from edge.gathering import Gathering
from edge.recorder import Recorder
from edge.source import Delivery, Refusal
from store.journal import FORMAT, JournalLimits
from tests.faults.oracle import Delivered
from tests.faults.site import SIGNALS, T0, Site
from tests.unit.edge.rig import until
from tests.unit.gateway.plant import Process, admin_of, bearer
from workshop.batch import ClockState
from workshop.block import I64_MAX, I64_MIN, block_of
from workshop.errors import ConfigError
from workshop.reading import Quality, Reading

SECOND = 1_000_000
HOUR_US = 3600 * SECOND
A, B = SIGNALS


async def quarantine(gateway: Process, edge: str) -> list[str]:
    """The reasons for which the gateway does not index rows of this edge."""
    async with httpx.AsyncClient(base_url=gateway.url, headers=bearer(admin_of(gateway.folder))) as client:
        return [row["reason"] for row in (await client.get("/v1/quarantine")).json() if row["edge"] == edge]


async def test_class_13_poison_is_set_aside_with_its_reason_and_the_rest_flows(gateway: Process, tmp_path: Path) -> None:
    """Once what no reading can be made of, at the edge; once what the gateway's register does not know, which is kept all the same."""
    site = Site(tmp_path, gateway, "edge-13")
    async with site.recording() as recorder, site.sending():
        for number in range(5):
            rows = [Reading(A, T0 + number * SECOND, T0 + number * SECOND, number * 0.5)]
            if number == 2:
                await site.record(recorder, rows, refusals=(Refusal(b"\xff\x00 no JSON", "not JSON"),))
            else:
                await site.record(recorder, [*rows, Reading("m-1/nobody-knows-it", T0 + number * SECOND, T0, number)])
        await site.delivered()
        assert recorder.refused == 1 and site.journal.quarantined() == 1
    assert site.check() == {"emitted": 9, "stored": 9, "in_gaps": 0}
    deadline = asyncio.get_running_loop().time() + 20
    while not (reasons := await quarantine(gateway, "edge-13")):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    assert all("'m-1/nobody-knows-it' is not in the register" in reason for reason in reasons)
    kept = site.journal._db.execute("SELECT source, reason, payload FROM quarantine")
    assert kept == [("cell", "not JSON", b"\xff\x00 no JSON")]
    site.close()


async def test_class_16_a_clock_that_steps_drifts_or_starts_in_1970(gateway: Process, tmp_path: Path) -> None:
    """The edge's clock does what it likes; order is by number, both times and the offset are kept, and nothing is lost or doubled."""
    now = [T0]
    site = Site(tmp_path, gateway, "edge-16", clock=lambda: now[0])
    steps = [0, HOUR_US, -HOUR_US, -T0 + 5 * SECOND, T0 - 5 * SECOND, -120 * SECOND]
    offset_us, device_us, offsets = 0, T0, []
    for step in steps:
        now[0] += step
        offset_us += step
        # Each step is met by a running edge and by one that starts after it.
        for _ in range(2):
            async with site.recording() as recorder:
                for _ in range(10):
                    device_us += SECOND
                    now[0] += SECOND + 300  # 300 ppm fast
                    await site.record(recorder, [Reading(signal, device_us, now[0], device_us / 7) for signal in SIGNALS])
            await site.worker.call(site.journal.seal, ClockState(offset_us, True))
            offsets.append(offset_us)
            site.journal.close()
            site.journal = site.open()
    async with site.sending():
        await site.delivered()
    delivered = Delivered.of_gateway(gateway.folder / "data", "edge-16")
    assert delivered.check(site.emitted) == {"emitted": len(steps) * 40, "stored": len(steps) * 40, "in_gaps": 0}
    assert [header.clock.offset_us for header in delivered.headers] == offsets
    sealed = [header.sealed_us for header in delivered.headers]
    assert sealed != sorted(sealed) and [header.seq for header in delivered.headers] == list(range(1, 13)), "the order is that of the numbers"
    assert any(reading.received_time_us < HOUR_US for reading in delivered.readings) and delivered.headers[0].epoch == T0
    site.close()


async def test_class_16_a_device_whose_clock_steps_back_and_forth(gateway: Process, tmp_path: Path) -> None:
    site = Site(tmp_path, gateway, "edge-16-device", clock=lambda: T0)
    device_us, received_us = T0, T0
    async with site.recording() as recorder:
        for step in (0, HOUR_US, -HOUR_US, -1800 * SECOND, HOUR_US):
            device_us += step
            for _ in range(10):
                device_us += SECOND + 1
                received_us += SECOND
                await site.record(recorder, [Reading(signal, device_us, received_us, device_us % 977 / 7) for signal in SIGNALS])
    async with site.sending():
        await site.delivered()
    delivered = Delivered.of_gateway(gateway.folder / "data", "edge-16-device")
    assert delivered.check(site.emitted, is_ordered=False) == {"emitted": 100, "stored": 100, "in_gaps": 0}
    assert {reading.quality for reading in delivered.readings} == {Quality.GOOD, Quality.UNCERTAIN}, "a time that is far off is doubted, not changed"
    site.close()


async def test_class_20_a_full_journal_holds_the_sources_back_and_memory_stays(gateway: Process, tmp_path: Path) -> None:
    """The gateway is away and the journal may not grow: sources wait in `put`, with a bounded queue behind them; then everything flows."""
    site = Site(tmp_path, gateway, "edge-20", JournalLimits(max_bytes=300_000, min_free_bytes=0))
    waiting, total = 0, 3000

    async def offer(recorder: Recorder) -> None:
        nonlocal waiting
        for number in range(total):
            rows = [Reading(A, T0 + number * SECOND + i, T0, site._lots.random()) for i in range(20)]
            site.emitted.update({(row.signal, row.source_time_us): row.value for row in rows})
            await recorder.put("cell", [Delivery(block_of(rows))])
            waiting = number + 1

    async with site.recording() as recorder:
        recorder.pace = type(recorder.pace)(CommitBlock(every_ms=5, idle_ms=1))
        offering = asyncio.create_task(offer(recorder))
        await until(lambda: "full" in recorder.problem and recorder._queue.full(), "held back")
        held = waiting
        assert held < total and not offering.done()
        stored = site.journal.status().stored_rows
        assert held * 20 - stored <= 65_536 + (recorder._queue.maxsize + 1) * 20, "what is in memory is bounded"
        async with site.sending():
            await asyncio.wait_for(offering, 60)
            await recorder.flush()
            await site.delivered()
    assert site.check() == {"emitted": total * 20, "stored": total * 20, "in_gaps": 0}
    site.close()


async def test_class_23_a_signal_that_changes_its_type_is_kept_and_set_aside_where_it_does_not_fit(gateway: Process, tmp_path: Path) -> None:
    site = Site(tmp_path, gateway, "edge-23")
    values = [1, 1.5, "on", True, None, "", 2]
    rows = [
        Reading(A, T0 + number * SECOND, T0, int(value) if value is True else value, Quality.BAD if value is None else Quality.GOOD)
        for number, value in enumerate(values)
    ]
    async with site.recording() as recorder, site.sending():
        for row in rows:
            await site.record(recorder, [row])
        await site.delivered()
    assert site.check() == {"emitted": 7, "stored": 7, "in_gaps": 0}
    deadline = asyncio.get_running_loop().time() + 20
    while len(reasons := await quarantine(gateway, "edge-23")) < 1:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    assert all("is a gauge, got text" in reason for reason in reasons)
    site.close()


async def test_class_24_an_older_journal_is_read_and_delivered_and_the_way_back_is_refused(gateway: Process, tmp_path: Path) -> None:
    site = Site(tmp_path, gateway, "edge-24")
    site.emit(30)
    site.emit(30, seals=False)
    site.journal.close()
    file = sqlite3.connect(tmp_path / "edge-24.sqlite")
    # Format 1 had neither of these tables nor this count.
    for statement in ("DROP TABLE tracks", "DROP TABLE declared", "DELETE FROM meta WHERE name = 'dropped'", "PRAGMA user_version = 1"):
        file.execute(statement)
    file.commit()
    site.journal = site.open()
    site.emit(30)
    async with site.sending():
        await site.delivered()
    assert site.check() == {"emitted": 180, "stored": 180, "in_gaps": 0}
    site.journal.close()
    file.execute(f"PRAGMA user_version = {FORMAT + 1}")
    file.close()
    try:
        site.open()
    except ConfigError as error:
        assert "is newer than this program's" in str(error) and "run the newer program" in str(error)
    else:
        raise AssertionError("a downgrade was not refused")
    site.close()


async def test_class_25_odd_values_come_through_to_the_bit(gateway: Process, tmp_path: Path) -> None:
    """Equal times and values, signed zeros, denormals, the largest numbers, empty and Unicode text, NaN, infinity, integers beyond 64 bits."""
    site = Site(tmp_path, gateway, "edge-25")
    floats = [0.0, -0.0, 5e-324, -1.7976931348623157e308, 0.1, 1 / 3, 2.0**53 + 2, 1e22]
    odd = [I64_MAX, I64_MIN, 2**53 + 1, 0, "", "温度 °C 🏭", "\u0000x", "e\u0301", "x" * 60_000]
    name = "m-2/主轴 负载/é"
    rows = [Reading(signal, T0, T0, 1.0) for signal in (*SIGNALS, name)]  # equal times and values of several signals
    rows += [Reading(A, T0 + 1 + number, T0, value) for number, value in enumerate([*floats, *odd])]
    async with site.recording() as recorder, site.sending():
        await site.record(recorder, rows)
        gathering = Gathering()
        bad = {math.nan: T0 + 100, math.inf: T0 + 101, -math.inf: T0 + 102}
        for value, time_us in bad.items():
            gathering.add(Reading(B, time_us, T0, value))
        gathering.add(Reading(B, T0 + 103, T0, 2**63))
        await recorder.put("cell", gathering.deliveries(None))
        await site.record(recorder, [Reading(B, T0 + 104, T0, 4.0)])
        await site.delivered()
        assert site.journal.quarantined() == 1
    delivered = Delivered.of_gateway(gateway.folder / "data", "edge-25")
    site.emitted |= dict.fromkeys(((B, time_us) for time_us in bad.values()), None) | {(B, T0 + 103): 2**63}
    assert delivered.check(site.emitted) == {"emitted": len(site.emitted), "stored": len(site.emitted) - 1, "in_gaps": 1}
    for reading in delivered.readings:
        assert reading.source_time_us not in bad.values() or (reading.quality, reading.status) == (Quality.BAD, "NotFinite")
    site.close()
