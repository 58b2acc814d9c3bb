"""The test vectors of docs/evidence-format.md, made from fixed keys and three readings.

    python -m tests.docs.vectors
"""

import struct
import sys

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from evidence.segment import write_head, write_leaf
from evidence.statement import LogState, Predicate, Span, WindowState, make_statement, pae, seal_statement
from store.log import checkpoint_text, data_leaf, leaf_hash, node_hash, sign_note
from store.signing import SigningKey
from workshop.batch import Gap, Header, Provenance, encode_header
from workshop.block import block_of
from workshop.canonical import canonical_json, sha256_hex
from workshop.part import encode_part
from workshop.reading import Quality, Reading

WIDTH = 120
T = 1_767_578_400_000_000


def key(octet: int) -> SigningKey:
    """A private key of thirty-two equal octets."""
    return SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([octet]) * 32))


class _Bytes:
    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes, /) -> int:
        self.data += data
        return len(data)


def vectors() -> dict[str, str]:
    """Name of a block and its text."""
    edge, gateway, origin = key(1), key(2), "chejian.local/test-00000000"
    readings = [
        Reading("cnc-01/good_count", T, T + 3_000, 41), Reading("cnc-01/good_count", T + 1_000_000, T + 1_003_000, 42),
        Reading("cnc-01/power", T, T + 3_000, 1000.5), Reading("cnc-01/program", T, T + 3_000, "O1001"),
        Reading("cnc-01/alarm", T, T + 3_000, None, Quality.BAD, "BadNoCommunication"),
    ]
    entry, part = encode_part("cnc-01", block_of(readings))
    body = zstandard.ZstdDecompressor().decompress(part[8:])
    # One frame of stored bytes, which every zstd library reads and none would write otherwise.
    part = b"CJP1" + struct.pack("<I", len(body)) + _stored(body)
    entry = type(entry)(entry.equipment, entry.rows, entry.from_us, entry.to_us, sha256_hex(part), len(part))
    gap = Gap(("cnc-01/power",), T - 5_000_000, T, "link down")
    header = encode_header(Header("edge-1", T - 1, 1, "0" * 64, Provenance.SIMULATED, T + 2_000_000, parts=(entry,), gaps=(gap,)))
    signature = edge.sign("batch", header)
    leaf = data_leaf(T + 2_500_000, header, signature)
    control = canonical_json({
        "v": 1, "kind": "origin", "time_us": T - 2, "author": "gateway", "body": {"origin": origin, "gateway_key": gateway.public},
    })
    control_leaf = data_leaf(T - 2, control, gateway.sign("control", control))
    segment = _Bytes()
    write_head(segment, 0)
    write_leaf(segment, leaf, [part])
    hashes = leaf_hash(leaf), leaf_hash(control_leaf)
    note = sign_note(checkpoint_text(f"{origin}/data", 1, hashes[0]), f"{origin}/data", gateway)
    second = sign_note(checkpoint_text(f"{origin}/data", 1, hashes[0], 2), f"{origin}/data", gateway)
    predicate = Predicate(
        1, origin, gateway.public, 1, WindowState(T, T + 2_000_000), None, 3_600_000_000, None, LogState(1, hashes[0].hex()),
        LogState(1, hashes[1].hex()), (Span(0, 1),), (), (), (), (), (), (), (), (), (), (), (), (),
    )
    statement = make_statement({"data/claims.json": "00" * 32}, predicate)
    return {
        "edge-key": edge.public, "gateway-key": gateway.public, "part-body": body.hex(), "part": part.hex(), "header": header.decode(),
        "batch-signature": signature.hex(), "data-leaf": leaf.hex(), "data-leaf-hash": hashes[0].hex(), "control-entry": control.decode(),
        "control-leaf": control_leaf.hex(), "control-leaf-hash": hashes[1].hex(), "node-of-both-leaf-hashes": node_hash(*hashes).hex(),
        "segment": segment.data.hex(), "checkpoint": note, "checkpoint-of-generation-2": second, "statement": canonical_json(statement).decode(),
        "pae": pae("http://example.com/HelloWorld", b"hello world").decode(), "envelope": seal_statement(statement, gateway).decode(),
    }


def _stored(body: bytes) -> bytes:
    """A zstd frame (RFC 8878) of one raw block, with its content size in one or two bytes and no checksum."""
    size = bytes([len(body)]) if len(body) < 256 else struct.pack("<H", len(body) - 256)
    descriptor = 0x20 | (0x40 if len(body) >= 256 else 0)
    return b"\x28\xb5\x2f\xfd" + bytes([descriptor]) + size + struct.pack("<I", len(body) << 3 | 1)[:3] + body


def blocks() -> str:
    """The blocks as they stand in the page; long lines are broken, which is no part of them."""
    pieces = []
    for name, text in vectors().items():
        lines = [line[at : at + WIDTH] for line in text.rstrip("\n").split("\n") for at in range(0, max(1, len(line)), WIDTH)]
        pieces.append(f"`{name}`\n\n```text\n" + "\n".join(lines) + "\n```\n")
    return "\n".join(pieces)


if __name__ == "__main__":
    sys.stdout.write(blocks())
