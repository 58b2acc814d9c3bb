"""A small workshop's archive made without any network, and tools to spoil what is exported from it."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from evidence.bag import STATEMENT, TAG_FILES, tag_files
from evidence.statement import PAYLOAD_TYPE, key_id, pae
from store.archive import Archive, Committed, EdgeRecord
from store.signing import SigningKey
from workshop.batch import NO_DIGEST, Gap, Header, Provenance, SealedBatch, encode_header
from workshop.block import block_of
from workshop.canonical import canonical_json, sha256_hex
from workshop.part import encode_part, split_block
from workshop.reading import Quality, Reading, Value
from workshop.register import Workshop
from workshop.register_file import parse_register
from workshop.window import HOUR_US, SECOND_US, Window

REPOSITORY = Path(__file__).parents[2]
T0 = 1_767_578_400_000_000  # 2026-01-05 10:00 in Shanghai
WINDOW = Window(T0, T0 + 120 * SECOND_US)
ORIGIN = "chejian.local/test-0011aabb"
EDGES = {"edge-1": ("cnc-01", "lathe-01"), "edge-2": ("robot-01",)}
SEAL_S = 20


class Now:
    """A clock that is set by hand."""

    def __init__(self, time_us: int) -> None:
        self.time_us = time_us

    def __call__(self) -> int:
        return self.time_us


def small_register() -> Workshop:
    """Two machine tools, a robot and the manual press of the demo."""
    text = (REPOSITORY / "config/demo/workshop.toml").read_text(encoding="utf-8")
    register = parse_register(text, "workshop.toml")
    ids = ("cnc-01", "lathe-01", "robot-01", "press-01")
    return msgspec.structs.replace(register, equipment=tuple(item for item in register.equipment if item.id in ids))


def readings_of(equipment: str, start_us: int, seconds: int) -> list[Reading]:
    """One scan a second: states, counters (a part a second, one in forty is scrap), text, floats and now and then a bad value."""
    rows: list[Reading] = []
    for second in range(seconds):
        at = start_us + second * SECOND_US
        n = (at - T0) // SECOND_US + 100_000
        scrap = n // 40
        values: dict[str, Value] = {"link_state": 1, "item_state": 3, "operation_mode": 3, "power": 1000.5 + n % 7, "energy_import": n * 3}
        if equipment == "robot-01":
            values |= {"cycle_count": n, "program": "PICK"}
        else:
            values |= {"part_count": n, "good_count": n - scrap, "scrap_count": scrap, "spindle_load": 40 + (n % 100) / 10, "program": f"O{n % 3}"}
        rows += [Reading(f"{equipment}/{name}", at, at + 3_000, value) for name, value in values.items()]
        if second % 11 == 5:
            rows.append(Reading(f"{equipment}/alarm", at, at + 3_000, None, Quality.BAD, "BadNoCommunication"))
    return rows


class Edge:
    """An edge that seals by hand."""

    def __init__(self, name: str, provenance: Provenance = Provenance.SIMULATED) -> None:
        self.name, self.provenance, self.key = name, provenance, SigningKey.create()
        self.seq, self.prev, self.epoch = 0, NO_DIGEST, T0 - 3 * HOUR_US

    def seal(self, readings: list[Reading], sealed_us: int, gaps: tuple[Gap, ...] = ()) -> SealedBatch:
        """The next batch of these readings."""
        blocks = split_block(block_of(readings))
        parts = [encode_part(equipment, block) for equipment, block in blocks.items()]
        self.seq += 1
        header = Header(self.name, self.epoch, self.seq, self.prev, self.provenance, sealed_us, parts=tuple(entry for entry, _ in parts), gaps=gaps)
        data = encode_header(header)
        self.prev = sha256_hex(data)
        return SealedBatch(data, self.key.sign("batch", data), tuple(part for _, part in parts))


class Plant:
    """Archive and edges; `run` lets time pass and batches arrive."""

    def __init__(self, folder: Path, key: SigningKey | None = None) -> None:
        self.now = Now(T0 - 3 * HOUR_US)
        self.key = key or SigningKey.create()
        self.archive = Archive.open(folder / "archive.sqlite", key=self.key, origin=ORIGIN, clock=self.now)
        self.register = small_register()
        self.archive.revise_register(self.register, author="engineer", reason="first")
        self.edges = {name: Edge(name) for name in EDGES}
        for edge in self.edges.values():
            self.enrol(edge)

    def enrol(self, edge: Edge) -> None:
        """Makes the gateway know the edge."""
        self.archive.enrol(EdgeRecord(edge.name, edge.key.public, edge.provenance, "0" * 64, self.now()), author="admin")

    def commit(self, *batches: SealedBatch) -> None:
        """Hands batches to the gateway, which must take them."""
        for answer in self.archive.commit(batches):
            assert isinstance(answer, Committed), answer

    def run(self, start_us: int, seconds: int, gaps: tuple[Gap, ...] = ()) -> None:
        """Both edges deliver what their machines said from `start_us` on, a batch every 20 s; the gaps stand in the first batch of edge-2."""
        for offset in range(0, seconds, SEAL_S):
            begin = start_us + offset * SECOND_US
            self.now.time_us = begin + SEAL_S * SECOND_US
            for name, machines in EDGES.items():
                rows = [row for machine in machines for row in readings_of(machine, begin, SEAL_S)]
                self.commit(self.edges[name].seal(rows, self.now(), gaps if name == "edge-2" and offset == 0 else ()))

    def run_story(self) -> None:
        """Two hours before the window a little, then from a minute before it to a minute after it; checkpoints on the way."""
        self.run(T0 - 2 * HOUR_US, 40)
        self.archive.seal_checkpoint()
        self.run(T0 - 60 * SECOND_US, 60)
        self.archive.seal_checkpoint()
        lost = Gap(("robot-01/alarm",), T0 + 10 * SECOND_US, T0 + 12 * SECOND_US, "link down")
        self.run(T0, 120, (lost,))
        self.archive.seal_checkpoint()
        self.run(T0 + 120 * SECOND_US, 60)


class Spoiled:
    """The files of a bundle in memory, to be changed and written again with manifests that fit."""

    def __init__(self, bundle: Path, key: SigningKey) -> None:
        self.files = {path.relative_to(bundle).as_posix(): path.read_bytes() for path in sorted(bundle.rglob("*")) if path.is_file()}
        self.key = key

    def sign(self, change: Callable[[dict[str, Any]], None] = lambda predicate: None, key: SigningKey | None = None) -> None:
        """Makes the statement anew over the present files, with a changed predicate, and signs it: what a dishonest gateway can do."""
        key = key or self.key
        envelope = json.loads(self.files[STATEMENT])
        statement = msgspec.json.decode(_unbase64(envelope["payload"]))
        change(statement["predicate"])
        names = sorted(name for name in self.files if name not in TAG_FILES and name != STATEMENT)
        statement["subject"] = [{"name": name, "digest": {"sha256": hashlib.sha256(self.files[name]).hexdigest()}} for name in names]
        payload = canonical_json(statement)
        signature = {"keyid": key_id(key.public), "sig": _base64(key.sign_raw(pae(PAYLOAD_TYPE, payload)))}
        self.files[STATEMENT] = canonical_json({"payload": _base64(payload), "payloadType": PAYLOAD_TYPE, "signatures": [signature]})

    def predicate(self) -> dict[str, Any]:
        """The statement's predicate."""
        payload = _unbase64(json.loads(self.files[STATEMENT])["payload"])
        predicate: dict[str, Any] = msgspec.json.decode(payload)["predicate"]
        return predicate

    def write(self, folder: Path, *, fit: bool = True) -> Path:
        """Writes the files; with `fit` the tag files are made to fit them."""
        if fit:
            payload = {name: (hashlib.sha256(data).hexdigest(), len(data)) for name, data in self.files.items() if name not in TAG_FILES}
            self.files |= tag_files(payload)
        for name, data in self.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return folder


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unbase64(text: str) -> bytes:
    data: bytes = base64.b64decode(text)
    return data
