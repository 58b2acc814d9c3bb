"""The test vectors in docs/evidence-format.md are what the code writes, and what both verifiers read."""

import json
from pathlib import Path

from evidence.parts import parts_of
from evidence.statement import read_statement, signed_by
from store.log import open_note, parse_checkpoint, split_leaf
from store.signing import verify
from tests.docs.vectors import blocks, vectors
from tests.standalone import verifier
from workshop.batch import SealedBatch, decode_header
from workshop.part import decode_part
from workshop.window import Window

PAGE = Path(__file__).parents[2] / "docs/evidence-format.md"
WINDOW = Window(1_767_578_400_000_000, 1_767_578_402_000_000)


def test_the_page_holds_the_vectors() -> None:
    _, _, section = PAGE.read_text(encoding="utf-8").partition("## 12. Test vectors\n")
    assert section.endswith(blocks()), "make them anew: python -m tests.docs.vectors"


def test_we_read_them() -> None:
    found = vectors()
    part = bytes.fromhex(found["part"])
    block = decode_part("cnc-01", part)
    assert [row.value for row in block.readings()] == [None, 41, 42, 1000.5, "O1001"]
    accepted_us, header, signature = split_leaf(bytes.fromhex(found["data-leaf"]))
    assert header.decode() == found["header"] and verify(found["edge-key"], "batch", header, signature)
    assert accepted_us == 1_767_578_402_500_000 and decode_header(header).parts[0].rows == 5
    name = found["checkpoint"].split("\n", maxsplit=1)[0]
    for block_name, generation in (("checkpoint", 1), ("checkpoint-of-generation-2", 2)):
        checkpoint = parse_checkpoint(open_note(found[block_name], name, found["gateway-key"]))
        assert (checkpoint.root.hex(), checkpoint.generation) == (found["data-leaf-hash"], generation)
    assert read_statement(found["envelope"].encode()).predicate.origin == name.removesuffix("/data")
    assert signed_by(found["envelope"].encode(), found["gateway-key"])
    assert parts_of([SealedBatch(header, signature, (part,))], WINDOW).table.rows.tolist() == [5]


def test_the_other_verifier_reads_them() -> None:
    found = vectors()
    readings = verifier.decode(bytes.fromhex(found["part"]))
    assert [item[2] for item in readings["good_count"]] == [41, 42] and readings["program"][0][2] == "O1001"
    leaf, parts = next(verifier.segment(bytes.fromhex(found["segment"]), 0))
    assert leaf.hex() == found["data-leaf"] and verifier.leaf_hash(leaf).hex() == found["data-leaf-hash"]
    assert parts == [bytes.fromhex(found["part"])]
    name = found["checkpoint"].split("\n", maxsplit=1)[0]
    assert verifier.open_note(found["checkpoint"], name, found["gateway-key"]) == (1, bytes.fromhex(found["data-leaf-hash"]))
    assert json.loads(found["statement"])["predicate"]["ranges"] == [{"end": 1, "first": 0}]
