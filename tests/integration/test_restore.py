"""A gateway restored from an old backup in the middle of a run: edges send again what they keep, the rest is declared; nothing is lost in silence."""

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from edge.config import SealBlock
from edge.uplink import Uplink
from gateway.backup import backup, read_manifest, restore
from gateway.settings import GatewaySettings, load_gateway
from store.archive import Archive
from store.control_kinds import LostBatches, Restore
from store.generations import check_restores, reach
from store.journal import EdgeJournal, JournalLimits
from store.log import Checkpoint, open_note, parse_checkpoint, verify_consistency
from store.signing import SigningKey, decode_signature, verify
from tests.unit.edge.rig import now_us, until
from tests.unit.gateway.plant import Process, Sender, admin_of, bearer, reading
from workshop.batch import ClockState, Provenance, decode_header
from workshop.block import block_of
from workshop.canonical import canonical_json
from workshop.errors import ConfigError

EVERYTHING = 256 * 2**20
NOTHING = 1


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    process.start()
    yield process
    process.close()


class Edge:
    """A real journal that an uplink delivers to a real gateway."""

    def __init__(self, folder: Path, url: str, retention_bytes: int) -> None:
        self.sender = Sender()
        with httpx.Client(base_url=url) as client:
            self.sender.enrol(client, admin_of(folder))
        self.url, self.written = url, 0
        self.journal = EdgeJournal.open(
            folder / "journal.sqlite", edge="edge-1", provenance=Provenance.SIMULATED, key=self.sender.key, clock=now_us,
            limits=JournalLimits(retention_bytes=retention_bytes),
        )
        self.uplink: Uplink | None = None

    def write(self, batches: int) -> None:
        """That many sealed batches of one reading."""
        for _ in range(batches):
            self.journal.append([block_of([reading("m-1/gauge", self.written * 1000, float(self.written))])])
            self.journal.seal(ClockState())
            self.written += 1

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[Uplink]:
        self.uplink = Uplink(self.url, self.sender.token, self.journal, seal=SealBlock(every_s=0.05), timeout_s=5, max_retry_s=0.1)
        stop = asyncio.Event()
        task = asyncio.create_task(self.uplink.run(stop))
        try:
            yield self.uplink
        finally:
            stop.set()
            await task
            await self.uplink.close()

    async def deliver(self) -> None:
        """Sends until the gateway has everything."""
        async with self.sending() as uplink:
            await until(lambda: uplink.is_stopped or (self.journal.watermark == self.written and uplink.state.state == "idle"), "delivered")
            assert not uplink.is_stopped, uplink.state.why


def checkpoints(process: Process, folder: Path) -> dict[str, str]:
    answer: dict[str, str] = httpx.get(f"{process.url}/v1/checkpoint", headers=bearer(admin_of(folder))).json()
    return answer


def chejian(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "chejian", *words], capture_output=True, text=True, timeout=60, check=False)


def gateway_back(process: Process, folder: Path, known: dict[str, str]) -> None:
    """The disk is lost; the backup is restored with the checkpoints that somebody outside had kept."""
    process.end(signal.SIGKILL)
    shutil.rmtree(folder / "data")
    options = []
    for log, note in known.items():
        (folder / f"{log}.note").write_text(note)
        options += ["--last-checkpoint", str(folder / f"{log}.note")]
    done = chejian("gateway", "restore", str(folder / "backup"), "--config", str(folder / "gateway.toml"), *options)
    assert done.returncode == 0, done.stderr
    process.start()


def opened(folder: Path) -> Archive:
    data = folder / "data"
    key, origin = SigningKey.load(data / "key.pem"), (data / "origin").read_text().strip()
    return Archive.open(data / "archive.sqlite", key=key, origin=origin, clock=now_us)


def seen(archive: Archive, note: str) -> Checkpoint:
    name = note.partition("\n")[0]
    return parse_checkpoint(open_note(note, name, archive.key.public))


def explained(archive: Archive, old: Checkpoint, log: Any, restores: list[Restore]) -> str:
    """What a verifier says of a checkpoint that it has pinned: on the history, lost by a declared restore, or refused."""
    size, kept = archive.data_size if log == "data" else archive.control_size, reach(log, old.generation, restores)
    if kept is not None and old.size > kept:
        return f"lost {old.size - kept}"
    good = old.size <= size and verify_consistency(old.size, size, old.root, archive.root(log), archive.consistency_proof(log, old.size, size))
    return "kept" if good else "refused"


def stored_seqs(archive: Archive) -> list[int]:
    return [decode_header(item.batch.header).seq for item in archive.batches(0, archive.data_size)]


async def run_with_a_restore(process: Process, folder: Path, retention_bytes: int) -> tuple[Edge, dict[str, str], dict[str, str]]:
    """Batches 1 to 10, a backup while the gateway runs, 11 to 25, the gateway falls back, 26 to 30."""
    edge = Edge(folder, process.url, retention_bytes)
    edge.write(10)
    await edge.deliver()
    early = checkpoints(process, folder)
    made = chejian("gateway", "backup", str(folder / "backup"), "--config", str(folder / "gateway.toml"))
    assert made.returncode == 0, made.stderr
    edge.write(15)
    await edge.deliver()
    late = checkpoints(process, folder)
    gateway_back(process, folder, late)
    edge.write(5)
    await edge.deliver()
    process.end(signal.SIGTERM)
    return edge, early, late


async def test_what_the_edge_keeps_is_sent_again_and_nothing_is_lost(process: Process, tmp_path: Path) -> None:
    edge, early, late = await run_with_a_restore(process, tmp_path, EVERYTHING)
    archive = opened(tmp_path)
    try:
        assert stored_seqs(archive) == list(range(1, 31)) and archive.control_entries(0, "gap") == []
        [entry] = archive.control_entries(0, "restore")
        body = msgspec.convert(entry.body, Restore)
        assert (body.generation, body.data_size, body.control_size, entry.author) == (2, 10, entry.index, "operator")
        assert body.known == (late["data"], late["control"]) and archive.generation == 2
        assert body.data_root == archive.root("data", 10).hex()
        assert explained(archive, seen(archive, early["data"]), "data", [body]) == "kept"
        assert explained(archive, seen(archive, late["data"]), "data", [body]) == "lost 15"
        now = seen(archive, archive.checkpoint("data"))
        assert (now.generation, now.size) == (2, 30)
        check_restores([(entry.index, body)])
        # A gateway that hid the restore would show generation 1 and no entry: the pinned checkpoint would not fit.
        assert explained(archive, seen(archive, late["data"]), "data", []) == "refused"
    finally:
        archive.close()
        edge.journal.close()


async def test_what_the_edge_no_longer_keeps_is_declared_exactly(process: Process, tmp_path: Path) -> None:
    edge, _, late = await run_with_a_restore(process, tmp_path, NOTHING)
    archive = opened(tmp_path)
    try:
        # Retention keeps no acknowledged batch: 11 to 25 are gone; 26 to 30 were never acknowledged.
        assert stored_seqs(archive) == [*range(1, 11), *range(26, 31)]
        [entry] = archive.control_entries(0, "gap")
        lost = msgspec.convert(entry.body, LostBatches)
        assert (lost.edge, lost.epoch, lost.from_seq, lost.to_seq, lost.reason) == ("edge-1", edge.journal.epoch, 11, 25, "restore")
        assert entry.author == "edge:edge-1"
        assert verify(edge.sender.key.public, "resume", canonical_json(lost.statement), decode_signature(lost.signature))
        assert (lost.statement.generation, lost.statement.origin, lost.statement.watermark) == (2, archive.origin, 10)
        headers = {header.seq: header for header in (decode_header(item.batch.header) for item in archive.batches(0, archive.data_size))}
        assert lost.sealed_after_us == headers[10].sealed_us and lost.sealed_before_us == headers[26].sealed_us
        assert headers[26].prev == lost.statement.prev
        restores = [msgspec.convert(item.body, Restore) for item in archive.control_entries(0, "restore")]
        assert explained(archive, seen(archive, late["data"]), "data", restores) == "lost 15"
        assert explained(archive, seen(archive, late["control"]), "control", restores) == "kept", "nothing had come into it since the backup"
    finally:
        archive.close()
        edge.journal.close()


async def test_an_edge_with_nothing_left_goes_on_after_the_gap(process: Process, tmp_path: Path) -> None:
    edge = Edge(tmp_path, process.url, NOTHING)
    edge.write(3)
    await edge.deliver()
    assert chejian("gateway", "backup", str(tmp_path / "backup"), "--config", str(tmp_path / "gateway.toml")).returncode == 0
    edge.write(4)
    await edge.deliver()
    gateway_back(process, tmp_path, {})
    async with edge.sending() as uplink:
        await until(lambda: uplink.state.state == "idle", "idle")
        # Nothing is waiting here; the gateway's watermark, as the edge hears it, says that batches are missing there.
        await uplink.look_back(edge.journal.epoch, 3)
        edges = f"{process.url}/v1/edges"
        await until(lambda: httpx.get(edges, headers=bearer(admin_of(tmp_path))).json()[0]["watermark"] == 7, "the loss is declared")
    edge.write(1)
    await edge.deliver()
    process.end(signal.SIGTERM)
    archive = opened(tmp_path)
    assert stored_seqs(archive) == [1, 2, 3, 8]
    assert [(entry.body["from_seq"], entry.body["to_seq"]) for entry in archive.control_entries(0, "gap")] == [(4, 7)]
    archive.close()
    edge.journal.close()


async def test_without_a_declared_restore_nothing_is_skipped(process: Process, tmp_path: Path) -> None:
    edge = Edge(tmp_path, process.url, NOTHING)
    edge.write(3)
    await edge.deliver()
    process.end(signal.SIGTERM)
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    process.start()
    edge.write(3)
    await edge.deliver()
    process.end(signal.SIGTERM)
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "copy").rename(tmp_path / "data")
    process.start()
    edge.write(1)
    async with edge.sending() as uplink:
        await until(lambda: uplink.is_stopped, "stopped")
        assert "without a restore nothing is skipped" in uplink.state.why
    process.end(signal.SIGTERM)
    archive = opened(tmp_path)
    assert stored_seqs(archive) == [1, 2, 3] and archive.control_entries(0, "gap") == []
    archive.close()
    edge.journal.close()


@pytest.fixture
def settings(process: Process, tmp_path: Path) -> GatewaySettings:
    process.end(signal.SIGTERM)
    return load_gateway(tmp_path / "gateway.toml")


def test_a_backup_holds_secrets_for_their_owner_alone_and_is_whole(settings: GatewaySettings, tmp_path: Path) -> None:
    out = tmp_path / "backup"
    manifest = backup(settings, out, now_us)
    assert sorted(manifest.files) == ["admin.token", "archive.sqlite", "key.pem", "origin", "pseudonyms.key"] and read_manifest(out) == manifest
    assert out.stat().st_mode & 0o077 == 0 and all((out / name).stat().st_mode & 0o077 == 0 for name in manifest.files)
    assert sorted(file.name for file in out.iterdir()) == sorted([*manifest.files, "manifest.json"])
    with pytest.raises(ConfigError, match="never overwritten"):
        backup(settings, out, now_us)
    with pytest.raises(ConfigError, match="is not empty"):
        restore(settings, out, now_us)
    (tmp_path / "data").rename(tmp_path / "old")
    (out / "origin").write_text("other\n")
    with pytest.raises(ConfigError, match="origin differ from the manifest"):
        restore(settings, out, now_us)
    assert not (tmp_path / "data").exists()


def test_a_restore_refuses_checkpoints_of_another_log(settings: GatewaySettings, tmp_path: Path) -> None:
    manifest = backup(settings, tmp_path / "backup", now_us)
    (tmp_path / "data").rename(tmp_path / "old")
    changed = manifest.checkpoints[0].replace(manifest.origin, "chejian.local/other-00000000", 1)
    for note, said in ((changed, "not of a log of"), (manifest.checkpoints[0].replace("\n0\n", "\n7\n", 1), "signature"), ("x", "not of a log")):
        with pytest.raises(ConfigError, match=said):
            restore(settings, tmp_path / "backup", now_us, known=[note])
    assert not (tmp_path / "data").exists()
    assert restore(settings, tmp_path / "backup", now_us, known=manifest.checkpoints).known == manifest.checkpoints
