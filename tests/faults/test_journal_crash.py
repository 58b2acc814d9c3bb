"""Fault classes 1, 3 and 6, promise 1: a reading is on disk before its source is told. The process is killed at random points; the disk refuses."""

import asyncio
import random
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import httpx
import pytest

from edge.uplink import Uplink
from store.journal import EdgeJournal, JournalLimits
from store.signing import SigningKey
from tests.faults import killed_edge
from tests.faults.oracle import Delivered
from tests.unit.gateway.plant import Process, Sender, admin_of
from workshop.batch import ClockState, Gap, Provenance, decode_header
from workshop.block import block_of
from workshop.errors import ConfigError, NotConnected
from workshop.part import decode_part
from workshop.reading import Reading

T0 = 1_700_000_000_000_000
KILLS = [pytest.param(8, id="short"), pytest.param(200, id="long", marks=pytest.mark.long)]
DELIVERING = [pytest.param(3, id="short"), pytest.param(25, id="long", marks=pytest.mark.long)]
ROOT = Path(__file__).parents[2]

# Appends readings i = first, first + 1 … of two signals; says "i" once append has returned; seals and acknowledges now and then.
CHILD = textwrap.dedent("""
    import sys
    from pathlib import Path
    from store.journal import EdgeJournal
    from store.signing import SigningKey
    from workshop.batch import ClockState, Gap, Provenance
    from workshop.block import block_of
    from workshop.reading import Reading

    folder, start = Path(sys.argv[1]), 1_700_000_000_000_000
    journal = EdgeJournal.open(
        folder / "journal.sqlite", edge="edge-1", provenance=Provenance.SIMULATED, key=SigningKey.load(folder / "key.pem"), clock=lambda: start
    )
    first = (journal.positions().get("a-1/x", start) - start + 999) // 1000
    for i in range(first, first + 100_000):
        rows = [Reading(name, start + i * 1000, start + i * 1000 + 5, i * k) for k, name in ((1, "a-1/x"), (0.1, "b-1/y"))]
        journal.append([block_of(rows)], [Gap(("c-1/z",), start + i * 1000, start + i * 1000 + 1, "overflow")] if i % 5 == 0 else [])
        print(i, flush=True)
        if i % 7 == 0:
            journal.seal(ClockState())
        if i % 23 == 0:
            journal.acknowledge(journal.status().last_seq - 1)
""")


def open_journal(folder: Path, limits: JournalLimits | None = None) -> EdgeJournal:
    return EdgeJournal.open(
        folder / "journal.sqlite", edge="edge-1", provenance=Provenance.SIMULATED, key=SigningKey.load(folder / "key.pem"), clock=lambda: T0,
        limits=limits or JournalLimits(),
    )


def delivered(journal: EdgeJournal) -> tuple[list[Reading], list[Gap]]:
    """Everything in the kept batches after a last seal; the chain has no hole."""
    journal.seal(ClockState())
    readings: list[Reading] = []
    gaps: list[Gap] = []
    prev = "0" * 64
    for n, (seq, batch) in enumerate(journal.from_seq(1, 1_000_000)):
        header = decode_header(batch.header)
        assert (header.seq, header.seq, header.prev) == (seq, n + 1, prev)
        prev = batch.digest
        gaps += header.gaps
        for entry, part in zip(header.parts, batch.parts, strict=True):
            assert part is not None
            readings += decode_part(entry.equipment, part).readings()
    return readings, gaps


@pytest.mark.parametrize("kills", KILLS)
def test_class_1_promise_1_kill_at_random_points_loses_nothing_that_append_returned(tmp_path: Path, kills: int) -> None:
    SigningKey.create().save(tmp_path / "key.pem")
    lots = random.Random(8)
    told = -1
    for _ in range(kills):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert child.stdout is not None
        for _, text in zip(range(lots.randrange(1, 60)), child.stdout, strict=False):
            told = int(text)
        child.kill()
        for text in child.stdout:
            # A line that the kill cut short was not told.
            told = int(text) if text.endswith("\n") else told
        child.stdout.close()
        child.wait()
    journal = open_journal(tmp_path)
    try:
        readings, gaps = delivered(journal)
        xs = [reading for reading in readings if reading.signal == "a-1/x"]
        ys = [reading for reading in readings if reading.signal == "b-1/y"]
        # In order, no duplicate, no hole; at most one more than was told: stored, and killed before it could say so.
        assert [reading.value for reading in xs] == list(range(len(xs)))
        assert [reading.value for reading in ys] == [i * 0.1 for i in range(len(xs))]
        assert len(xs) in (told + 1, told + 2)
        assert [gap.from_us for gap in gaps] == [T0 + i * 1000 for i in range(0, len(xs), 5)]
    finally:
        journal.close()


@pytest.mark.parametrize("kills", DELIVERING)
def test_class_1_kill_while_delivering_loses_and_doubles_nothing(gateway: Process, tmp_path: Path, kills: int) -> None:
    """Recorder, journal and uplink in one process, killed at random points of all three; what the gateway holds is what was told, once."""
    sender = Sender(f"edge-1-{kills}")
    with httpx.Client(base_url=gateway.url) as client:
        sender.enrol(client, admin_of(gateway.folder))
    sender.key.save(tmp_path / "key.pem")
    lots, told = random.Random(1), -1
    command = [sys.executable, "-m", "tests.faults.killed_edge", str(tmp_path), sender.edge, gateway.url, sender.token]
    for _ in range(kills):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert child.stdout is not None
        for _, text in zip(range(lots.randrange(1, 150)), child.stdout, strict=False):
            told = int(text)
        child.kill()
        for text in child.stdout:
            told = int(text) if text.endswith("\n") else told
        child.stdout.close()
        child.wait()
    journal = EdgeJournal.open(
        tmp_path / f"{sender.edge}.sqlite", edge=sender.edge, provenance=Provenance.SIMULATED, key=sender.key, clock=lambda: T0
    )
    asyncio.run(drain(journal, gateway.url, sender.token))
    journal.close()
    number_of = range(told + 10_000)
    emitted = {(signal, killed_edge.T0 + n * killed_edge.STEP_US): killed_edge.value(signal, n) for n in number_of for signal in killed_edge.SIGNALS}
    surely = [key for key in emitted if key[1] <= killed_edge.T0 + told * killed_edge.STEP_US]
    delivered = Delivered.of_gateway(gateway.folder / "data", sender.edge)
    assert delivered.check(emitted, surely=surely)["in_gaps"] == 0 and len(delivered.readings) >= len(surely) > 0


async def drain(journal: EdgeJournal, url: str, token: str) -> None:
    uplink = Uplink(url, token, journal)
    assert await uplink.drain(30)
    await uplink.close()


def test_a_second_process_is_refused_and_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    SigningKey.create().save(tmp_path / "key.pem")
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout is not None
    child.stdout.readline()
    with pytest.raises(ConfigError, match="in use by another process"):
        open_journal(tmp_path)
    child.kill()
    child.stdout.close()
    child.wait()
    open_journal(tmp_path).close()


def test_class_6_a_disk_that_refuses_to_write_is_never_a_success(tmp_path: Path) -> None:
    SigningKey.create().save(tmp_path / "key.pem")
    journal = open_journal(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    stored, refused = [], 0
    try:
        for i in range(60):
            # Every third attempt meets a file that may not grow: a real error of write(2) in the middle of the transaction.
            limit = (tmp_path / "journal.sqlite-wal").stat().st_size + 3000 if i % 3 == 2 else soft
            rows = block_of([Reading("a-1/x", T0 + i * 1000 + j, T0, i * 1000 + j) for j in range(400)])
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            try:
                journal.append([rows])
                stored.append(i)
            except NotConnected:
                refused += 1
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert refused > 0 and stored
        journal.close()
        journal = open_journal(tmp_path)
        readings, _ = delivered(journal)
        assert [reading.value for reading in readings] == [i * 1000 + j for i in stored for j in range(400)]
    finally:
        journal.close()


def test_class_3_a_torn_write_ahead_log_keeps_every_whole_transaction(tmp_path: Path) -> None:
    SigningKey.create().save(tmp_path / "key.pem")
    journal = open_journal(tmp_path)
    sizes = []
    wal = tmp_path / "journal.sqlite-wal"
    for i in range(12):
        journal.append([block_of([Reading("a-1/x", T0 + i, T0, i)])])
        sizes.append(wal.stat().st_size)
    files = {name: (tmp_path / name).read_bytes() for name in ("journal.sqlite", "journal.sqlite-wal")}
    journal.close()
    for cut in random.Random(3).sample(range(sizes[0], sizes[-1]), 12):
        # The power fails: what was not yet synced is gone from some byte on, or is noise.
        folder = tmp_path / f"cut-{cut}"
        folder.mkdir()
        (folder / "key.pem").write_bytes((tmp_path / "key.pem").read_bytes())
        (folder / "journal.sqlite").write_bytes(files["journal.sqlite"])
        (folder / "journal.sqlite-wal").write_bytes(files["journal.sqlite-wal"][:cut] + b"\xa5" * (cut % 2 * 500))
        torn = open_journal(folder)
        whole = sum(size <= cut for size in sizes)
        readings, _ = delivered(torn)
        assert [reading.value for reading in readings] == list(range(whole))
        torn.close()
