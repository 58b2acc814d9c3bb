"""An edge in a process of its own, on a clock that may run fast: two machines, journal, uplink and requests as the agent has them.

python -m tests.integration.edge_process URL FOLDER CLOCK RETENTION_BYTES
"""

import asyncio
import signal
import sys
from pathlib import Path

from chejian.clock import clock_from
from chejian.enrolment import load_enrolment
from edge.config import SealBlock
from edge.requests import Requests
from edge.uplink import Uplink
from edge.worker import Worker
from store.journal import EdgeJournal, JournalLimits
from workshop.block import block_of
from workshop.reading import Reading
from workshop.window import SECOND_US, Clock

TICK_S, SEAL_S = 0.05, 0.1


def readings_at(second: int) -> list[Reading]:
    """Both machines make a part a second; one in forty is scrap."""
    at = second * SECOND_US
    scrap = second // 40
    values = {"good": second - scrap, "scrap": scrap, "gauge": 1000.0 + second % 7}
    return [Reading(f"{machine}/{name}", at, at + 3_000, value) for machine in ("m-1", "m-2") for name, value in values.items()]


async def run(url: str, folder: Path, clock: Clock, retention_bytes: int) -> None:
    """Runs until SIGTERM, then delivers what is left."""
    stop, worker = asyncio.Event(), Worker()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    enrolment, key = load_enrolment(folder, "edge-1")
    journal = EdgeJournal.open(
        folder / "journal.sqlite", edge="edge-1", provenance=enrolment.provenance, key=key, clock=clock,
        limits=JournalLimits(retention_bytes=retention_bytes),
    )
    uplink = Uplink(url, enrolment.token, journal, worker=worker, seal=SealBlock(every_s=SEAL_S), timeout_s=5, max_retry_s=0.2)
    requests = Requests(
        url, enrolment.token, "edge-1", epoch=journal.epoch, key=key, clock=clock, every_s=0.02, look_back=uplink.look_back,
        find=lambda *asked: worker.call(journal.readings_within, *asked),
    )
    tasks = [asyncio.create_task(uplink.run(stop)), asyncio.create_task(requests.run())]
    second = clock() // SECOND_US
    while not stop.is_set():
        now = clock() // SECOND_US
        if now > second:
            await worker.call(journal.append, [block_of(reading for at in range(second, now) for reading in readings_at(at))])
            second = now
        await asyncio.sleep(TICK_S)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    delivered = await uplink.drain(20)
    for thing in (requests, uplink):
        await thing.close()
    worker.close()
    journal.close()
    sys.exit(0 if delivered else f"not delivered: {uplink.state.why}")


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], Path(sys.argv[2]), clock_from(sys.argv[3]), int(sys.argv[4])))
