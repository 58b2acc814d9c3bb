"""The seam of the sources: how readings come in. A file in `edge/sources` is a protocol, and exports `open_source(settings, context)`.

A source knows its protocol and nothing else: it does not retry, buffer, count or store. It raises `NotConnected` and the supervisor tries again.
"""

import pkgutil
import typing
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import msgspec

from edge import sources
from edge.strict import convert
from workshop.block import Block
from workshop.errors import ConfigError
from workshop.signal import SignalKind
from workshop.window import Clock


class Loss(msgspec.Struct, frozen=True):
    """Readings of these signals may be missing between the last stored one and the next one that comes; the recorder makes a gap of it."""

    signals: tuple[str, ...]
    reason: str
    since_us: int | None = None
    """For a signal of which nothing was ever stored: since when readings are proven to be missing, µs; None where that is not known."""


class Refusal(msgspec.Struct, frozen=True):
    """Source data that can never become readings; it goes to quarantine with the reason."""

    payload: bytes
    reason: str
    signals: tuple[str, ...] = ()
    """Those whose readings it would have held, as far as that is known."""


class Delivery(msgspec.Struct, frozen=True):
    """What a source hands over at once. Losses come before the rows of the block."""

    block: Block
    links: dict[str, bool] = {}
    """Equipment → whether the edge hears its controller; only what changed."""
    losses: tuple[Loss, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    on_committed: Callable[[], None] | None = None
    """Called on the event loop once all of this is on disk: only then may the source tell the device that it was received."""
    repeats: tuple[str, ...] = ()
    """Signals of which stored readings may come again from here on, until one comes that is newer than all of them."""
    is_historical: bool = False
    """Whether the other side says that this is the past: the times are right although they are far from their reception; announced as back-fill, and
    never shown as what holds now."""


class MappedSignal(msgspec.Struct, frozen=True):
    """A signal of the register with its address in the words of the protocol."""

    id: str
    equipment: str
    kind: SignalKind
    address: str
    map: str
    """Name of the map that the address comes from."""
    parts: dict[str, str] = {}
    """Further placeholders of its equipment; in the address they are filled in already."""
    unit: str = ""
    """UCUM code that the register expects."""
    deadband: str | None = None
    """As in the register: `0.5`, or `2%` of the range that the device states."""
    pattern: str = ""
    """The address with the machine's own parts still open, where one declaration stands for many machines; otherwise empty."""


def _unknown(_signal: str) -> int | None:
    return None


class SourceContext(msgspec.Struct, frozen=True):
    """What every source is given besides its own options."""

    name: str
    where: str
    """File and source, for messages."""
    edge: str
    signals: tuple[MappedSignal, ...]
    clock: Clock
    directory: Path | None = None
    """Where it may keep a small file of its own."""
    folder: Path = Path()
    """Folder of the edge's file; paths in options, such as those of secrets, are relative to it."""
    data: Path = Path()
    """The edge's data folder."""
    durable: bool = True
    """Whether the other side should keep for us what we have not committed; False for `edge check`, which must not disturb the running edge."""
    last_us: Callable[[str], int | None] = _unknown
    """Source time, µs, of a signal's newest reading that is stored."""

    def path(self, name: str) -> Path:
        """A path that the file names: absolute, or relative to the file."""
        return self.folder / name

    @property
    def equipment(self) -> tuple[str, ...]:
        """Ids of the equipment behind this source, each once, in the order of the file."""
        return tuple(dict.fromkeys(signal.equipment for signal in self.signals))


class Source(Protocol):
    """An open source. Opening reads no network; `connect`, `read` … `read`, then `close`, and again after a loss."""

    equipment: tuple[str, ...]
    problems: dict[str, str]
    """Signal id → why it gives no readings although the source is connected."""

    @property
    def warnings(self) -> list[str]:
        """What works and should not stay so, in words: no security, a certificate that expires soon, another unit than the register's."""

    async def connect(self) -> None:
        """Reach the other side and ask for every signal.

        Raises:
            NotConnected: it does not answer; try again.
            ConfigError: it answers, and the file asks for something that it does not have.
        """

    async def read(self) -> list[Delivery]:
        """Wait for the next readings, in order.

        Raises:
            NotConnected: the connection is gone; everything that had arrived was delivered before.
        """

    async def close(self) -> None:
        """Let go of the connection, within two seconds, connected or not."""


def source_names() -> list[str]:
    """The protocols that exist, sorted: one per file in `edge/sources`."""
    return sorted(module.name for module in pkgutil.iter_modules(sources.__path__))


def leaves_parts_open(protocol: str) -> bool:
    """Whether a placeholder that nothing fills means something to this protocol; its settings say so by `OPEN_PARTS: ClassVar[bool] = True`."""
    if protocol not in source_names():
        return False
    settings = typing.get_type_hints(import_module(f"{sources.__name__}.{protocol}").open_source)["settings"]
    return bool(getattr(settings, "OPEN_PARTS", False))


def open_source(protocol: str, options: dict[str, Any], context: SourceContext) -> Source:
    """The source of this protocol with these options; nothing is connected yet.

    Raises:
        ConfigError: no such protocol, an unknown, missing or impossible option, or an address that the protocol does not understand.
    """
    if protocol not in source_names():
        raise ConfigError(f"{context.where}: no protocol '{protocol}'; there are {', '.join(source_names())}")
    opener = import_module(f"{sources.__name__}.{protocol}").open_source
    settings = convert(options, typing.get_type_hints(opener)["settings"], context.where)
    source: Source = opener(settings, context)
    return source
