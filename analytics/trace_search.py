"""A part looked for in a store of readings, stretch by stretch, and everything that is told of it there."""

from typing import Protocol

import msgspec
import numpy as np

from analytics.missing import NOTHING, Missing
from analytics.trace import ABOUT_US, IN_PROCESS, Passage, Record, Trace, Visit, detail, serial_signals, signals_of, visits
from workshop.block import Block, concat
from workshop.errors import Rejected
from workshop.reading import Quality, ValueKind
from workshop.register import Workshop
from workshop.signal import SignalKind, signal_id
from workshop.window import HOUR_US, SECOND_US, Window

STRETCH_US = 6 * HOUR_US
LONGEST_US = 24 * HOUR_US
"""Of a longer passage (a part left in a machine over a weekend) only order, lot and program are given."""
MOST_VISITS = 1000
BEFORE_US = 120 * SECOND_US
"""How far before a passage readings are wanted that are not held: the meter's."""


class Store(Protocol):
    """Where readings come from: an engine, or a bundle that was read."""

    def read(self, signals: list[str], window: Window) -> Block:
        """Rows with source time in the window."""

    def last_before(self, signals: list[str], time_us: int) -> Block:
        """The newest row of each signal before this time."""


def trace(store: Store, register: Workshop, serial: str, window: Window, missing: Missing = NOTHING) -> Trace:
    """Where the part was in the window, in order of time.

    Raises:
        Rejected: the serial was told so often that it names no single part.
    """
    signals = serial_signals(register)
    kept: list[Block] = [_told(store.last_before(signals, window.start_us), serial, set())] if signals else []
    open_ = {kept[0].signals[number] for number in set(kept[0].signal.tolist())} if kept else set()
    start_us = window.start_us
    while signals and start_us < window.end_us:
        end_us = min(start_us + STRETCH_US, window.end_us)
        kept.append(_told(store.read(signals, Window(start_us, end_us)), serial, open_))
        start_us = end_us
    found = visits(register, concat([block for block in kept if len(block)]), serial) if any(len(block) for block in kept) else []
    if len(found) > MOST_VISITS:
        raise Rejected(f"serial '{serial[:60]}' was told {len(found)} times; it names no single part, or ask for a shorter window")
    told = [_visited(store, register, visit, window, missing) for visit in found]
    return Trace(serial, tuple(one for one in told if isinstance(one, Passage)), tuple(one for one in told if isinstance(one, Record)))


def _told(block: Block, serial: str, open_: set[str]) -> Block:
    """Of these rows those that tell the serial, and of each signal the first that tells another one after it; `open_` is carried on."""
    good = np.flatnonzero((block.quality == Quality.GOOD) & (block.kind != ValueKind.NONE))
    order = good[np.lexsort((block.received_time_us[good], block.source_time_us[good], block.signal[good]))]
    chosen: list[int] = []
    for row in order.tolist():
        name, same = block.signals[int(block.signal[row])], str(block.value(row)) == serial
        if same or name in open_:
            chosen.append(row)
        if same:
            open_.add(name)
        else:
            open_.discard(name)
    return block.take(np.array(chosen, np.int64))


def _visited(store: Store, register: Workshop, visit: Visit, window: Window, missing: Missing) -> Passage | Record | None:
    item = register.find(visit.equipment)
    if item is None:
        return None
    end_us = visit.to_us if visit.to_us is not None else window.end_us
    names = list(signals_of(register, visit.equipment))
    held = [signal_id(item.id, signal.name) for signal in item.signals if signal.kind in (SignalKind.TEXT, SignalKind.STATE)]
    if visit.role != IN_PROCESS:
        return detail(register, visit, store.read(names, Window(visit.from_us - ABOUT_US, visit.from_us + ABOUT_US + 1)), missing)
    if end_us - visit.from_us > LONGEST_US:
        short = [name for name in held if name in names]
        found = detail(register, visit, store.last_before(short, end_us), missing)
        return msgspec.structs.replace(found, operations=(), parameters=(), note="longer than 24 h: only order, lot and program") if isinstance(
            found, Passage) else found
    around = [store.last_before(names, visit.from_us - BEFORE_US), store.read(names, Window(visit.from_us - BEFORE_US, end_us + 1))]
    return detail(register, visit, concat([block for block in around if len(block)]), missing)
