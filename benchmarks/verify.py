"""Export and verification of a bundle: seconds, readings a second and memory, by the size of the parts.

    python -m benchmarks.verify --readings 10000000 --rows 150 --rows 2000 --processes 2

A synthetic archive of the demo's register: every signal of every machine once a second, sealed by one edge into batches of one part a machine with so
many rows. Every indicator is recomputed. Memory is that of the verifying process, its children included, at its peak.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from evidence.bundle import export
from evidence.claim import parse_claims
from evidence.packs import load_packs
from evidence.trust import encode_trust, trust_of
from store.archive import Archive, EdgeRecord
from store.signing import SigningKey
from workshop.batch import NO_DIGEST, Header, Provenance, SealedBatch, encode_header
from workshop.block import Block
from workshop.canonical import sha256_hex
from workshop.part import encode_part
from workshop.reading import ValueKind
from workshop.register import Equipment, Workshop
from workshop.register_file import parse_register
from workshop.signal import Origin, SignalKind, signal_id
from workshop.window import HOUR_US, SECOND_US, Window

REPOSITORY = Path(__file__).parents[1]
START_US = 1_767_578_400_000_000
SEED = 11


class Machine:
    """A piece of equipment that says everything once a second."""

    def __init__(self, equipment: Equipment, lots: np.random.Generator) -> None:
        self.equipment, self.lots = equipment, lots
        self.signals = [item for item in equipment.signals if item.origin is not Origin.DERIVED]
        self.names = [signal_id(equipment.id, item.name) for item in self.signals]

    def block(self, first: int, seconds: int) -> Block:
        """What it says in so many seconds from second `first` on."""
        n, k = seconds, len(self.signals)
        at = START_US + (np.arange(first, first + n) * SECOND_US) + self.lots.integers(0, 900, n)
        received = at + self.lots.integers(2_000, 9_000, n)
        f64, i64 = np.zeros((n, k)), np.zeros((n, k), np.int64)
        kind = np.full((n, k), ValueKind.I64, np.uint8)
        number = np.arange(first, first + n)
        text = [""] * (n * k) if any(item.kind is SignalKind.TEXT for item in self.signals) else []
        for column, item in enumerate(self.signals):
            match item.kind:
                case SignalKind.GAUGE:
                    kind[:, column] = ValueKind.F64
                    f64[:, column] = np.round(60 + self.lots.normal(0, 4, n), 2)
                case SignalKind.COUNTER:
                    i64[:, column] = {"good_count": number // 3 - number // 150, "scrap_count": number // 150}.get(item.role, number // 3)
                case SignalKind.TEXT:
                    kind[:, column] = ValueKind.TEXT
                    for row in range(n):
                        text[row * k + column] = "O1001"
                case _:
                    i64[:, column] = {"item_state": 3, "operation_mode": 3, "link_state": 1}.get(item.role, 0)
        rows = n * k
        return Block(
            self.names, [""], np.tile(np.arange(k, dtype=np.int32), n), np.repeat(at, k), np.repeat(received, k), kind.reshape(-1), f64.reshape(-1),
            i64.reshape(-1), text, np.zeros(rows, np.uint8), np.zeros(rows, np.int32),
        )


class Now:
    """A clock that is set by hand."""

    time_us = START_US - 2 * HOUR_US

    def __call__(self) -> int:
        """µs UTC"""
        return self.time_us


def fill(archive: Archive, now: Now, register: Workshop, readings: int, rows: int) -> tuple[int, int, int, int]:
    """Commits so many readings in parts of about so many rows; returns readings, parts, bytes of parts, and the seconds that they span."""
    lots = np.random.default_rng(SEED)
    machines = [Machine(item, lots) for item in register.equipment if item.signals]
    signals = sum(len(item.signals) for item in machines)
    step = max(1, round(rows * len(machines) / signals))
    key = SigningKey.create()
    archive.revise_register(register, author="benchmark", reason="first")
    archive.enrol(EdgeRecord("edge-1", key.public, Provenance.SIMULATED, "0" * 64, now()), author="benchmark")
    prev, seq, done, parts, size, second = NO_DIGEST, 0, 0, 0, 0, 0
    waiting: list[SealedBatch] = []
    while done < readings:
        encoded = sorted((encode_part(item.equipment.id, item.block(second, step)) for item in machines), key=lambda pair: pair[0].equipment)
        second, seq = second + step, seq + 1
        now.time_us = START_US + second * SECOND_US
        header = Header("edge-1", START_US, seq, prev, Provenance.SIMULATED, now(), parts=tuple(entry for entry, _ in encoded))
        data = encode_header(header)
        prev, done, parts = sha256_hex(data), done + header.rows, parts + len(encoded)
        size += sum(len(part) for _, part in encoded)
        waiting.append(SealedBatch(data, key.sign("batch", data), tuple(part for _, part in encoded)))
        if len(waiting) == 64:
            archive.commit(waiting)
            waiting = []
    archive.commit(waiting)
    return done, parts, size, second


def verify_there(bundle: Path, trust: Path, processes: int) -> tuple[float, float]:
    """Seconds and peak memory in MB of a process that verifies and does nothing else; its children's memory is added."""
    code = (
        "import resource, sys, time\n"
        "from pathlib import Path\n"
        "from evidence.trust import parse_trust\n"
        "from evidence.verify import verify\n"
        "if __name__ == '__main__':\n"
        "    start = time.perf_counter()\n"
        "    found = verify(Path(sys.argv[1]), parse_trust(Path(sys.argv[2]).read_bytes(), sys.argv[2]), processes=int(sys.argv[3]))\n"
        "    assert found.ok\n"
        "    took = time.perf_counter() - start\n"
        "    print(took, sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024)\n"
    )
    script = bundle.parent / "verify_there.py"
    script.write_text(code, encoding="utf-8")
    command = [sys.executable, str(script), str(bundle), str(trust), str(processes)]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY, env={"PYTHONPATH": str(REPOSITORY)}).stdout
    took, memory = out.split()
    return float(took), float(memory)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--readings", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, action="append", help="rows a part; may stand several times (default 150 and 2000)")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    register = parse_register((REPOSITORY / "config/demo/workshop.toml").read_text(encoding="utf-8"), "workshop.toml")
    claims = parse_claims((REPOSITORY / "config/demo/claims.toml").read_bytes(), "claims.toml")
    heads = (("rows/part", 9), ("readings", 10), ("parts", 7), ("MB", 6), ("export s", 9), ("verify s", 9), ("readings/s", 11), ("MB peak", 8))
    print(" ".join(f"{head:>{width}}" for head, width in (*heads, ("1 process s", 12))))
    for rows in asked.rows or [150, 2_000]:
        with tempfile.TemporaryDirectory() as name:
            folder, now = Path(name), Now()
            archive = Archive.open(folder / "archive.sqlite", key=SigningKey.create(), origin="chejian.local/benchmark", clock=now)
            readings, parts, size, seconds = fill(archive, now, register, asked.readings, rows)
            start = time.perf_counter()
            window = Window(START_US, START_US + seconds * SECOND_US)
            export(archive, window=window, claims=claims, packs=load_packs(), out=folder / "bundle.zip", processes=asked.processes)
            exported = time.perf_counter() - start
            (folder / "trust.json").write_bytes(encode_trust(trust_of(archive)))
            archive.close()
            took, memory = verify_there(folder / "bundle.zip", folder / "trust.json", asked.processes)
            alone, _ = verify_there(folder / "bundle.zip", folder / "trust.json", 1)
            print(
                f"{rows:>9} {readings:>10} {parts:>7} {size / 2**20:>6.1f} {exported:>9.1f} {took:>9.1f} {readings / took:>11.0f} {memory:>8.0f} "
                f"{alone:>12.1f}", flush=True,
            )
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at its peak", file=sys.stderr)


if __name__ == "__main__":
    main()
