"""How fast the gateway's logs grow and answer: batches committed per second on one core while proofs are served, then proofs with a million entries.

    python -m benchmarks.log [--batches N] [--entries N]
"""

import argparse
import os
import queue
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from gateway.serve import run
from gateway.settings import GatewaySettings, load_gateway
from store.archive import Archive, Committed, EdgeRecord
from store.engine import load_engine
from store.log import leaf_hash, verify_inclusion
from store.signing import SigningKey
from workshop.batch import NO_DIGEST, ClockState, Header, Provenance, SealedBatch, decode_header, encode_header
from workshop.block import block_of
from workshop.part import encode_part
from workshop.reading import Reading

T0 = 1_790_000_000_000_000
GROUP = 16
PER_REQUEST = 500
CONFIG = Path(__file__).parents[1] / "config/demo"


def chain(length: int, machines: int) -> tuple[SigningKey, list[SealedBatch]]:
    """Batches of one edge, each with 50 readings of every machine."""
    key, batches, prev = SigningKey.create(), [], NO_DIGEST
    made = []
    for number in range(machines):
        name = f"cnc-{number:02d}"
        made.append(encode_part(name, block_of([Reading(f"{name}/load", T0 + i * 1000, T0, i / 7) for i in range(50)])))
    for seq in range(1, length + 1):
        data = encode_header(Header("edge-1", T0, seq, prev, Provenance.SIMULATED, T0, ClockState(), tuple(entry for entry, _ in made)))
        batches.append(SealedBatch(data, key.sign("batch", data), tuple(part for _, part in made)))
        prev = batches[-1].digest
    return key, batches


def append(folder: Path, length: int, machines: int) -> None:
    """Commits as the ingest does, in groups with their headers decoded once, while another thread asks for proofs."""
    key, batches = chain(length, machines)
    archive = Archive.open(folder / f"append-{machines}.sqlite", key=SigningKey.create(), origin="bench", clock=lambda: T0)
    archive.enrol(EdgeRecord("edge-1", key.public, Provenance.SIMULATED, "x", T0), author="bench")
    stop, proofs = threading.Event(), [0]

    def ask() -> None:
        while not stop.wait(0.005):
            if size := archive.data_size:
                archive.inclusion_proof("data", size // 2, size)
                archive.consistency_proof("data", size // 3, size)
                proofs[0] += 2

    asker = threading.Thread(target=ask)
    asker.start()
    started_s, cpu_s = time.perf_counter(), time.process_time()
    for first in range(0, length, GROUP):
        group = batches[first:first + GROUP]
        answers = archive.commit(group, [decode_header(batch.header) for batch in group])
        assert isinstance(answers[-1], Committed), answers[-1]
    took_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
    stop.set()
    asker.join()
    archive.close()
    rates = f"{length / took_s:8.0f} batches/s  ({length / cpu_s:.0f} per CPU second; {proofs[0]} proofs meanwhile)"
    print(f"append, {machines:2d} parts a batch  {rates}")


def fill(settings: GatewaySettings, entries: int) -> None:
    """A data folder whose data log has so many leaves, without the data."""
    folder = Path(settings.data)
    folder.mkdir(parents=True)
    key = SigningKey.create()
    key.save(folder / "key.pem")
    (folder / "origin").write_text("bench\n")
    archive = Archive.open(folder / "archive.sqlite", key=key, origin="bench", clock=lambda: T0)
    row = "INSERT INTO batches VALUES (?, 'edge-1', 0, ?, 0, NULL, NULL, 0, 0, ?, x'', x'')"
    for first in range(0, entries, 50_000):
        with archive._adding() as added:
            added.data += [leaf_hash(number.to_bytes(8, "big")) for number in range(first, min(entries, first + 50_000))]
            archive._db.execute_many(row, ((first + n, first + n, leaf) for n, leaf in enumerate(added.data)))
    archive.close()
    engine = load_engine("duckdb", {"path": str(folder / "engine.duckdb")})
    engine.write(block_of([]), entries)
    engine.close()


def measure(what: str, count: int, work: Callable[[int], None]) -> None:
    """Prints median and 99th percentile of a call."""
    times = []
    for number in range(count):
        started_s = time.perf_counter()
        work(number)
        times.append((time.perf_counter() - started_s) * 1000)
    print(f"{what:44s}  median {statistics.median(times):6.2f} ms   p99 {statistics.quantiles(times, n=100)[98]:6.2f} ms")


def proofs(folder: Path, entries: int) -> None:
    """Opens a log of so many entries and asks for proofs, in the process and over HTTP."""
    text = f'register = "{CONFIG / "workshop.toml"}"\ndata = "{folder / "data"}"\nport = 0\n[engine]\nname = "duckdb"\n'
    (folder / "gateway.toml").write_text(text)
    settings = load_gateway(folder / "gateway.toml")
    fill(settings, entries)
    started_s = time.perf_counter()
    archive = Archive.open(settings.file("archive.sqlite"), key=SigningKey.load(settings.file("key.pem")), origin="bench", clock=lambda: T0)
    print(f"open an archive of {entries} entries: {(time.perf_counter() - started_s) * 1000:.1f} ms")
    root = archive.root("data")

    def prove(number: int) -> None:
        index = number * 7_919_993 % entries
        path = archive.inclusion_proof("data", index, entries)
        assert verify_inclusion(index, entries, leaf_hash(index.to_bytes(8, "big")), path, root)

    measure("inclusion proof and its verification", 2_000, prove)
    measure("consistency proof", 2_000, lambda number: [archive.consistency_proof("data", number * 7_919_993 % entries, entries)].clear())
    archive.close()
    stop, port = threading.Event(), queue.Queue[int]()
    serving = threading.Thread(target=run, args=(settings, lambda: time.time_ns() // 1000), kwargs={"stop": stop, "ready": port.put})
    serving.start()
    url = f"http://127.0.0.1:{port.get(timeout=60)}"
    token = settings.file("admin.token").read_text().strip()
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
        def ask(number: int) -> None:
            answer = client.get("/v1/proof/inclusion", params={"log": "data", "index": number * 7_919_993 % entries, "size": entries})
            assert answer.status_code == 200, answer.text

        measure("GET /v1/proof/inclusion", PER_REQUEST, ask)
        measure("GET /v1/tile/data/0/…", PER_REQUEST, lambda number: client.get(f"/v1/tile/data/0/{number:03d}").raise_for_status().close())
    stop.set()
    serving.join()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=int, default=5_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as name:
        cores = os.sched_getaffinity(0)  # Linux; elsewhere both cores would be used
        os.sched_setaffinity(0, {max(cores)})
        for machines in (1, 13):
            append(Path(name), options.batches, machines)
        os.sched_setaffinity(0, cores)
        proofs(Path(name), options.entries)


if __name__ == "__main__":
    main()
