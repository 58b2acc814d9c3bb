"""The seam of the time-series engines: an index over the batches that can always be rebuilt from the archive.

A file in `store/engines` is an engine; its name is the name in configuration, and it exports `open_engine(settings)`.
"""

import pkgutil
import typing
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from store import engines
from workshop.block import Block
from workshop.errors import ConfigError
from workshop.window import Window

EXACT = 17


class Capabilities(msgspec.Struct, frozen=True):
    """What an engine can hold; declared, and checked by the contract tests."""

    text: bool
    """Text values come back."""
    integers_beyond_2_53: bool
    """All 64-bit integers come back exactly."""
    resolution_us: int
    """Step of the times it keeps, µs; 1 keeps them all."""
    deduplicates: bool
    """The same signal and source time again adds no row: one of the two stays."""
    aggregates: bool
    """It computes `aggregate` itself."""
    clustering: bool
    """It can run on many machines."""
    significant_digits: int = EXACT
    """Decimal digits of a float that come back; 17: the very same 64 bits."""


class Aggregates(msgspec.Struct, frozen=True):
    """Numeric readings per step of time; a step without any has no row. All columns have n elements.

    Bad readings and text do not count. Steps are aligned to the window's start.
    """

    start_us: NDArray[np.int64]
    count: NDArray[np.int64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    mean: NDArray[np.float64]


class RefusedRows(msgspec.Struct, frozen=True):
    """Rows of a block that the engine cannot hold; they stay in the archive, whole."""

    rows: NDArray[np.int64]
    """Indices into the block, ascending, at least one."""
    reason: str


class Engine(Protocol):
    """A time-series store. Blocking calls; reading is safe from many threads, writing from one."""

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can hold."""

    def write(self, block: Block, cursor: int) -> Sequence[RefusedRows]:
        """Stores the rows and the cursor, the next data-log index; nothing happens when the cursor is not beyond the stored one.

        An engine with transactions stores both in one. One without stores the cursor after the rows: the same rows again change nothing there.
        Returns:
            the rows that it cannot hold, with the reasons; all others are stored.
        Raises:
            NotConnected: the engine cannot write now; the cursor has not moved, write the same block again.
            ConfigError: the engine's server refuses us until a person mends its or our settings; as above.
            Rejected: this engine only reads.
        """

    def cursor(self) -> int:
        """The data-log index up to which (exclusive) everything is stored."""

    def read(self, signals: Sequence[str], window: Window, limit: int | None = None) -> Block:
        """Rows with source time in the half-open window, sorted by (signal in the order given, source time, arrival), at most `limit`."""

    def aggregate(self, signal: str, window: Window, step_us: int) -> Aggregates:
        """Count, minimum, maximum and mean per step of the window."""

    def latest(self, signals: Sequence[str] | None = None) -> Block:
        """The newest row by source time of each signal, bad ones too; of all signals when none are named."""

    def last_before(self, signals: Sequence[str], time_us: int) -> Block:
        """The newest row of each signal with source time < time_us: what is carried into a window."""

    def maintain(self, now_us: int) -> None:
        """House-keeping, called every few seconds by the process that owns the engine: sorting, retention; nothing where a server does it.

        Raises:
            NotConnected: it cannot be done now; nothing was lost.
        """

    def count(self) -> int:
        """Number of rows."""

    def close(self) -> None:
        """Lets go of files and connections."""


def engine_names() -> list[str]:
    """The engines that exist, sorted: one per file in `store/engines`."""
    return sorted(module.name for module in pkgutil.iter_modules(engines.__path__))


def load_engine(name: str, options: dict[str, Any], where: str = "[engine]") -> Engine:
    """The engine of this name, opened with these options.

    Args:
        where: what to name in messages, such as "gateway.toml: [engine]".
    Raises:
        ConfigError: no such engine, an unknown or missing option, or one that the engine refuses.
        NotConnected: the engine's server is not reachable.
    """
    if name not in engine_names():
        raise ConfigError(f"{where}: no engine '{name}'; there are {', '.join(engine_names())}")
    open_engine = import_module(f"{engines.__name__}.{name}").open_engine
    settings_type = typing.get_type_hints(open_engine)["settings"]
    if unknown := set(options) - set(settings_type.__struct_fields__):
        raise ConfigError(f"{where}: engine '{name}' has no key '{min(unknown)}'; there are {', '.join(settings_type.__struct_fields__)}")
    try:
        settings = msgspec.convert(options, settings_type)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: engine '{name}': {error}") from error
    engine: Engine = open_engine(settings)
    return engine
