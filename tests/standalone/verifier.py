"""A second verifier, one long file so that it can be carried anywhere: standard library, `cryptography`, `zstandard`, nothing of the project.

    python tests/standalone/verifier.py BUNDLE TRUST

It checks container, statement, checkpoints, both logs, every batch's signature, chain and parts, decodes the parts and recomputes the defect rate.
It leaves out registers, packs, claims and verdicts, generations and rotated keys: a bundle with those it refuses rather than believes.
"""

import base64
import hashlib
import json
import struct
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LOOKBACK_US = 3_600_000_000
COLUMNS = ("count", "time", "delay", "kind", "quality", "status", "i64", "scale", "scaled", "float", "text")
Reading = tuple[int, int, object, int]
"""Source time, received time, value, quality."""


class Found(NamedTuple):
    """What the batches hold."""

    readings: dict[str, list[Reading]]
    """By signal id."""
    lost: list[tuple[str, int, int]]
    """(signal id or equipment, from, to) of gaps, and of parts that are absent or cannot be decoded."""


class Refused(Exception):
    """The bundle does not hold."""


def need(condition: object, what: str) -> None:
    """Refuses unless the condition holds."""
    if not condition:
        raise Refused(what)


def canonical(value: object) -> bytes:
    """RFC 8785 for values without floats, whose keys are ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parse(data: bytes, what: str) -> Any:
    """JSON in its one spelling."""
    value = json.loads(data)
    need(canonical(value) == data, f"{what}: not canonical")
    return value


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def signed(key: str, data: bytes, signature: bytes, what: str) -> None:
    """Refuses unless this key (base64) has signed the data."""
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)).verify(signature, data)
    except (InvalidSignature, ValueError) as error:
        raise Refused(f"{what}: not signed by {key}") from error


# (1) container

def read_files(path: Path) -> dict[str, bytes]:
    """All files of a bundle by name, from a folder or a zip."""
    if path.is_dir():
        return {item.relative_to(path).as_posix(): item.read_bytes() for item in path.rglob("*") if item.is_file()}
    with zipfile.ZipFile(path) as file:
        return {name.removeprefix("bundle/"): file.read(name) for name in file.namelist()}


def check_bag(files: dict[str, bytes]) -> dict[str, str]:
    """BagIt: every file is listed with its digest; returns those of the payload."""
    payload = {name: digest(data) for name, data in files.items() if name.startswith("data/")}
    manifest = "".join(f"{payload[name]}  {name}\n" for name in sorted(payload)).encode()
    need(files.get("manifest-sha256.txt") == manifest, "manifest does not fit the files")
    tags = ("bag-info.txt", "bagit.txt", "manifest-sha256.txt")
    need(set(files) == {*payload, *tags, "tagmanifest-sha256.txt"}, "files that no bundle has, or missing ones")
    need(files["tagmanifest-sha256.txt"] == "".join(f"{digest(files[name])}  {name}\n" for name in tags).encode(), "tag manifest does not fit")
    return payload


# (2) statement, (3) checkpoints

def open_statement(envelope: bytes, payload: dict[str, str], trust: dict[str, Any]) -> dict[str, Any]:
    """The predicate of the signed statement."""
    opened = parse(envelope, "envelope")
    body = base64.b64decode(opened["payload"], validate=True)
    kind = opened["payloadType"].encode()
    pae = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)
    statement = parse(body, "statement")
    predicate: dict[str, Any] = statement["predicate"]
    need(predicate["gateway_key"] in [item["key"] for item in trust["gateway"]] and predicate["origin"] == trust["origin"], "another gateway")
    need(len(opened["signatures"]) == 1, "not one signature")
    signed(predicate["gateway_key"], pae, base64.b64decode(opened["signatures"][0]["sig"], validate=True), "statement")
    need(statement["_type"] == "https://in-toto.io/Statement/v1", "not an in-toto statement")
    need(statement["predicateType"] == "https://chejian.dev/evidence/v1" and predicate["v"] == 1, "another predicate")
    stated = {item["name"]: item["digest"]["sha256"] for item in statement["subject"]}
    need(stated == {name: value for name, value in payload.items() if name != "data/statement.dsse.json"}, "files differ from the statement")
    return predicate


def open_note(note: str, name: str, key: str) -> tuple[int, bytes]:
    """Size and root of a checkpoint in a C2SP signed note."""
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    raw_key = base64.b64decode(key)
    key_id = hashlib.sha256(name.encode() + b"\n\x01" + raw_key).digest()[:4]
    for line in lines.splitlines():
        dash, signer, data = line.split(" ")
        raw = base64.b64decode(data, validate=True)
        if (dash, signer, raw[:4]) == ("—", name, key_id):
            signed(key, text.encode(), raw[4:], f"checkpoint of {name}")
            origin, size, root, end = text.split("\n")
            need((origin, end) == (name, ""), f"checkpoint of {name}: another origin, or extension lines")
            return int(size), base64.b64decode(root, validate=True)
    raise Refused(f"checkpoint of {name}: not signed by {key}")


# (4) and (5) logs

def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962, 2.1"""
    return hashlib.sha256(b"\x00" + leaf).digest()


class Tree:
    """RFC 6962, 2.1, from leaves and complete subtrees in order: (leaves, hash) from the largest to the smallest."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[tuple[int, bytes]] = []

    def add(self, hashed: bytes, leaves: int = 1) -> None:
        """The next leaf or complete subtree."""
        need(self.size % leaves == 0, "a subtree that does not begin at a multiple of its size")
        self.size += leaves
        while self.peaks and self.peaks[-1][0] == leaves:
            hashed, leaves = hashlib.sha256(b"\x01" + self.peaks.pop()[1] + hashed).digest(), leaves * 2
        self.peaks.append((leaves, hashed))

    def skip(self, end: int, hashes: list[str]) -> None:
        """A hole, by the hashes of the complete subtrees that cover it."""
        for text in hashes:
            leaves = 1
            while self.size % (leaves * 2) == 0 and self.size + leaves * 2 <= end:
                leaves *= 2
            self.add(bytes.fromhex(text), leaves)
        need(self.size == end, f"the hashes of a hole lead to {self.size}, not to {end}")

    def root(self) -> bytes:
        """Of everything so far."""
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        root = self.peaks[-1][1]
        for _, left in self.peaks[-2::-1]:
            root = hashlib.sha256(b"\x01" + left + root).digest()
        return root


def segment(data: bytes, first: int) -> Iterator[tuple[bytes, list[bytes | None]]]:
    """Leaves with their parts."""
    need(data[:12] == b"CJS1" + struct.pack(">Q", first), f"segment does not begin at {first}")
    at = 12
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        leaf, at = data[at + 4 : at + 4 + length], at + 4 + length
        number, at = int.from_bytes(data[at : at + 2], "big"), at + 2
        parts: list[bytes | None] = []
        for _ in range(number):
            size = int.from_bytes(data[at : at + 4], "big")
            parts.append(data[at + 4 : at + 4 + size] if size else None)
            at += 4 + size
        yield leaf, parts
    need(at == len(data), "segment is cut short")


def split(leaf: bytes) -> tuple[int, bytes, bytes]:
    """Time, entry and signature."""
    time_us, length = struct.unpack(">QI", leaf[:12])
    need(len(leaf) == 12 + length + 64, "leaf of another length")
    return time_us, leaf[12:-64], leaf[-64:]


DECLARATION = {"name", "value", "unit", "from_us", "to_us", "attachment", "note"}
ORDER = {"id", "product", "quantity", "work_unit", "due_us", "planned_start_us", "planned_end_us", "ideal_cycle_us", "cancelled", "released_us"}


def check_declared(kind: str, body: dict[str, Any]) -> int:
    """How many figures or orders an entry of these kinds puts on record: each with exactly its members."""
    if kind == "declaration":
        need(set(body) == DECLARATION, "'declaration': members")
        return 1
    orders = body.get("orders")
    need(set(body) == {"orders"} and isinstance(orders, list) and 1 <= len(orders) <= 500, "'orders': 1 to 500 of them")
    need(all(isinstance(order, dict) and set(order) == ORDER for order in orders), "'orders': members")
    return len(orders)


def check_control(data: bytes, predicate: dict[str, Any]) -> dict[str, Any]:
    """The control log from its first entry: edges by name, registers, and its tree's root."""
    tree, found, last = Tree(), {"edges": {}, "registers": [], "sealed": {}, "declaration": 0, "orders": 0}, 0
    for index, (leaf, parts) in enumerate(segment(data, 0)):
        time_us, raw, signature = split(leaf)
        entry = parse(raw, f"control entry {index}")
        need(not parts and set(entry) == {"v", "kind", "time_us", "author", "body"} and entry["v"] == 1, f"control entry {index}: shape")
        need(entry["time_us"] == time_us >= last and (index == 0) == (entry["kind"] == "origin"), f"control entry {index}: time or order")
        signed(predicate["gateway_key"], b"chejian/control/1\n" + raw, signature, f"control entry {index}")
        body, last = entry["body"], time_us
        beyond = {"rotation", "revocation", "restore", "gap", "epoch", "key-revocation"}
        need(entry["kind"] not in beyond, f"'{entry['kind']}' is beyond this verifier")
        if entry["kind"] == "enrolment":
            found["edges"][body["edge"]] = body
        elif entry["kind"] == "register":
            need(digest(canonical(body["register"])) == body["digest"], "register under a wrong digest")
            found["registers"].append((time_us, body["register"]))
        elif entry["kind"] == "checkpoint":
            found["sealed"][body["size"]] = body["root"]
        elif entry["kind"] in ("declaration", "orders"):
            found[entry["kind"]] += check_declared(entry["kind"], body)
        tree.add(leaf_hash(leaf))
    found["root"], found["size"] = tree.root(), tree.size
    return found


# (6) batches and parts

def numbers(data: bytes) -> list[int]:
    """LEB128, shortest form."""
    found, value, shift = [], 0, 0
    for octet in data:
        value |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            need(value < 2**64 and (octet or shift == 7), "number in another spelling")
            found.append(value)
            value = shift = 0
    need(shift == 0, "number cut short")
    return found


def deltas(data: bytes, count: int) -> list[int]:
    """Differences, zigzag, modulo 2^64."""
    values, total = [], 0
    for number in numbers(data):
        total = (total + (number >> 1 ^ -(number & 1)) + 2**63) % 2**64 - 2**63
        values.append(total)
    need(len(values) == count, f"{len(values)} values, expected {count}")
    return values


def runs(data: bytes, count: int) -> list[int]:
    """Pairs of value and length."""
    pairs = numbers(data)
    values = [value for value, length in zip(pairs[::2], pairs[1::2], strict=True) for _ in range(length)]
    need(len(values) == count and all(pairs[i] != pairs[i + 2] for i in range(0, len(pairs) - 2, 2)), "runs do not fit")
    return values


def decode(data: bytes) -> dict[str, list[Reading]]:
    """The readings of a part by signal name."""
    size = int.from_bytes(data[4:8], "little")
    need(data[:4] == b"CJP1" and size <= 64 * 2**20, "not a part")
    body = zstandard.ZstdDecompressor().decompress(data[8:], max_output_size=size)
    need(len(body) == size, "body of another length")
    head = struct.unpack("<13I", body[:52])
    described = parse(body[52 : 52 + head[0]], "description")
    rows, at, column = head[1], 52 + head[0], {}
    for name, length in zip(COLUMNS, head[2:], strict=True):
        column[name] = body[at : at + length]
        at += length
    need(at == size, "columns do not fill the body")
    counts = numbers(column["count"])
    need(sum(counts) == rows and len(counts) == len(described["signals"]) and 0 not in counts, "rows per signal")
    owner = [signal for signal, number in enumerate(counts) for _ in range(number)]
    time, delay = deltas(column["time"], rows), deltas(column["delay"], rows)
    kind, quality = runs(column["kind"], rows), runs(column["quality"], rows)
    need(max(kind) <= 3 and max(quality) <= 2 and max(runs(column["status"], rows)) < len(described["statuses"]), "kind, quality or status")
    need(all((k == 0) == (q == 2) for k, q in zip(kind, quality, strict=True)), "bad quality and no value belong together")
    integers = iter(deltas(column["i64"], kind.count(2)))
    texts = iter(numbers(column["text"]))
    scale = list(column["scale"])
    is_scaled = [k == 1 and scale[signal] != 255 for k, signal in zip(kind, owner, strict=True)]
    scaled = iter(deltas(column["scaled"], sum(is_scaled)))
    plain = kind.count(1) - sum(is_scaled)
    need(len(column["float"]) == 8 * plain and len(scale) == len(counts), "floats")
    floats = iter(struct.unpack("<d", column["float"][i::plain])[0] for i in range(plain))
    found: dict[str, list[Reading]] = {name: [] for name in described["signals"]}
    for row in range(rows):
        value: object = None
        if kind[row] == 1:
            value = next(scaled) / 10 ** scale[owner[row]] if is_scaled[row] else next(floats)
        elif kind[row] == 2:
            value = next(integers)
        elif kind[row] == 3:
            value = described["texts"][next(texts)]
        readings = found[described["signals"][owner[row]]]
        need(not readings or readings[-1][0] <= time[row], "rows are not sorted")
        readings.append((time[row], time[row] + delay[row], value, quality[row]))
    return found


def check_data(files: dict[str, bytes], predicate: dict[str, Any], control: dict[str, Any], trust: dict[str, Any]) -> Found:
    """Ranges, holes and root of the data log; every batch; returns readings by signal id, and what is lost."""
    proofs = parse(files["data/proofs.json"], "proofs")
    names = sorted(name for name in files if name.startswith("data/segments/"))
    need(len(proofs["holes"]) == len(predicate["ranges"]) + 1, "holes and ranges do not fit")
    tree, found, last = Tree(), Found({}, []), 0
    for span, hole in zip(predicate["ranges"], proofs["holes"], strict=False):
        tree.skip(span["first"], hole)
        chains: dict[str, tuple[int, int, str]] = {}
        while tree.size < span["end"]:
            need(names, "segments are missing")
            for leaf, parts in segment(files[names.pop(0)], tree.size):
                accepted_us, raw, signature = split(leaf)
                need(accepted_us >= last, "accepted times go backwards")
                last = accepted_us
                header = check_batch(raw, signature, parts, chains, control, trust)
                tree.add(leaf_hash(leaf))
                need(control["sealed"].get(tree.size, tree.root().hex()) == tree.root().hex(), f"another history at {tree.size}")
                if header["provenance"] != "derived":
                    collect(header, parts, found)
        need(tree.size == span["end"], "a segment reaches beyond its range")
    need(not names, "segments outside the ranges")
    tree.skip(proofs["size"], proofs["holes"][-1])
    need((tree.size, tree.root().hex()) == (predicate["data"]["size"], predicate["data"]["root"]), "the batches do not give the signed root")
    return found


def check_batch(
    raw: bytes, signature: bytes, parts: list[bytes | None], chains: dict[str, tuple[int, int, str]], control: dict[str, Any], trust: dict[str, Any]
) -> dict[str, Any]:
    """Signature, chain and parts of one batch."""
    header: dict[str, Any] = parse(raw, "header")
    edge = control["edges"].get(header["edge"])
    where = f"batch {header['seq']} of {header['edge']}"
    need(edge is not None and edge["key"] in trust["edges"].get(header["edge"], ()) and edge["provenance"] == header["provenance"], f"{where}: edge")
    signed(edge["key"], b"chejian/batch/1\n" + raw, signature, where)
    before = chains.get(header["edge"])
    need(before is None or (header["epoch"], header["seq"] - 1, header["prev"]) == before, f"{where}: does not follow the batch before")
    chains[header["edge"]] = (header["epoch"], header["seq"], digest(raw))
    need(len(parts) == len(header["parts"]), f"{where}: number of parts")
    for entry, part in zip(header["parts"], parts, strict=True):
        need(part is None or (len(part), digest(part)) == (entry["bytes"], entry["sha256"]), f"{where}: part of {entry['equipment']}")
    return header


def collect(header: dict[str, Any], parts: list[bytes | None], found: Found) -> None:
    """Adds the readings of a batch and its gaps; a part that cannot be decoded counts as absent."""
    found.lost.extend((signal, gap["from_us"], gap["to_us"]) for gap in header["gaps"] for signal in gap["signals"])
    for entry, part in zip(header["parts"], parts, strict=True):
        try:
            readings = {} if part is None else decode(part)
        except (Refused, zstandard.ZstdError, ValueError, KeyError, IndexError, struct.error):
            readings = {}
        times = [item[0] for rows in readings.values() for item in rows]
        if times and (len(times), min(times), max(times)) == (entry["rows"], entry["from_us"], entry["to_us"]):
            for name, rows in readings.items():
                found.readings.setdefault(f"{entry['equipment']}/{name}", []).extend(rows)
        else:
            found.lost.append((entry["equipment"], entry["from_us"], entry["to_us"] + 1))


# (10) one indicator

def series(rows: list[Reading], start_us: int, end_us: int) -> list[tuple[int, int]]:
    """Usable integers in order of time; of what contradicts itself at one time, what was received first."""
    first: dict[int, tuple[int, int, object]] = {}
    for time, received, value, quality in rows:
        if start_us - LOOKBACK_US <= time < end_us and (time not in first or (received, quality) < first[time][:2]):
            first[time] = (received, quality, value)
    return [
        (time, int(value)) for time, (_, quality, value) in sorted(first.items())
        if quality == 0 and isinstance(value, int | float) and value == int(value) and abs(value) < 2**53
    ]


def increase(rows: list[Reading], start_us: int, end_us: int) -> int:
    """What a counter grew by in the window: increases between readings no more than an hour apart, each at the time of the later one."""
    usable = series(rows, start_us, end_us)
    return sum(
        max(0, value - before) for (earlier, before), (time, value) in pairwise(usable)
        if time >= start_us and time - earlier <= LOOKBACK_US
    )


def in_service(equipment: dict[str, Any], zone: ZoneInfo, start_us: int, end_us: int) -> tuple[int, int]:
    """The window, cut to the equipment's days of service."""
    def midnight(text: str, days: int) -> int:
        day = date.fromisoformat(text) + timedelta(days=days)
        return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1_000_000

    last = equipment["in_service_to"]
    return max(start_us, midnight(equipment["in_service_from"], 0)), end_us if last is None else min(end_us, midnight(last, 1))


def carried(found: Found, signal: str, start_us: int) -> list[Reading]:
    """The signal's readings without those from before a loss that begins in the lookback: what grew since then grew before the window too."""
    losses = [min(to_us, start_us) for name, from_us, to_us in found.lost
              if name in (signal, signal.partition("/")[0]) and from_us < start_us and to_us > start_us - LOOKBACK_US]
    return [row for row in found.readings.get(signal, []) if row[0] >= max(losses, default=row[0])]


def defect_rate(register: dict[str, Any], found: Found, window: dict[str, int]) -> dict[str, Any]:
    """Scrap over good and scrap, of all equipment that counts both."""
    total = {"good_count": 0, "scrap_count": 0}
    zone = ZoneInfo(register["time_zone"])
    for item in register["equipment"]:
        names = {signal["role"]: signal["name"] for signal in reversed(item["signals"]) if signal["origin"] != "derived"}
        if set(total) <= set(names):
            start_us, end_us = in_service(item, zone, window["start_us"], window["end_us"])
            for role in total:
                rows = carried(found, f"{item['id']}/{names[role]}", window["start_us"])
                total[role] += increase(rows, start_us, end_us)
    inspected = sum(total.values())
    value = f"{round(Fraction(total['scrap_count'], inspected) * 10**6):07d}" if inspected else None
    return {"defective": total["scrap_count"], "inspected": inspected, "value": value and f"{value[:-6]}.{value[-6:]}"}


def verify(path: Path, trust: dict[str, Any]) -> dict[str, Any]:
    """Checks a bundle; returns the defect rate that was recomputed, which is that of the statement, and how much is declared (not judged)."""
    files = read_files(path)
    payload = check_bag(files)
    predicate = open_statement(files["data/statement.dsse.json"], payload, trust)
    for log in ("data", "control"):
        size, root = open_note(files[f"data/checkpoints/{log}.txt"].decode(), f"{predicate['origin']}/{log}", predicate["gateway_key"])
        need((size, root.hex()) == (predicate[log]["size"], predicate[log]["root"]), f"checkpoint of the {log} log and statement differ")
    control = check_control(files["data/control.log"], predicate)
    need((control["size"], control["root"].hex()) == (predicate["control"]["size"], predicate["control"]["root"]), "control log: another root")
    found = check_data(files, predicate, control, trust)
    before = [register for time_us, register in control["registers"] if time_us < predicate["window"]["end_us"]]
    need(before and canonical(before[-1]) == files["data/register.json"], "register")
    result = defect_rate(before[-1], found, predicate["window"])
    stated = next(item for item in predicate["results"] if item["indicator"] == "defect_rate")
    got = (stated["counts"]["defective"], stated["counts"]["inspected"], stated["value"])
    need(got == (result["defective"], result["inspected"], result["value"]), f"defect rate: the statement says {got}, recomputed {result}")
    return result | {"declared": {"declarations": control["declaration"], "orders": control["orders"]}}


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(verify(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_bytes()))) + "\n")
    except Refused as refused:
        sys.exit(f"refused: {refused}")
