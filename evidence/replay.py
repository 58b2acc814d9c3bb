"""The readings of a bundle again, for those who want to look at a figure. It says nothing about trust: `evidence.verify` does."""

from pathlib import Path

import msgspec

from analytics.compute import needed_signals
from analytics.indicator import Indicator
from evidence.bag import REGISTER, STATEMENT, BagReader
from evidence.evaluate import parts_of, readings_of
from evidence.statement import read_statement
from evidence.verify_data import read_batches
from workshop.block import Block
from workshop.errors import ConfigError, Rejected
from workshop.register import Workshop, check_register
from workshop.window import Window


class Replay(msgspec.Struct, frozen=True, eq=False):
    """What an indicator needs of a bundle."""

    register: Workshop
    """The last revision in force in the window."""
    window: Window
    block: Block


def replay(path: Path, indicator: Indicator) -> Replay:
    """Register, window and readings of one indicator from a bundle.

    Raises:
        ConfigError: not a bundle, or one that cannot be read.
    """
    try:
        bag = BagReader(path)
        predicate = read_statement(bag.read(STATEMENT)).predicate
        register = msgspec.json.decode(bag.read(REGISTER), type=Workshop)
        check_register(register, f"{path}: register")
        window = Window(predicate.start_us, predicate.end_us)
        stream = parts_of(batch for _, _, batch in read_batches(bag))
        block, _ = readings_of(stream, set(needed_signals(indicator, register)), window)
    except (Rejected, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: not a readable bundle: {error}; `chejian evidence verify` says more") from error
    return Replay(register, window, block)
