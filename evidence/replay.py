"""The readings of a bundle again, for those who want to look at a figure. It says nothing about trust: `evidence.verify` does."""

from pathlib import Path

import msgspec

from analytics.indicator import Components, Indicator, Result
from evidence.bag import REGISTER, STATEMENT, BagReader
from evidence.parts import Files, PartIndex, Parts
from evidence.processes import measure_window
from evidence.statement import read_statement
from evidence.verify_data import leaves
from store.log import split_leaf
from workshop.batch import decode_header
from workshop.errors import ConfigError, Rejected
from workshop.register import Workshop, check_register
from workshop.window import Window


class Replay(msgspec.Struct, frozen=True, eq=False):
    """What a figure is made of."""

    register: Workshop
    """The last revision in force in the window."""
    window: Window
    parts: Parts

    def result(self, indicator: Indicator, register: Workshop, window: Window) -> Result:
        """The indicator's result in the bundle's window or a piece of it, under this register or another one."""
        return indicator.evaluate(self.components(indicator, register, window), register, window)

    def components(self, indicator: Indicator, register: Workshop, window: Window) -> tuple[Components, ...]:
        """What the indicator measures there."""
        return measure_window(self.parts, (indicator,), (register,), window).components[0]


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
    except (Rejected, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: not a readable bundle: {error}; `chejian evidence verify` says more") from error
    return Replay(register, window, Parts(index.table(), Files(bag.files)))
