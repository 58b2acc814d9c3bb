"""From a batch to rows: a pure function of register and batch."""

import msgspec
import numpy as np

from gateway.indexing import WHOLE_PART, Rules
from store.archive import StoredBatch
from tests.unit.gateway.plant import START_US, Sender, ramp, reading, workshop
from workshop.batch import SealedBatch, decode_header
from workshop.block import block_of
from workshop.part import encode_part
from workshop.reading import Quality


def test_good_rows_pass_whole_and_bad_ones_without_a_value_too() -> None:
    rows = [
        reading("m-1/count", 1, 7), reading("m-1/count", 2, 8.0), reading("m-1/gauge", 3, 4), reading("m-1/gauge", 4, None, status="BadX"),
        reading("m-1/text", 5, "O1", quality=Quality.UNCERTAIN), reading("m-2/state", 6, True),
    ]
    indexed = Rules(workshop()).index([StoredBatch(0, START_US, Sender().seal(block_of(rows)))])
    assert indexed.quarantined == []
    assert [r.value for r in indexed.block.readings()] == [7, 8.0, 4, None, "O1", 1]


def test_rows_of_the_wrong_kind_and_strangers_are_named_with_their_first_row() -> None:
    rows = [reading("m-1/count", 1, "seven"), reading("m-1/gauge", 2, 1.0), reading("m-1/gauge", 3, "x"), reading("m-3/gauge", 4, 1.0)]
    batch = StoredBatch(0, START_US, Sender().seal(block_of(rows)))
    first, second = (Rules(workshop()).index([batch]) for _ in range(2))
    assert first.quarantined == second.quarantined
    assert [(item.equipment, item.row) for item in first.quarantined] == [("m-1", 0), ("m-1", 2), ("m-3", 0)]
    assert "is a counter, got text" in first.quarantined[0].reason and "is not in the register" in first.quarantined[2].reason
    assert [r.value for r in first.block.readings()] == [1.0]


def test_a_part_that_says_something_else_than_its_header_is_left_out_whole() -> None:
    batch = Sender().seal(ramp("m-1/gauge", 0, 10))
    _, other = encode_part("m-1", ramp("m-1/gauge", 0, 11))
    for part in (other, b"CJP1 no part at all"):
        indexed = Rules(workshop()).index([StoredBatch(0, START_US, SealedBatch(batch.header, batch.signature, (part,)))])
        assert len(indexed.block) == 0
        assert [(item.row, item.equipment) for item in indexed.quarantined] == [(WHOLE_PART, "m-1")]
    assert decode_header(batch.header).rows == 10


def test_a_withheld_part_is_skipped() -> None:
    batch = Sender().seal(block_of([reading("m-1/gauge", 1, 1.0), reading("m-2/gauge", 1, 2.0)]))
    indexed = Rules(workshop()).index([StoredBatch(0, START_US, msgspec.structs.replace(batch, parts=(None, batch.parts[1])))])
    assert indexed.quarantined == [] and np.array_equal(indexed.block.value_f64, [2.0])


def test_many_batches_at_once_give_the_rows_and_records_of_each_by_itself() -> None:
    sender = Sender()
    blocks = [
        block_of([reading("m-1/gauge", 1, 1.0), reading("m-1/text", 1, "a"), reading("m-2/state", 2, 3, status="S")]),
        block_of([reading("m-1/count", 3, "x"), reading("m-1/gauge", 4, 2.0), reading("m-3/gauge", 4, 2.0)]),
        ramp("m-1/gauge", 5, 10),
        block_of([reading("m-1/text", 6, "b"), reading("m-1/text", 7, None, status="BadX"), reading("m-2/state", 8, 4)]),
        block_of([reading("m-2/state", 9, 4)]),
    ]
    batches = [StoredBatch(index, START_US, sender.seal(block)) for index, block in enumerate(blocks)]
    spoiled = batches[2].batch
    batches[2] = StoredBatch(2, START_US, SealedBatch(spoiled.header, spoiled.signature, (b"CJP1 no part at all",)))
    rules = Rules(workshop())
    together, alone = rules.index(batches), [rules.index([batch]) for batch in batches]
    assert together.block.readings() == [row for one in alone for row in one.block.readings()]
    assert together.quarantined == [row for one in alone for row in one.quarantined]
    assert [row.row for row in together.quarantined] == [0, 0, WHOLE_PART]
    assert together.block.readings()[-3:] == [
        reading("m-1/text", 7, None, status="BadX"), reading("m-2/state", 8, 4), reading("m-2/state", 9, 4)]


def test_a_refused_row_is_named_by_the_part_that_it_comes_from() -> None:
    sender = Sender()
    first = block_of([reading("m-1/count", 1, "x"), reading("m-1/gauge", 1, 1.0), reading("m-2/state", 1, 2)])
    second = block_of([reading("m-1/gauge", 2, 1.0), reading("m-2/state", 2, 2), reading("m-2/state", 3, 2)])
    batches = [StoredBatch(index, START_US, sender.seal(block)) for index, block in enumerate((first, second))]
    indexed = Rules(workshop()).index(batches)
    found = indexed.quarantine(np.array([0, 3, 4]), "no")
    assert [(row.seq, row.equipment, row.row, row.reason) for row in found] == [
        (1, "m-1", 1, "no (1 rows from row 1 to row 1)"), (2, "m-2", 0, "no (2 rows from row 0 to row 1)")]
