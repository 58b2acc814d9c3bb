"""From a batch to rows of the engine: a pure function of register and batch. What cannot be indexed is named with the reason."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from store.archive import StoredBatch
from workshop.batch import PartEntry, decode_header
from workshop.block import Block, concat
from workshop.errors import Rejected
from workshop.part import decode_part
from workshop.reading import ValueKind
from workshop.register import Workshop
from workshop.signal import SignalKind

_KINDS = {
    SignalKind.GAUGE: (ValueKind.F64, ValueKind.I64),
    SignalKind.COUNTER: (ValueKind.F64, ValueKind.I64),  # many controllers count in floats; indicators take them where they are whole
    SignalKind.STATE: (ValueKind.F64, ValueKind.I64),
    SignalKind.EVENT: (ValueKind.F64, ValueKind.I64, ValueKind.TEXT),
    SignalKind.TEXT: (ValueKind.TEXT,),
}
_WORDS = {ValueKind.F64: "a floating-point number", ValueKind.I64: "an integer", ValueKind.TEXT: "text"}
WHOLE_PART = -1


class Quarantined(msgspec.Struct, frozen=True):
    """Rows of a batch that the engine cannot take."""

    edge: str
    epoch: int
    seq: int
    equipment: str
    row: int
    """The first of these rows in the part's canonical order; -1: the whole part."""
    reason: str


class IndexedBatch(msgspec.Struct, frozen=True):
    """A batch as rows for the engine, and what is left out."""

    edge: str
    epoch: int
    seq: int
    block: Block
    quarantined: list[Quarantined]
    rows: int
    """As the header says."""
    origins: list[tuple[str, NDArray[np.int64]]]
    """Where the block's rows come from, in order: equipment, and the rows of its part."""

    def quarantine(self, rows: NDArray[np.int64], reason: str) -> list[Quarantined]:
        """The record for rows of the block that the engine refused: one for each part that they come from."""
        made, start = [], 0
        for equipment, origin in self.origins:
            of_part = origin[rows[(rows >= start) & (rows < start + len(origin))] - start]
            start += len(origin)
            if len(of_part):
                where = f"{len(of_part)} rows from row {of_part[0]} to row {of_part[-1]}"
                made.append(Quarantined(self.edge, self.epoch, self.seq, equipment, int(of_part[0]), f"{reason} ({where})"))
        return made


class Rules:
    """What a register allows: its signals, and the value kinds of each."""

    def __init__(self, register: Workshop) -> None:
        self._kinds = {name: (signal.kind, frozenset((ValueKind.NONE, *_KINDS[signal.kind]))) for name, _, signal in register.signals()}

    def index(self, stored: StoredBatch) -> IndexedBatch:
        """The rows that the engine takes, in the batch's order, and the reasons for the others. Withheld parts are skipped."""
        header = decode_header(stored.batch.header)
        blocks, quarantined, origins = [], [], []
        for entry, part in zip(header.parts, stored.batch.parts, strict=True):
            if part is None:
                continue
            try:
                block = _decode(entry, part)
            except Rejected as error:
                quarantined.append(Quarantined(header.edge, header.epoch, header.seq, entry.equipment, WHOLE_PART, str(error)))
                continue
            block, kept, reasons = self.sift(block)
            blocks.append(block)
            origins.append((entry.equipment, kept))
            quarantined += [Quarantined(header.edge, header.epoch, header.seq, entry.equipment, row, reason) for row, reason in reasons]
        return IndexedBatch(header.edge, header.epoch, header.seq, concat(blocks), quarantined, header.rows, origins)

    def sift(self, block: Block) -> tuple[Block, NDArray[np.int64], list[tuple[int, str]]]:
        """The rows that the register allows, their indices, and for the others the first row with the reason."""
        allowed = np.array([[kind in self._kinds.get(name, (None, ()))[1] for kind in ValueKind] for name in block.signals], np.bool_)
        fits = allowed[block.signal, block.kind]
        if bool(fits.all()):
            return block, np.arange(len(block)), []
        reasons = []
        wrong = np.flatnonzero(~fits)
        for signal, kind in sorted({(int(block.signal[row]), int(block.kind[row])) for row in wrong.tolist()}):
            rows = wrong[(block.signal[wrong] == signal) & (block.kind[wrong] == kind)]
            name = block.signals[signal]
            if name not in self._kinds:
                what = f"signal '{name}' is not in the register"
            else:
                what = f"signal '{name}' is a {self._kinds[name][0]}, got {_WORDS[ValueKind(kind)]}"
            reasons.append((int(rows[0]), f"{what} ({len(rows)} rows from row {rows[0]} to row {rows[-1]})"))
        return block.take(fits), np.flatnonzero(fits), reasons


def _decode(entry: PartEntry, part: bytes) -> Block:
    block = decode_part(entry.equipment, part)
    times = block.source_time_us
    if len(block) != entry.rows or int(times.min()) != entry.from_us or int(times.max()) != entry.to_us:
        found, said = f"{len(block)} rows from {times.min()} to {times.max()} µs", f"{entry.rows} from {entry.from_us} to {entry.to_us}"
        raise Rejected(f"part: {found}, the header says {said}")
    return block
