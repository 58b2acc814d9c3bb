"""An edge to be killed: a process with recorder, journal and uplink. It says a number once the readings of that number are on disk."""

import asyncio
import sys
from pathlib import Path

from edge.config import CommitBlock, SealBlock
from edge.recorder import Recorder
from edge.resume import Resume
from edge.source import Delivery
from edge.uplink import Uplink
from edge.worker import Worker
from store.journal import EdgeJournal
from store.signing import SigningKey
from workshop.batch import Provenance
from workshop.block import block_of
from workshop.reading import Reading

T0 = 1_700_000_000_000_000
STEP_US = 1000
SIGNALS = ("m-1/gauge", "m-2/gauge")


def value(signal: str, number: int) -> float:
    """What a signal reads at this number."""
    return number / (3.0 if signal == SIGNALS[0] else 7.0)


async def main(folder: Path, name: str, url: str, token: str) -> None:
    """Goes on where its journal ends, until it is killed."""
    journal = EdgeJournal.open(
        folder / f"{name}.sqlite", edge=name, provenance=Provenance.SIMULATED, key=SigningKey.load(folder / "key.pem"), clock=lambda: T0
    )
    first = (journal.positions().get(SIGNALS[0], T0) - T0 + STEP_US - 1) // STEP_US
    worker = Worker()
    recorder = Recorder(journal, worker, Resume(journal.positions(), SIGNALS, journal.remembered()), CommitBlock(idle_ms=1), lambda *_: None, 1e9)
    uplink = Uplink(url, token, journal, worker=worker, seal=SealBlock(every_s=0.03, away_s=0.03), max_retry_s=0.05)
    tasks = [asyncio.create_task(recorder.run()), asyncio.create_task(uplink.run(asyncio.Event()))]
    for number in range(first, first + 1_000_000):
        rows = [Reading(signal, T0 + number * STEP_US, T0, value(signal, number)) for signal in SIGNALS]
        # As a source does: told when it is on disk, not before.
        await recorder.put("cell", [Delivery(block_of(rows), on_committed=lambda number=number: print(number, flush=True))])  # type: ignore[misc]  # noqa: T201
        await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:5]))
