"""Where a value stands in the registers of a Modbus unit, and what the words mean (MODBUS Application Protocol 1.1b3, chapters 4 and 6). Pure."""

import re
import struct
from collections.abc import Iterable
from typing import Literal

import msgspec

from edge.rules import Rule, split_rule
from edge.source import MappedSignal
from workshop.errors import ConfigError, Rejected

WordOrder = Literal["big", "little"]
_FORM = re.compile(r"(?:(\d{1,3}):)?(input|holding|coil|discrete)/(\d{1,5})/(u16|i16|u32|i32|u64|i64|f32|f64|bit|bit(\d{1,2})|text(\d{1,2}))")
_WORDS = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "u64": 4, "i64": 4, "f32": 2, "f64": 4}
MOST_WORDS, MOST_BITS = 125, 2000
"""In one request; 6.1 to 6.4."""
_BRIDGE = 16
"""Unused words that are read along rather than with another request."""


class Cell(msgspec.Struct, frozen=True):
    """One value."""

    signal: MappedSignal
    unit: int
    table: str
    start: int
    words: int
    kind: str
    rule: Rule

    @property
    def is_bits(self) -> bool:
        """Whether it stands in a table of single bits."""
        return self.table in ("coil", "discrete")


class Request(msgspec.Struct, frozen=True):
    """Cells that are read at once."""

    unit: int
    table: str
    start: int
    count: int
    cells: tuple[Cell, ...]


def cell_of(signal: MappedSignal, where: str) -> Cell:
    """The cell of an address such as `1:input/3/u32 | /10`.

    Raises:
        ConfigError: of another form.
    """
    address, rule = split_rule(signal.address, f"{where}: {signal.id}")
    found = _FORM.fullmatch(address)
    form = "write UNIT:TABLE/REGISTER/TYPE, such as 1:input/3/u32; tables are input, holding, coil, discrete"
    if found is None:
        raise ConfigError(f"{where}: {signal.id}: address '{address}': {form}; types u16 i16 u32 i32 u64 i64 f32 f64 bit bitN textN")
    unit, table, start, kind = int(found[1] or 1), found[2], int(found[3]), found[4]
    words = int(found[6]) if found[6] else _WORDS.get(kind, 1)
    if (table in ("coil", "discrete")) != (kind == "bit") or (found[5] and int(found[5]) > 15) or not words or start + words > 0x10000 or unit > 255:
        raise ConfigError(f"{where}: {signal.id}: address '{address}': coil and discrete have type bit, registers bit0 to bit15; {form}")
    return Cell(signal, unit, table, start, words, kind, rule)


def requests_of(cells: Iterable[Cell]) -> list[Request]:
    """As few requests as possible for these cells."""
    requests: list[Request] = []
    group: list[Cell] = []

    def close() -> None:
        if group:
            end = max(cell.start + cell.words for cell in group)
            requests.append(Request(group[0].unit, group[0].table, group[0].start, end - group[0].start, tuple(group)))
            group.clear()

    for cell in sorted(cells, key=lambda cell: (cell.unit, cell.table, cell.start)):
        if group:
            end = max(one.start + one.words for one in group)
            most = MOST_BITS if cell.is_bits else MOST_WORDS
            apart = cell.start - end > _BRIDGE or max(end, cell.start + cell.words) - group[0].start > most
            if (cell.unit, cell.table) != (group[0].unit, group[0].table) or apart:
                close()
        group.append(cell)
    close()
    return requests


def value_of(cell: Cell, words: list[int], order: WordOrder) -> int | float | str:
    """What the words of a cell say; a bit table's word is 0 or 1.

    Raises:
        Rejected: fewer words than it has, or text that is none.
    """
    if len(words) != cell.words:
        raise Rejected(f"{len(words)} registers instead of {cell.words}")
    if cell.kind == "bit":
        return int(bool(words[0]))
    if cell.kind.startswith("bit"):
        return words[0] >> int(cell.kind[3:]) & 1
    text = cell.kind.startswith("text")
    raw = b"".join((word & 0xFFFF).to_bytes(2, "big") for word in (words if order == "big" or text else reversed(words)))
    if text:
        try:
            return raw.split(b"\0", 1)[0].decode().rstrip(" ")
        except UnicodeDecodeError as error:
            raise Rejected(f"{raw[:20]!r} is not text") from error
    if cell.kind in ("f32", "f64"):
        return float(struct.unpack(">f" if cell.kind == "f32" else ">d", raw)[0])
    return int.from_bytes(raw, "big", signed=cell.kind[0] == "i")
