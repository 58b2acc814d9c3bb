"""From parts to components, hour after hour: what is in memory is two hours of readings, however long the window is.

A part that is authentic but cannot be decoded, or holds other rows or times than its signed header says, counts as absent and is named: one rule for
gateway and verifier. All that begin before a piece's end are known when it is measured.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.compute import LOOKBACK_US, measure_all, needed_signals, needed_texts
from analytics.indicator import Components, Indicator
from analytics.missing import Missing, joined, missing_of
from evidence.missing import without_stale_carry
from evidence.parts import PROVENANCES, PartTable, Reader
from workshop.block import Block, concat
from workshop.columns import Columns, Decoder
from workshop.errors import Rejected
from workshop.reading import ValueKind
from workshop.register import Workshop
from workshop.signal import signal_id
from workshop.window import HOUR_US, Window

SLAB_ROWS = 400_000
GROUP_ROWS = 150_000
_NO_STATUS = np.zeros(1, np.int32)


class Task(NamedTuple):
    """A stretch of the window to measure."""

    indicators: tuple[Indicator, ...]
    revisions: tuple[Workshop, ...]
    window: Window
    slabs: tuple[Window, ...]
    """The stretch cut into pieces that adjoin."""

    @property
    def signals(self) -> list[str]:
        """Ids of all signals that an indicator reads under any revision, sorted."""
        return sorted({name for register in self.revisions for item in self.indicators for name in needed_signals(item, register)})

    @property
    def texts(self) -> set[str]:
        """Ids of those that an indicator reads as texts under any revision."""
        return {name for register in self.revisions for name in needed_texts(self.indicators, register)}


class Measured(NamedTuple):
    """What a stretch gave."""

    components: tuple[tuple[Components, ...], ...]
    """By revision: of all indicators."""
    sources: NDArray[np.bool_]
    """bool[provenances, signals]: whether a reading of this signal came from there."""
    malformed: tuple[int, ...]
    """Numbers of parts in the table that count as absent."""


def slabs_of(table: PartTable, window: Window, most_rows: int = SLAB_ROWS) -> list[tuple[Window, int]]:
    """The window cut at full hours, as many hours together as hold not too many rows, at least one; with the rows that begin in each."""
    hours = list(window.hours())
    first = window.start_us // HOUR_US
    place = np.clip(table.from_us // HOUR_US - first, 0, len(hours) - 1)
    rows = np.bincount(place, table.rows, len(hours)).astype(np.int64).tolist()
    slabs: list[tuple[Window, int]] = []
    for hour, number in zip(hours, rows, strict=True):
        if slabs and slabs[-1][1] + number <= most_rows:
            slabs[-1] = (Window(slabs[-1][0].start_us, hour.end_us), slabs[-1][1] + number)
        else:
            slabs.append((hour, number))
    return slabs


def measure(table: PartTable, reader: Reader, task: Task) -> Measured:
    """Components of every indicator under every revision, slab by slab."""
    signals = task.signals
    gather = _Gather(table, reader, signals, task.texts, Window(task.slabs[0].start_us - LOOKBACK_US, task.slabs[-1].end_us))
    components: list[list[Components]] = [[] for _ in task.revisions]
    none, few = np.zeros(0, np.int64), np.zeros(0, np.uint8)
    kept = _block(signals, none, none, none, few, np.zeros(0, np.float64), none, few)
    for slab in task.slabs:
        kept = _sorted(concat([kept, *gather.until(slab.end_us)]))
        missing = gather.missing
        if slab.start_us - LOOKBACK_US < task.window.start_us:
            kept = without_stale_carry(kept, missing, task.window)
        late = kept.source_time_us >= slab.end_us
        block = kept.take(~late) if bool(late.any()) else kept
        for found, register in zip(components, task.revisions, strict=True):
            found.extend(measure_all(task.indicators, register, block, slab, missing, gather.dictionary))
        kept = kept.take(kept.source_time_us >= slab.end_us - LOOKBACK_US)
        gather.forget(kept)
    return Measured(tuple(tuple(found) for found in components), gather.sources, tuple(sorted(gather.malformed)))


def _block(
    signals: list[str], signal: NDArray[np.int64], source: NDArray[np.int64], received: NDArray[np.int64], kind: NDArray[np.uint8],
    f64: NDArray[np.float64], i64: NDArray[np.int64], quality: NDArray[np.uint8],
) -> Block:
    """Rows without statuses, which no indicator reads. Those of kind text have in `i64` the number of their text in the gatherer's dictionary."""
    return Block(
        signals, [""], signal.astype(np.int32), source, received, kind, f64, i64, [], quality,
        np.broadcast_to(_NO_STATUS, len(signal)),
    )


def _sorted(block: Block) -> Block:
    """The rows signal after signal. Sixteen bits are sorted by radix, in one pass."""
    key = block.signal.astype(np.uint16) if len(block.signals) < 2**16 else block.signal
    return block if not bool((key[1:] < key[:-1]).any()) else block.take(np.argsort(key, kind="stable"))


class _Gather:
    """Decodes the parts that meet a stretch, in order of the time at which they begin."""

    def __init__(self, table: PartTable, reader: Reader, signals: list[str], texts: set[str], stretch: Window) -> None:
        self._table, self._reader, self._signals, self._stretch = table, reader, signals, stretch
        self._number = {name: i for i, name in enumerate(signals)}
        self._textual = np.array([name in texts for name in signals], np.bool_)
        self.dictionary: list[str] = []
        self._code: dict[str, int] = {}
        meeting = np.flatnonzero((table.from_us < stretch.end_us) & (table.to_us >= stretch.start_us))
        self._order: NDArray[np.int64] = meeting[np.argsort(table.from_us[meeting], kind="stable")]
        self._decoder = Decoder()
        self._numbers: dict[tuple[int, int], tuple[object, NDArray[np.int64]]] = {}
        self.sources = np.zeros((len(PROVENANCES), len(signals)), np.bool_)
        self.malformed: set[int] = set()
        self._missing = table.missing, 0

    @property
    def missing(self) -> Missing:
        """What the headers say is not there, and the malformed parts so far."""
        found, number = self._missing
        if number < len(self.malformed):
            table, parts = self._table, sorted(self.malformed)
            found = joined(table.missing, missing_of((), (
                (table.equipment_names[int(table.equipment[part])], int(table.from_us[part]), int(table.to_us[part]) + 1) for part in parts
            )))
            self._missing = found, len(parts)
        return found

    def until(self, time_us: int) -> Iterator[Block]:
        """The rows of the next parts, up to those that begin at this time."""
        count = int(np.searchsorted(self._table.from_us[self._order], time_us))
        due, self._order = self._order[:count], self._order[count:]
        while len(due):
            size = max(1, int(np.searchsorted(np.cumsum(self._table.rows[due]), GROUP_ROWS)))
            group, due = due[:size], due[size:]
            numbers = group.tolist()
            data = self._reader.read([tuple(place) for place in self._table.place[group].tolist()])
            for places, columns in self._decoder.decode_groups(data):
                if isinstance(columns, Rejected):
                    self.malformed.add(numbers[places.start])
                    continue
                block = self._rows(group[places.start : places.stop], columns)
                if len(block):
                    yield block

    def _rows(self, chosen: NDArray[np.int64], columns: Columns) -> Block:
        table, time = self._table, columns.source_time_us
        starts = np.cumsum(columns.rows) - columns.rows
        wrong = (
            (columns.rows != table.rows[chosen]) | (np.minimum.reduceat(time, starts) != table.from_us[chosen])
            | (np.maximum.reduceat(time, starts) != table.to_us[chosen])
        )
        self.malformed.update(chosen[wrong].tolist())
        equipment = table.equipment[chosen].tolist()
        maps = [self._map(number, description) for number, description in zip(equipment, columns.descriptions, strict=True)]
        signal = np.repeat(np.concatenate(maps), columns.counts)
        wanted = (signal >= 0) & (time >= self._stretch.start_us) & (time < self._stretch.end_us)
        if bool(wrong.any()):
            wanted &= ~np.repeat(wrong, columns.rows)
        provenance = np.repeat(table.provenance[chosen], columns.rows)[wanted]
        i64 = columns.value_i64
        if bool(self._textual.any()):
            i64 = self._coded(columns, wanted & self._textual[signal])
        signal = signal[wanted]
        there = np.bincount(provenance * len(self._signals) + signal, minlength=self.sources.size) > 0
        self.sources |= there.reshape(self.sources.shape)
        return _block(
            self._signals, signal, time[wanted], columns.received_time_us[wanted], columns.kind[wanted], columns.value_f64[wanted],
            i64[wanted], columns.quality[wanted],
        )

    def _coded(self, columns: Columns, wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The integers of the rows, and for the texts among the wanted rows their numbers in the dictionary, which grows by what is new."""
        is_text = columns.kind == ValueKind.TEXT
        rows = np.flatnonzero(wanted & is_text)
        if not len(rows):
            return columns.value_i64
        sizes = np.array([len(item.texts) for item in columns.descriptions], np.int64)
        begins = np.cumsum(sizes) - sizes
        part = np.searchsorted(np.cumsum(columns.rows), rows, side="right")
        place = begins[part] + columns.text[(np.cumsum(is_text) - 1)[rows]]
        found, inverse = np.unique(place, return_inverse=True)
        owner = np.searchsorted(np.cumsum(sizes), found, side="right")
        codes = []
        for number, index in zip(owner.tolist(), (found - begins[owner]).tolist(), strict=True):
            text = columns.descriptions[number].texts[index]
            if text not in self._code:
                self._code[text] = len(self.dictionary)
                self.dictionary.append(text)
            codes.append(self._code[text])
        coded = columns.value_i64.copy()
        coded[rows] = np.array(codes, np.int64)[inverse]
        return coded

    def forget(self, kept: Block) -> None:
        """Keeps of the dictionary what these rows say, and numbers them anew: a month of serial numbers does not stay in memory."""
        rows = np.flatnonzero(kept.kind == ValueKind.TEXT)
        rows = rows[self._textual[kept.signal[rows]]]
        used, inverse = np.unique(kept.value_i64[rows], return_inverse=True)
        self.dictionary = [self.dictionary[code] for code in used.tolist()]
        self._code = {text: code for code, text in enumerate(self.dictionary)}
        if len(rows):
            kept.value_i64[rows] = inverse

    def _map(self, equipment: int, description: object) -> NDArray[np.int64]:
        """Number of each signal of a part among the wanted ones, -1 for the others. The description is kept, so that its id stays its own."""
        found = self._numbers.get((equipment, id(description)))
        if found is None:
            name = self._table.equipment_names[equipment]
            numbers = [self._number.get(signal_id(name, signal), -1) for signal in description.signals]  # type: ignore[attr-defined]
            found = self._numbers[equipment, id(description)] = (description, np.array(numbers, np.int64))
        return found[1]
