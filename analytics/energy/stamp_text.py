"""Time stamps of a file as seconds: the forms in which people and meters write them, with the offset that they carry.

A constant offset is dropped and said: the days of the curve begin where the stamps say midnight. Offsets that change (summer time written out) are
put into that of the first row. Numbers are seconds, ms or µs since 1970, UTC.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from workshop.errors import ConfigError

_CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p")
_DATES = (
    "%Y-%m-%d ", "%Y-%m-%dT", "%Y/%m/%d ", "%Y.%m.%d ", "%Y%m%d ", "%Y年%m月%d日 ", "%d/%m/%Y ", "%m/%d/%Y ", "%d.%m.%Y ", "%d-%m-%Y ", "%m-%d-%Y ",
)
FORMATS = (*(date + clock for date in _DATES for clock in _CLOCKS), "%Y年%m月%d日 %H时%M分", "%Y年%m月%d日%H时%M分", "%Y年%m月%d日%H:%M")
_HOUR_24 = re.compile(r"(?<!\d)24:00(:00)?$")
_ZONE = re.compile(r"(?<=[\d.])\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$", re.IGNORECASE)
_NOON = re.compile(r"(上午|下午)\s*(\S+)$")
_EPOCH = re.compile(r"\d{9,10}(\.\d+)?|\d{12,13}|\d{15,16}")
_UNITS = {"s": 1, "ms": 1000, "µs": 1_000_000}
_DAY_S = 86_400
_ORIGIN = datetime(1970, 1, 1)


class Reading(msgspec.Struct, frozen=True, eq=False):
    """One way in which all stamps can be read."""

    form: str
    seconds: NDArray[np.int64]
    """i64[n]: local time, seconds since 1970 as if it were UTC, rounded down."""
    closing: bool
    """Hour 24 occurs: stamps mark the end of their interval."""
    said: list[str]


def read_stamps(texts: Sequence[str], file: str) -> list[Reading]:
    """Every form in which all stamps can be read.

    Raises:
        ConfigError: none, or only some rows say their offset from UTC; with the row.
    """
    stripped = [text.strip() for text in texts]
    if stripped and all(_EPOCH.fullmatch(text) for text in stripped):
        return [_epoch(stripped)]
    plain, offset_s, said = _zones(stripped, file)
    plain = [_NOON.sub(lambda found: f"{found[2]} {'AM' if found[1] == '上午' else 'PM'}", text) for text in plain]
    closing = np.array([_HOUR_24.search(text) is not None for text in plain], np.bool_)
    plain = [_HOUR_24.sub(lambda found: "00:00" + (found[1] or ""), text) for text in plain]
    found, furthest, reason = list[Reading](), -1, ""
    for form in FORMATS:
        seconds = np.zeros(len(plain), np.int64)
        row = 0
        try:
            for row, text in enumerate(plain):
                seconds[row] = (datetime.strptime(text, form) - _ORIGIN) // timedelta(seconds=1)
        except ValueError:
            if row > furthest:
                furthest, reason = row, f"row {row + 2}: '{texts[row][:40]}' is no time as the rows before it ({form})"
            continue
        found.append(Reading(form, seconds + closing * _DAY_S + offset_s, bool(closing.any()), said))
    if not found:
        raise ConfigError(f"{file}: {reason if furthest > 0 else _first(texts)}")
    return found


def _first(texts: Sequence[str]) -> str:
    return f"row 2: '{texts[0][:40]}' is no time; write it as 2018-01-31 00:15 or 31/01/2018 00:15"


def _epoch(texts: Sequence[str]) -> Reading:
    digits = len(texts[0].partition(".")[0])
    unit = "s" if digits <= 10 else "ms" if digits <= 13 else "µs"
    seconds = np.array([int(text.partition(".")[0]) // _UNITS[unit] for text in texts], np.int64)
    return Reading(f"{unit} since 1970", seconds, False, [f"stamps are numbers: read as {unit} since 1970, so that days begin at 00:00 UTC"])


def _zones(texts: Sequence[str], file: str) -> tuple[list[str], NDArray[np.int64], list[str]]:
    """The texts without their offsets, what to add to put all rows into the first one's, and what to say."""
    found = [_ZONE.search(text) if ":" in text else None for text in texts]
    zoned = np.array([item is not None for item in found], np.bool_)
    nothing = np.zeros(len(texts), np.int64)
    if not zoned.any():
        return list(texts), nothing, []
    if not zoned.all():
        row, other = int(np.argmin(zoned)), int(np.argmax(zoned))
        raise ConfigError(
            f"{file}: row {row + 2}: '{texts[row][:40]}' does not say its offset from UTC, row {other + 2} does: '{texts[other][:40]}'; "
            "write all or none"
        )
    offsets = np.array([_offset_s(item[1]) for item in found if item is not None], np.int64)
    first = next(item[1] for item in found if item is not None)
    said = f"stamps carry an offset from UTC, {first}: days begin at midnight of that clock, whatever the site's is"
    if bool((offsets != offsets[0]).any()):
        said = f"stamps carry changing offsets from UTC: all put into that of the first row, {first}"
    return [_ZONE.sub("", text) for text in texts], offsets[0] - offsets, [said]


def _offset_s(text: str) -> int:
    if text[0] not in "+-":
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if text[0] == "-" else seconds
