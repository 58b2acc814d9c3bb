"""The recorder with a real journal: what it refuses, what it remembers over a restart, and clocks that are wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from edge.config import CommitBlock
from edge.recorder import REFUSED_REASON, Recorder
from edge.resume import Resume
from edge.source import Delivery, Loss
from edge.worker import Worker
from store.journal import EdgeJournal
from store.journal_space import DROPPED
from tests.unit.edge.rig import Record, open_journal
from tests.unit.edge.rig_sparkplug import MS, US, Seen, data, death, device_birth, node_birth
from workshop.batch import ClockState, Gap
from workshop.block import Block, block_of
from workshop.reading import Quality, Reading

SECOND = 1_000_000
START = 1_795_000_000 * SECOND
A, B = "cnc-01/load", "cnc-01/program"


@asynccontextmanager
async def recording(
    folder: Path, on_stored: Callable[[Block, Block], None] = lambda stored, present: None, signals: tuple[str, ...] = (A, B),
) -> AsyncIterator[tuple[Recorder, EdgeJournal]]:
    journal, worker = open_journal(folder), Worker()
    resume = Resume(journal.positions(), signals, journal.remembered())
    recorder = Recorder(journal, worker, resume, CommitBlock(), on_stored, 300.0)
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder, journal
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        worker.close()
        journal.close()


def delivery(*readings: Reading, losses: tuple[Loss, ...] = ()) -> Delivery:
    return Delivery(block_of(readings), losses=losses)


def at(seconds: int, signal: str = A, value: float | str = 1.0, ahead_s: int = 0) -> Reading:
    return Reading(signal, START + (seconds + ahead_s) * SECOND, START + seconds * SECOND, value)


async def put(recorder: Recorder, *deliveries: Delivery) -> None:
    await recorder.put("cell", deliveries)
    await recorder.flush()


async def test_what_the_journal_refuses_is_declared_up_to_the_next_reading(tmp_path: Path) -> None:
    async with recording(tmp_path) as (recorder, journal):
        await put(recorder, delivery(at(0), at(0, B, "P1")))
        await put(recorder, delivery(at(1)), delivery(at(2, B, "x" * 300_000)), delivery(at(3)), delivery(at(4, B, "P2")))
        assert recorder.refused == 1 and journal.quarantined() == 1
        assert recorder.readings["cell"] == 5
    record = Record(tmp_path)
    assert record.gaps == [(B, START + 1, START + 4 * SECOND, REFUSED_REASON)]
    assert sorted(reading.source_time_us - START for reading in record.readings) == [0, 0, SECOND, 3 * SECOND, 4 * SECOND]


async def test_a_refusal_is_declared_even_if_the_edge_ends_before_the_next_reading(tmp_path: Path) -> None:
    async with recording(tmp_path) as (recorder, _):
        await put(recorder, delivery(at(0, B, "P1")))
        await put(recorder, delivery(at(2, B, "x" * 300_000)))
    async with recording(tmp_path) as (recorder, _):
        await put(recorder, delivery(at(5, B, "P2")))
    assert Record(tmp_path).gaps == [(B, START + 1, START + 5 * SECOND, REFUSED_REASON)]


async def test_a_restart_knows_what_is_stored_and_what_is_declared(tmp_path: Path) -> None:
    for is_sealed in (False, True):
        folder = tmp_path / str(is_sealed)
        folder.mkdir()
        async with recording(folder) as (recorder, journal):
            await put(recorder, delivery(at(0), at(2)))
            await put(recorder, delivery(at(6), losses=(Loss((A,), "lost"),)))
            if is_sealed:
                journal.seal(ClockState())
        async with recording(folder) as (recorder, _):
            await put(recorder, delivery(at(0), at(1), at(2), at(4), at(6)))
            assert (recorder.resume.repeated, recorder.resume.late) == (3, 1)
            await put(recorder, delivery(at(5), at(7)))
        record = Record(folder)
        assert [reading.source_time_us - START for reading in sorted(record.of(A), key=lambda r: r.source_time_us)] == [0, SECOND, 2 * SECOND, *(
            second * SECOND for second in (6, 7)
        )]
        assert record.gaps == [(A, START + 2 * SECOND + 1, START + 6 * SECOND, "lost")]


async def test_a_restart_knows_that_the_clock_had_stepped_back(tmp_path: Path) -> None:
    async with recording(tmp_path) as (recorder, _):
        await put(recorder, delivery(at(0, ahead_s=120)), delivery(at(1)), delivery(at(2)))
    async with recording(tmp_path) as (recorder, _):
        await put(recorder, delivery(at(9), losses=(Loss((A,), "connection lost"),)))
    assert Record(tmp_path).gaps == [(A, START + 2 * SECOND + 1, START + 9 * SECOND, "edge was not running")]


async def test_a_clock_far_away_makes_readings_uncertain(tmp_path: Path) -> None:
    async with recording(tmp_path) as (recorder, _):
        await put(recorder, delivery(at(0, ahead_s=299), at(1, ahead_s=301)))
        assert recorder.skewed == 1
    assert [(r.quality, r.status) for r in Record(tmp_path).of(A)] == [(Quality.GOOD, ""), (Quality.UNCERTAIN, "ClockSkew")]


async def test_what_the_journal_dropped_for_want_of_room_is_known_at_once(tmp_path: Path) -> None:
    """A row that comes late for a range that is declared lost stays out: it would be both stored and lost."""
    async with recording(tmp_path) as (recorder, journal):
        await put(recorder, delivery(at(0), at(10)))
        dropped = Gap((A,), START + 1 * SECOND, START + 6 * SECOND, DROPPED)
        journal._declared.append(dropped)  # as `_make_room` leaves it there
        await put(recorder, delivery(at(11)))
        await put(recorder, delivery(at(5)), delivery(at(12)))
        assert recorder.resume.late == 1
    assert [(r.source_time_us - START) // SECOND for r in Record(tmp_path).of(A)] == [0, 10, 11, 12]


async def test_35_what_a_node_has_kept_is_stored_and_announced_and_never_what_holds_now(tmp_path: Path) -> None:
    """A Sparkplug node comes back: its kept values are back-fill (decision 0041); what holds is what its birth says, though stored before."""
    held: list[float] = []

    def look(_: Block, present: Block) -> None:
        held.extend(reading.value for reading in present.readings() if reading.signal == "m-1/load")  # type: ignore[misc]

    seen = Seen().born().take("NDEATH", death(0)).take("NBIRTH", node_birth(1)).take("DBIRTH", device_birth(1, 5.0, MS + 500))
    for number in range(2, 6):
        seen.take("DDATA", data(number, float(number), MS + 100 * number, historical=True))
    seen.wait(1.5).take("DDATA", data(6, 6.0, MS + 600)).take("DDATA", data(7, 5.5, MS + 550, historical=True))
    async with recording(tmp_path, look, ("m-1/load", "m-1/parts")) as (recorder, journal):
        await put(recorder, *seen.deliveries)
        journal.seal(ClockState())
        (past,) = journal.unannounced(1)
    assert (past.from_us, past.to_us) == (US + 200_000, US + 550_001)
    assert held == [1.5, 5.0, 6.0]
    record = Record(tmp_path)
    assert sorted(reading.value for reading in record.of("m-1/load")) == [1.5, 2.0, 3.0, 4.0, 5.0, 5.5, 6.0], "each once"  # type: ignore[type-var]
    assert {reading.status for reading in record.of("m-1/load") if reading.value in (2.0, 5.0, 5.5)} == {"Historical"}


async def test_a_repetition_is_not_stored_and_still_is_what_holds_now(tmp_path: Path) -> None:
    """After back-fill from a server's history, its present value comes once more: nobody has shown it yet."""
    shown: list[object] = []

    def look(_: Block, present: Block) -> None:
        shown.extend(reading.value for reading in present.readings())

    async with recording(tmp_path, look) as (recorder, _):
        past = Delivery(block_of([at(1, value=1.0), at(2, value=2.0)]), is_historical=True)
        await put(recorder, past, Delivery(block_of([]), repeats=(A,)), delivery(at(2, value=2.0)), delivery(at(3, value=3.0)))
        assert recorder.readings["cell"] == 3 and recorder.resume.repeated == 1
    assert shown == [2.0, 3.0]
