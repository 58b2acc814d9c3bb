"""The readings of a bundle again, for those who want to look at a figure. It says nothing about trust: `evidence.verify` does."""

from pathlib import Path

import msgspec
import numpy as np

from analytics.facts import Facts
from analytics.indicator import Components, Indicator, Result
from evidence.bag import REGISTER, STATEMENT, BagReader
from evidence.facts import facts_of
from evidence.parts import Files, PartIndex, Parts
from evidence.processes import measure_window
from evidence.statement import read_statement
from evidence.verify_control import control_entries
from evidence.verify_data import leaves
from store.log import split_leaf
from workshop.batch import decode_header
from workshop.block import Block, concat, empty_block
from workshop.errors import ConfigError, Rejected
from workshop.part import decode_part
from workshop.register import Workshop
from workshop.register_file import check_register
from workshop.signal import split_signal_id
from workshop.window import Window


class Replay(msgspec.Struct, frozen=True, eq=False):
    """What a figure is made of."""

    register: Workshop
    """The last revision in force in the window."""
    window: Window
    parts: Parts
    facts: Facts
    """What the control log declares, and its orders."""

    def result(self, indicator: Indicator, register: Workshop, window: Window) -> Result:
        """The indicator's result in the bundle's window or a piece of it, under this register or another one."""
        return indicator.evaluate(self.components(indicator, register, window), register, window, self.facts)

    def components(self, indicator: Indicator, register: Workshop, window: Window) -> tuple[Components, ...]:
        """What the indicator measures there."""
        return measure_window(self.parts, (indicator,), (register,), window).components[0]


class Shelf:
    """The rows of a bundle, texts too, by signal and time; parts that cannot be decoded are passed over, `evidence.verify` names them."""

    def __init__(self, replayed: Replay) -> None:
        self._table, self._reader = replayed.parts.table, replayed.parts.reader

    def read(self, signals: list[str], window: Window) -> Block:
        """Rows of these signals with source time in the window."""
        table, blocks = self._table, []
        wanted = {split_signal_id(name)[0] for name in signals}
        meeting = (table.from_us < window.end_us) & (table.to_us >= window.start_us)
        numbers = [number for number, name in enumerate(table.equipment_names) if name in wanted]
        for part in np.flatnonzero(meeting & np.isin(table.equipment, numbers)).tolist():
            (data,) = self._reader.read([tuple(table.place[part].tolist())])
            try:
                block = decode_part(table.equipment_names[int(table.equipment[part])], data)
            except Rejected:
                continue
            chosen = np.isin(block.signal, [n for n, name in enumerate(block.signals) if name in signals])
            blocks.append(block.take(np.flatnonzero(chosen & (block.source_time_us >= window.start_us) & (block.source_time_us < window.end_us))))
        return concat(blocks) if blocks else empty_block()

    def last_before(self, signals: list[str], time_us: int) -> Block:
        """The newest row of each signal before this time, as far back as the bundle reaches."""
        start_us = int(self._table.from_us.min()) if len(self._table.from_us) else time_us
        block = self.read(signals, Window(min(start_us, time_us), time_us))
        order = np.lexsort((block.received_time_us, block.source_time_us, block.signal))
        last = np.append(block.signal[order][1:] != block.signal[order][:-1], True) if len(order) else np.zeros(0, np.bool_)
        return block.take(order[last])


def replay(path: Path) -> Replay:
    """Register, window and parts of a bundle.

    Raises:
        ConfigError: not a bundle, or one that cannot be read.
    """
    try:
        bag = BagReader(path)
        predicate = read_statement(bag.read(STATEMENT)).predicate
        register = msgspec.json.decode(bag.read(REGISTER), type=Workshop)
        check_register(register, f"{path}: register")
        window = Window(predicate.window.start_us, predicate.window.end_us)
        index = PartIndex(window)
        for leaf in leaves(bag, predicate, parts=True):
            index.add(decode_header(split_leaf(leaf.leaf)[1]), leaf.places)
        facts = facts_of(control_entries(bag))
    except (Rejected, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: not a readable bundle: {error}; `chejian evidence verify` says more") from error
    return Replay(register, window, Parts(index.table(), Files(bag.files)), facts)
