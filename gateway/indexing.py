"""From batches to rows of the engine: a pure function of register and batches. What cannot be indexed is named with the reason."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from store.archive import QuarantinedRow, StoredBatch
from workshop.batch import PartEntry, decode_header
from workshop.block import Block, concat, empty_block
from workshop.columns import Columns, Decoder
from workshop.errors import Rejected
from workshop.part import join_parts
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


class Indexed(msgspec.Struct, frozen=True):
    """Batches as rows for the engine, and what is left out."""

    block: Block
    quarantined: list[QuarantinedRow]
    """Each names the first of its rows in the part's canonical order; -1: the whole part."""
    parts: list[tuple[str, int, int, str]]
    """(edge, epoch, seq, equipment) of each part of the batches that is there."""
    part: NDArray[np.int32]
    """i32[n]: part that each row of the block comes from."""
    row: NDArray[np.int32]
    """i32[n]: its number there."""

    def quarantine(self, rows: NDArray[np.int64], reason: str) -> list[QuarantinedRow]:
        """The record for rows of the block that the engine refused: one for each part that they come from."""
        made = []
        for part in np.unique(self.part[rows]).tolist():
            numbers = self.row[rows[self.part[rows] == part]]
            where = f"{len(numbers)} rows from row {numbers[0]} to row {numbers[-1]}"
            made.append(QuarantinedRow(*self.parts[int(part)], int(numbers[0]), f"{reason} ({where})"))
        return made


class Rules:
    """What a register allows: its signals, and the value kinds of each. One thread at a time."""

    def __init__(self, register: Workshop) -> None:
        self._decoder = Decoder()
        self._kinds = {name: (signal.kind, frozenset((ValueKind.NONE, *_KINDS[signal.kind]))) for name, _, signal in register.signals()}

    def index(self, batches: Sequence[StoredBatch]) -> Indexed:
        """The rows that the engine takes, in the batches' order, and the reasons for the others. Withheld parts are skipped.

        All parts are decoded together: a part of two hundred rows costs more by itself than its rows do.
        """
        parts: list[tuple[str, int, int, str]] = []
        entries: list[PartEntry] = []
        data: list[bytes] = []
        for stored in batches:
            header = decode_header(stored.batch.header)
            for entry, part in zip(header.parts, stored.batch.parts, strict=True):
                if part is not None:
                    parts.append((header.edge, header.epoch, header.seq, entry.equipment))
                    entries.append(entry)
                    data.append(part)
        pieces = [_empty(parts)]
        for places, columns in self._decoder.decode_groups(data):
            if isinstance(columns, Rejected):
                pieces[-1].quarantined.append(QuarantinedRow(*parts[places.start], WHOLE_PART, str(columns)))
            else:
                pieces.append(self._index(parts, entries, places, columns))
        return Indexed(
            concat([piece.block for piece in pieces if len(piece.block)]), [row for piece in pieces for row in piece.quarantined], parts,
            np.concatenate([piece.part for piece in pieces]), np.concatenate([piece.row for piece in pieces]),
        )

    def _index(self, parts: list[tuple[str, int, int, str]], entries: Sequence[PartEntry], places: range, columns: Columns) -> Indexed:
        own = entries[places.start : places.stop]
        block = join_parts([entry.equipment for entry in own], columns)
        starts = np.cumsum(columns.rows) - columns.rows
        part = np.repeat(np.arange(places.start, places.stop, dtype=np.int32), columns.rows)
        row = (np.arange(len(block)) - np.repeat(starts, columns.rows)).astype(np.int32)
        stated = np.array([(entry.rows, entry.from_us, entry.to_us) for entry in own], np.int64)
        times = block.source_time_us
        found = np.column_stack((columns.rows, np.minimum.reduceat(times, starts), np.maximum.reduceat(times, starts)))
        reasons: list[tuple[int, int, str]] = []
        takes = self._fits(block)
        other = (found != stated).any(axis=1)
        for place in np.flatnonzero(other).tolist():
            said = "part: {} rows from {} to {} µs, the header says {} from {} to {}".format(*found[place].tolist(), *stated[place].tolist())
            reasons.append((places.start + place, WHOLE_PART, said))
        wrong = np.flatnonzero(~takes & ~np.repeat(other, columns.rows))
        for number in np.unique(part[wrong]).tolist():
            rows = wrong[part[wrong] == number]
            reasons += [(number, *reason) for reason in self._reasons(block, rows, int(starts[number - places.start]))]
        quarantined = [QuarantinedRow(*parts[number], first, reason) for number, first, reason in sorted(reasons)]
        takes &= ~np.repeat(other, columns.rows)
        if bool(takes.all()):
            return Indexed(block, quarantined, parts, part, row)
        return Indexed(block.take(takes), quarantined, parts, part[takes], row[takes])

    def sift(self, block: Block) -> tuple[NDArray[np.bool_], list[tuple[NDArray[np.int64], str]]]:
        """Which rows the register allows, and the others by reason."""
        fits = self._fits(block)
        return fits, self._wrong(block, np.flatnonzero(~fits))

    def _fits(self, block: Block) -> NDArray[np.bool_]:
        allowed = np.array([[kind in self._kinds.get(name, (None, ()))[1] for kind in ValueKind] for name in block.signals], np.bool_)
        fits: NDArray[np.bool_] = allowed.reshape(-1, len(ValueKind))[block.signal, block.kind]
        return fits

    def _reasons(self, block: Block, wrong: NDArray[np.int64], start: int) -> list[tuple[int, str]]:
        """Why these rows are left out, by signal and kind; rows are counted from `start`."""
        found = [(rows - start, what) for rows, what in self._wrong(block, wrong)]
        return [(int(rows[0]), f"{what} ({len(rows)} rows from row {rows[0]} to row {rows[-1]})") for rows, what in found]

    def _wrong(self, block: Block, wrong: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], str]]:
        found = []
        for signal, kind in sorted({(int(block.signal[row]), int(block.kind[row])) for row in wrong.tolist()}):
            name = block.signals[signal]
            if name not in self._kinds:
                what = f"signal '{name}' is not in the register"
            else:
                what = f"signal '{name}' is a {self._kinds[name][0]}, got {_WORDS[ValueKind(kind)]}"
            found.append((wrong[(block.signal[wrong] == signal) & (block.kind[wrong] == kind)], what))
        return found


def _empty(parts: list[tuple[str, int, int, str]]) -> Indexed:
    none = np.zeros(0, np.int32)
    return Indexed(empty_block(), [], parts, none, none)
