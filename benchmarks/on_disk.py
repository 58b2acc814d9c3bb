"""Bytes a reading on disk, for the demo's machines as they run: the gateway's journal and DuckDB.

    python -m benchmarks.on_disk [--seconds S]

Simulators, mosquitto, edge and gateway run apart, the edge sealing every 10 s (the default; the demo itself seals every 2 s). What came is then cut
anew into parts of 2,000 rows and committed into a second journal. DuckDB gets it again and again, each time later, up to forty million rows: three
days of these machines. It settles two million at a time, and its file is looked at just then, when the room of so many is free and not yet used
again: the worst moment. Sizes are those of closed files, less those of empty ones (with the register).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import msgspec
import numpy as np

from benchmarks.latency import broker
from chejian.demo.plan import CONFIG, Plan, make_plan
from store.archive import Archive
from store.archive_records import EdgeRecord
from store.engine import load_engine
from store.engines.duckdb import DuckdbSettings
from store.signing import SigningKey
from workshop.batch import NO_DIGEST, Header, Provenance, SealedBatch, decode_header, encode_header
from workshop.block import Block, concat
from workshop.part import decode_part, encode_part
from workshop.register_file import parse_register

ROWS, AT = 2_000, (20_000_000, 40_000_000)


def run(plan: Plan, seconds: float) -> None:
    """The line for so long."""
    edge = msgspec.toml.decode(plan.file("edge-1.toml").read_bytes())
    edge.pop("seal", None)
    plan.file("edge-1.toml").write_bytes(msgspec.toml.encode(edge))
    command, logs = [sys.executable, "-m", "chejian"], plan.folder / "log"

    def start(*words: str) -> subprocess.Popen[bytes]:
        with logs.open("ab") as log:
            return subprocess.Popen([*command, *words], stdout=log, stderr=log)

    started = [broker(plan.folder, plan.ports.broker), start("gateway", "run", str(plan.file("gateway.toml")))]
    _wait(f"{plan.gateway_url}/readyz")
    admin = {"Authorization": "Bearer " + (plan.folder / "gateway" / "admin.token").read_text().strip()}
    invited = httpx.post(f"{plan.gateway_url}/v1/edges", json={"edge": "edge-1", "provenance": "simulated"}, headers=admin).json()
    subprocess.run([*command, "edge", "enrol", str(plan.file("edge-1.toml")), "--token", invited["token"]], check=True, capture_output=True)
    started += [start("simulate", "run", str(plan.file("simulators.toml"))), start("edge", "run", str(plan.file("edge-1.toml")))]
    time.sleep(seconds)
    for process in reversed(started):
        process.terminate()
        process.wait(60)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, url
        time.sleep(0.1)


def open_archive(file: Path, key: SigningKey, origin: str) -> Archive:
    """The journal in a file; its clock stands still."""
    return Archive.open(file, key=key, origin=origin, clock=lambda: 1)


def closed_size(file: Path, key: SigningKey, origin: str) -> int:
    """Size after a close, which brings everything into the one file."""
    open_archive(file, key, origin).close()
    return file.stat().st_size


def blocks_of(archive: Archive) -> dict[str, list[Block]]:
    """Everything by equipment, in the log's order."""
    found: dict[str, list[Block]] = {}
    for stored in archive.batches(0, archive.data_size):
        for entry, part in zip(decode_header(stored.batch.header).parts, stored.batch.parts, strict=True):
            if part is not None:
                found.setdefault(entry.equipment, []).append(decode_part(entry.equipment, part))
    return found


def recut(blocks: dict[str, list[Block]], file: Path) -> tuple[int, int]:
    """(readings, bytes) of a journal in which every part but each machine's last has 2,000 rows; machines that make fewer are left out."""
    key, edge = SigningKey.create(), SigningKey.create()
    archive = open_archive(file, key, "chejian.local/bench")
    empty = file.stat().st_size
    archive.enrol(EdgeRecord("edge-1", edge.public, Provenance.SIMULATED, "0" * 64, 1), author="bench")
    previous, rows = NO_DIGEST, 0
    whole = {equipment: concat(pieces) for equipment, pieces in blocks.items()}
    for seq, first in enumerate(range(0, max(map(len, whole.values())), ROWS), 1):
        parts = [encode_part(name, _rows(block, first)) for name, block in whole.items() if len(block) >= first + ROWS]
        if not parts:
            break
        data = encode_header(Header("edge-1", 1, seq, previous, Provenance.SIMULATED, 1, parts=tuple(entry for entry, _ in parts)))
        batch = SealedBatch(data, edge.sign("batch", data), tuple(part for _, part in parts))
        previous, rows = batch.digest, rows + ROWS * len(parts)
        archive.commit([batch])
    archive.close()
    return rows, closed_size(file, key, "chejian.local/bench") - empty


def _rows(block: Block, first: int) -> Block:
    return block.take(np.arange(first, first + ROWS))


def in_duckdb(block: Block, file: Path, rows: int) -> tuple[int, int]:
    """(readings, bytes) of a DuckDB with this many rows and some more, up to the moment at which all have just settled."""
    engine = load_engine("duckdb", {"path": str(file)})
    empty, length_us = file.stat().st_size, int(np.ptp(block.source_time_us)) + 1
    at_once = -(-DuckdbSettings(str(file)).settle_rows // len(block))
    for cursor in range(1, -(-rows // (at_once * len(block))) * at_once + 1):
        later_us = cursor * length_us
        moved = msgspec.structs.replace(
            block, source_time_us=block.source_time_us + later_us, received_time_us=block.received_time_us + later_us)
        engine.write(moved, cursor)
        engine.maintain(1)
    count = engine.count()
    engine.close()
    return count, file.stat().st_size - empty


def word(value: float, bar: float) -> str:
    """Whether a value that should be small is."""
    return "met" if value <= bar else "MISSED"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=300.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = make_plan(folder, CONFIG, None, None)
        run(plan, given.seconds)
        data = folder / "gateway"
        key, origin = SigningKey.load(data / "key.pem"), (data / "origin").read_text().strip()
        size = closed_size(data / "archive.sqlite", key, origin)
        archive = open_archive(data / "archive.sqlite", key, origin)
        blocks = blocks_of(archive)
        rows, parts = sum(len(block) for pieces in blocks.values() for block in pieces), sum(map(len, blocks.values()))
        print(f"{rows:,} readings of {len(blocks)} machines in {given.seconds:.0f} s: {parts} parts, {rows / parts:.0f} rows a part")
        archive.close()
        other = SigningKey.create()
        empty = open_archive(folder / "empty.sqlite", other, "chejian.local/empty")
        empty.revise_register(parse_register(plan.file("workshop.toml").read_bytes(), "workshop.toml"), author="bench", reason="first start")
        empty.close()
        size -= closed_size(folder / "empty.sqlite", other, "chejian.local/empty")
        print(f"journal, sealed every 10 s: {size / rows:.2f} bytes a reading; bar 6: {word(size / rows, 6)}")
        cut, cut_size = recut(blocks, folder / "recut.sqlite")
        if cut:
            print(f"journal, parts of {ROWS} rows: {cut_size / cut:.2f} bytes a reading of {cut:,}; bar 4: {word(cut_size / cut, 4)}")
        block = concat([block for pieces in blocks.values() for block in pieces])
        for number in AT:
            count, bytes_ = in_duckdb(block, folder / f"bench-{number}.duckdb", number)
            print(f"DuckDB: {bytes_ / count:.2f} bytes a reading of {count:,}; bar 8: {word(bytes_ / count, 8)}")


if __name__ == "__main__":
    main()
