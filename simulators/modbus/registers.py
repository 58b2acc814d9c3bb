"""Register maps of older controllers, one by kind of equipment. Holding and input registers (function codes 3 and 4) show the same; addresses from 0.

Words of a longer number come with the highest first (Modbus Application Protocol 1.1b3 says so for bytes only; most controllers go on like that).
Values are integers in the unit and step that the table gives; text is ASCII, two characters a register, padded with NUL. The last two registers
count scans, modulo 2^32: a client sees by them that the device lives. There is no source time: the client's own has to do.

    compressor                                   machining_centre, lathe
     0      item_state      u16                   0      item_state           u16
     1      pressure        i16  0.01 bar         1      operation_mode       u16
     2      oil_temperature i16  0.1 Cel          2      alarm                u16
     3-4    power           u32  1 W              3      feed_override        u16  1 %
     5-8    energy_import   u64  1 W.h            4      spindle_load         u16  0.1 %
     9-10   scans           u32                   5      spindle_temperature  i16  0.1 Cel
                                                  6      spindle_vibration    u16  0.01 mm/s
                                                  7-8    spindle_speed        u32  1 {rev}/min
                                                  9-10   power                u32  1 W
                                                 11-14   energy_import        u64  1 W.h
                                                 15-16   part_count           u32
                                                 17-18   good_count           u32
                                                 19-20   scrap_count          u32
                                                 21-28   program              text
                                                 29-30   scans                u32
"""

import msgspec

from simulators.machine import Value, Values

SCANS = "scans"


class Cell(msgspec.Struct, frozen=True):
    """One row of a map."""

    name: str
    words: int
    kind: str = "u"
    """u unsigned, i signed, t text."""
    steps: float = 0
    """How many steps make one unit; 0 for an integer signal."""


_COMPRESSOR = (
    Cell("item_state", 1), Cell("pressure", 1, "i", 100), Cell("oil_temperature", 1, "i", 10), Cell("power", 2, "u", 1), Cell("energy_import", 4),
    Cell(SCANS, 2),
)
_CNC = (
    Cell("item_state", 1), Cell("operation_mode", 1), Cell("alarm", 1), Cell("feed_override", 1, "u", 1), Cell("spindle_load", 1, "u", 10),
    Cell("spindle_temperature", 1, "i", 10), Cell("spindle_vibration", 1, "u", 100), Cell("spindle_speed", 2, "u", 1), Cell("power", 2, "u", 1),
    Cell("energy_import", 4), Cell("part_count", 2), Cell("good_count", 2), Cell("scrap_count", 2), Cell("program", 8, "t"), Cell(SCANS, 2),
)
MAPS = {"compressor": _COMPRESSOR, "machining_centre": _CNC, "lathe": _CNC}
"""By kind of equipment."""


def encode(cells: tuple[Cell, ...], values: Values) -> list[int]:
    """The registers; a value beyond what its registers can hold shows as the nearest that they can."""
    words: list[int] = []
    for cell in cells:
        value = values.get(cell.name, 0)
        size = 2 * cell.words
        if cell.kind == "t":
            raw = str(value).encode("ascii", "replace")[:size].ljust(size, b"\0")
        else:
            number = round(float(value) * cell.steps) if cell.steps else int(value)
            low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if cell.kind == "i" else (0, (1 << 8 * size) - 1)
            raw = min(max(number, low), high).to_bytes(size, "big", signed=cell.kind == "i")
        words += [int.from_bytes(raw[at : at + 2], "big") for at in range(0, size, 2)]
    return words


def decode(cells: tuple[Cell, ...], words: list[int]) -> Values:
    """What the registers say: that is what a client was offered, hence the truth."""
    values: Values = {}
    at = 0
    for cell in cells:
        raw = b"".join(word.to_bytes(2, "big") for word in words[at : at + cell.words])
        at += cell.words
        values[cell.name] = _value(cell, raw)
    return values


def _value(cell: Cell, raw: bytes) -> Value:
    if cell.kind == "t":
        return raw.rstrip(b"\0").decode("ascii")
    number = int.from_bytes(raw, "big", signed=cell.kind == "i")
    return number / cell.steps if cell.steps else number
