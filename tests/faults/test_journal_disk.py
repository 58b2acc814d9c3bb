"""Fault classes 2, 3, 5, 6 and 7: power loss, torn writes, no room, a disk that refuses, deletions that did not last."""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.journal import JournalLimits, WhenFull
from tests.faults.disk import Disk
from tests.faults.load import LIMITS, Load, open_journal
from tests.faults.oracle import Delivered
from workshop.batch import ClockState
from workshop.errors import NotConnected

POINTS = [pytest.param(16, id="short"), pytest.param(200, id="long", marks=pytest.mark.long)]


@pytest.fixture
def disk() -> Iterator[Disk]:
    with Disk().mounted() as disk:
        yield disk


def after(folder: Path, load: Load, told: set[tuple[str, int]], watermark: int) -> None:
    """What is found in the folder after the loss: all that was told, perhaps the one that was under way, nothing else."""
    journal = open_journal(folder)
    try:
        counts = Delivered.of_journal(journal).check(load.emitted, surely=told)
        assert counts["in_gaps"] == 0 and counts["stored"] - len(told) in (0, 2 * load.each)
        assert journal.watermark >= watermark, "what was acknowledged stays so"
    finally:
        journal.close()


@pytest.mark.parametrize("points", POINTS)
def test_class_2_and_3_power_loss_and_torn_writes_take_nothing_that_was_told(disk: Disk, tmp_path: Path, points: int) -> None:
    """The power fails before a random write or sync: un-synced writes are dropped, torn at sectors or reordered; promise 1 holds at each point."""
    lots = random.Random(2)
    (tmp_path / "edge").mkdir()
    load = Load(open_journal(tmp_path / "edge"), scans_each=3)
    found: list[tuple[Path, set[tuple[str, int]], int]] = []

    def fail() -> None:
        # The next point comes after a random number of writes and syncs; a commit has about a dozen.
        nonlocal wait
        wait -= 1
        if wait <= 0 and load.told:
            wait = lots.randrange(1, 25)
            folder = tmp_path / f"loss-{len(found)}"
            disk.power_loss(tmp_path / "edge", folder, lots)
            found.append((folder, set(load.told), load.journal.watermark))

    wait, disk.tick = 10, fail
    while len(found) < points:
        load.step()
    disk.tick = None
    load.journal.close()
    for folder, told, watermark in found:
        after(folder, load, told, watermark)


def test_a_commit_costs_one_sync(disk: Disk, tmp_path: Path) -> None:
    """Group commit: however many deliveries and gaps are in it, a commit is told after one fsync, and not before."""
    (tmp_path / "edge").mkdir()
    load = Load(open_journal(tmp_path / "edge"))
    assert load.append()
    before = disk.syncs
    for number in range(1, 51):
        assert load.append() and disk.syncs == before + number
    load.journal.close()


def test_class_6_a_failed_sync_is_no_success_and_is_not_trusted_after_a_restart(disk: Disk, tmp_path: Path) -> None:
    """The kernel takes the pages of a failed sync for clean. The next process reads them, and must not build on what is in memory only."""
    lots = random.Random(6)
    (tmp_path / "edge").mkdir()
    load = Load(open_journal(tmp_path / "edge"))
    for _ in range(30):
        load.append()
    disk.refuse_syncs = True
    assert not load.append(), "a failed sync is never reported as success"
    disk.process_loss(tmp_path / "edge", tmp_path / "killed")
    load.journal.close()
    # The disk still refuses: the new process stores nothing.
    load.journal = open_journal(tmp_path / "killed")
    assert not load.append()
    disk.refuse_syncs = False
    for _ in range(20):
        assert load.append()
    disk.power_loss(tmp_path / "killed", tmp_path / "dark", lots)
    load.journal.close()
    journal = open_journal(tmp_path / "dark")
    Delivered.of_journal(journal).check(load.emitted, surely=load.told)
    journal.close()


def test_class_6_a_disk_that_refuses_now_and_then_keeps_what_was_told(disk: Disk, tmp_path: Path) -> None:
    lots = random.Random(66)
    (tmp_path / "edge").mkdir()
    load = Load(open_journal(tmp_path / "edge"))

    def shake() -> None:
        disk.refuse_syncs, disk.refuse_writes = lots.random() < 0.03, lots.random() < 0.03

    disk.tick = shake
    for _ in range(150):
        load.step()
    disk.tick, disk.refuse_syncs, disk.refuse_writes = None, False, False
    assert load.refused > 5 and len(load.told) > 100
    disk.power_loss(tmp_path / "edge", tmp_path / "dark", lots)
    assert load.append()
    for folder in (tmp_path / "edge", tmp_path / "dark"):
        journal = load.journal if folder.name == "edge" else open_journal(folder)
        told = load.told if folder.name == "edge" else {key for key in load.told if key not in set(list(load.emitted)[-2:])}
        Delivered.of_journal(journal).check(load.emitted, surely=told)
        journal.close()


@pytest.mark.parametrize("policy", list(WhenFull))
def test_class_5_no_room_is_told_and_what_was_stored_can_leave(disk: Disk, tmp_path: Path, policy: WhenFull) -> None:
    """Others fill the disk. The journal says so, delivers what it has, and goes on when there is room; dropping is declared."""
    (tmp_path / "edge").mkdir()
    limits = JournalLimits(max_bytes=4 * 2**20, min_free_bytes=0, when_full=policy)
    load = Load(open_journal(tmp_path / "edge", limits), scans_each=400)
    for _ in range(40):
        load.step(acknowledges=False)
    reserve = tmp_path / "edge" / "journal.sqlite.reserve"
    disk.quota = 0
    before = load.refused
    while load.refused < before + 3:
        load.step(acknowledges=False)
    assert not reserve.exists(), "the reserve was given back"
    # The gateway is there: what it acknowledges is noted, although the disk is full, and makes room inside the file.
    disk.quota = sum(file.stat().st_size for file in (tmp_path / "edge").iterdir()) + limits.max_bytes // 16
    delivered = Delivered.of_journal(load.journal)
    for _ in range(3):
        try:
            load.journal.acknowledge(load.journal.status().last_seq)
            break
        except NotConnected as error:
            assert "disk full" in str(error)
    assert load.journal.watermark == load.journal.status().last_seq
    delivered.check(load.emitted, surely=load.told)
    disk.quota = None
    assert load.append()
    load.journal.close()


def test_class_7_a_deleted_log_that_comes_back_changes_nothing(disk: Disk, tmp_path: Path) -> None:
    """The log is deleted when a journal is closed in order, and the deletion does not last: the old entry is there again after the power failed."""
    (tmp_path / "edge").mkdir()
    load = Load(open_journal(tmp_path / "edge", LIMITS))
    for _ in range(25):
        load.step()
    load.journal.close()
    assert not (tmp_path / "edge" / "journal.sqlite-wal").exists()
    seen = set()
    for seed in range(8):
        folder = tmp_path / f"back-{seed}"
        disk.power_loss(tmp_path / "edge", folder, random.Random(seed))
        seen.add((folder / "journal.sqlite-wal").exists())
        for _ in range(2):  # and no loop: it opens again and again
            journal = open_journal(folder)
            Delivered.of_journal(journal).check(load.emitted, surely=load.told)
            journal.close()
    assert seen == {True, False}


def test_a_full_disk_at_the_very_start_is_said(tmp_path: Path, disk: Disk) -> None:
    (tmp_path / "edge").mkdir()
    disk.quota = 0
    with pytest.raises(NotConnected, match="disk full"):
        open_journal(tmp_path / "edge")
    disk.quota = None
    journal = open_journal(tmp_path / "edge")
    assert journal.seal(ClockState()) is None
    journal.close()


def room_of_its_own(folder: Path) -> list[str]:
    """What begins a command that has a small disk of its own in this folder."""
    mounted = f"mount -t tmpfs -o size=16m tmpfs '{folder}' && exec \"$@\""
    for options in (["-m"], ["-rm"]):
        command = ["unshare", *options, "sh", "-c", mounted, "sh"]
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip("no small file system can be mounted here; the failing disk above shows the same without one")


@pytest.mark.parametrize("policy", list(WhenFull))
def test_class_5_a_disk_that_is_really_full(tmp_path: Path, policy: WhenFull) -> None:
    """A process on a file system of 16 MiB: it stays up, says why it does not store, survives a restart in that state, and goes on with room."""
    (tmp_path / "disk").mkdir()
    command = [*room_of_its_own(tmp_path / "disk"), sys.executable, "-m", "tests.faults.full_disk", str(tmp_path / "disk"), policy.value]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["refused"] >= 5 and found["goes_on"] and found["stored"] > 20 * 300
    assert found["said"] == "No space left on device"
