"""Which series of line protocol is which signal: the table [line_protocol] of gateway.toml. What it does not name is counted, not guessed."""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.line_protocol import NO_TIME, UNSIGNED, Values
from gateway.line_scan import split_key
from workshop.block import Block
from workshop.canonical import LARGEST_INTEGER
from workshop.errors import ConfigError
from workshop.reading import Quality, ValueKind
from workshop.register import Workshop
from workshop.signal import SignalKind
from workshop.window import Clock

ANY = "*"
MOST_SERIES = 100_000
MOST_TEXT = 2**18
_PLACE = re.compile(r"\{([^{}]+)\}")
_TYPES: Mapping[int, str] = {ValueKind.F64: "float", ValueKind.I64: "integer", ValueKind.TEXT: "string", UNSIGNED: "unsigned"}


class LineRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table: a series with this measurement, field and these tags is this signal. The first row that fits counts."""

    signal: str
    """The signal's id; {tag}, {field} and {measurement} in it stand for what the series has there."""
    measurement: str = ANY
    """The measurement; * is any."""
    field: str = ANY
    """The field; * is any."""
    tags: dict[str, str] = {}
    """Tags that the series must have; others do not matter."""


class LineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[line_protocol] of gateway.toml: who may write what by `POST /api/v2/write`."""

    map: tuple[LineRule, ...]
    """The table of series and signals."""
    org: str = "chejian"
    """Organisation that writers name."""
    bucket: str = "chejian"
    """Bucket that writers name."""
    edge: str = "line-protocol"
    """Id of the edge that the gateway is for them, provenance third-party."""
    body_bytes: int = 32 * 2**20
    """Largest body, decompressed."""


class Counter(Protocol):
    """Counts rows that are not taken, by series and reason."""

    def __call__(self, series: str, reason: str, rows: int) -> None:
        """So many rows of this series."""


class Mapped(msgspec.Struct, frozen=True):
    """Rows of a write as a block, and the lines with a field that its signal cannot take."""

    block: Block
    dropped: int
    """Lines left out for a conflict of types."""
    reason: str
    """Of the first of them, in InfluxDB's words."""


class LineRules:
    """The table over a register.

    Raises:
        ConfigError: a row without placeholders whose signal is not in the register, or no rows at all.
    """

    def __init__(self, settings: LineSettings, register: Workshop, clock: Clock, count: Counter) -> None:
        self._rules, self._clock, self._count = settings.map, clock, count
        self._kinds: Mapping[str, SignalKind] = {name: signal.kind for name, _, signal in register.signals()}
        self._known: dict[tuple[bytes, bytes], str | None] = {}
        if not self._rules:
            raise ConfigError("gateway.toml: [line_protocol] has no [[line_protocol.map]]: nothing that is written would be a signal")
        for rule in self._rules:
            if not _PLACE.search(rule.signal) and rule.signal not in self._kinds:
                raise ConfigError(f"gateway.toml: [[line_protocol.map]]: signal '{rule.signal}' is not in the register")

    def block(self, values: Values) -> Mapped:
        """The values as readings: received now; without a time of their own also made now. Unmapped series are counted."""
        now_us = self._clock()
        signals = [self._signal(*name) for name in values.names]
        used = sorted({name for name in signals if name is not None})
        place = {name: i for i, name in enumerate(used)}
        signal = np.array([-1 if name is None else place[name] for name in signals] or [-1], np.int32)[values.series]
        self._count_unmapped(values, signals, signal)
        wrong, reason = self._conflicts(values, used, signal)
        lines = np.unique(values.line[wrong])
        # A line with one field of the wrong type is left out whole, as InfluxDB leaves out the point.
        keep = np.flatnonzero((signal >= 0) & ~np.isin(values.line, lines))
        time_us = np.where(values.time_ns == NO_TIME, now_us, values.time_ns // 1000)[keep]
        late = np.abs(time_us) >= LARGEST_INTEGER
        if bool(late.any()):
            self._count("*", "time beyond 2^53 µs", int(late.sum()))
            keep, time_us = keep[~late], time_us[~late]
        text = [values.text.get(row, b"").decode("utf-8", "replace")[:MOST_TEXT] for row in keep.tolist()] if values.text else []
        kind, n = values.kind[keep], len(keep)
        f64 = np.where(kind == ValueKind.F64, values.f64[keep], 0.0)
        block = Block(
            used, [""], signal[keep], time_us.astype(np.int64), np.full(n, now_us, np.int64), kind, f64,
            np.where(kind == ValueKind.I64, values.i64[keep], 0), text, np.full(n, Quality.GOOD, np.uint8), np.zeros(n, np.int32),
        )
        return Mapped(block, len(lines), reason)

    def _conflicts(self, values: Values, used: list[str], signal: NDArray[np.int32]) -> tuple[NDArray[np.bool_], str]:
        """Rows whose kind the signal cannot take, and InfluxDB's words for the first."""
        numeric = np.array([self._kinds[name] is not SignalKind.TEXT for name in used] or [False], np.bool_)
        textual = np.array([self._kinds[name] in (SignalKind.TEXT, SignalKind.EVENT) for name in used] or [False], np.bool_)
        is_text = values.kind == ValueKind.TEXT
        wrong = (signal >= 0) & (np.where(is_text, ~textual[signal], ~numeric[signal]) | (values.kind == UNSIGNED))
        # Of a field that a line names twice the last value is stored, but each has to be of the field's type.
        for row, kinds in values.earlier.items():
            if signal[row] >= 0:
                wrong[row] |= _misfit(self._kinds[used[int(signal[row])]], (*kinds, int(values.kind[row]))) is not None
        if not bool(wrong.any()):
            return wrong, ""
        row = int(np.flatnonzero(wrong)[0])
        key, field = values.names[int(values.series[row])]
        is_, has = _misfit(self._kinds[used[int(signal[row])]], (*values.earlier.get(row, ()), int(values.kind[row]))) or ("", "")
        what = f'input field "{_text(field)}" on measurement "{_text(split_key(key)[0])}"'
        return wrong, f"field type conflict: {what} is type {is_}, already exists as type {has}"

    def _count_unmapped(self, values: Values, signals: list[str | None], signal: NDArray[np.int32]) -> None:
        for number in np.unique(values.series[signal < 0]).tolist() if len(values) else ():
            key, field = values.names[number]
            rows = int((values.series == number).sum())
            self._count(f"{_text(key)} {_text(field)}", "no row of [[line_protocol.map]] names a signal of the register for this series", rows)

    def _signal(self, key: bytes, field: bytes) -> str | None:
        if (key, field) not in self._known:
            if len(self._known) >= MOST_SERIES:
                self._known.clear()
            self._known[key, field] = self._find(key, field)
        return self._known[key, field]

    def _find(self, key: bytes, field: bytes) -> str | None:
        name, raw = split_key(key)
        tags = {_text(tag): _text(value) for tag, value in raw.items()}
        own = {"measurement": _text(name), "field": _text(field)}
        for rule in self._rules:
            if rule.measurement not in (ANY, own["measurement"]) or rule.field not in (ANY, own["field"]):
                continue
            if any(tags.get(tag) != value for tag, value in rule.tags.items()):
                continue
            signal = _PLACE.sub(lambda place: (own | tags).get(place[1], ""), rule.signal)
            if signal in self._kinds:
                return signal
        return None


def _misfit(signal: SignalKind, kinds: Sequence[int]) -> tuple[str, str] | None:
    """The first of a field's values in a line that does not fit: its type, and the type that the field has; None where all fit.

    A signal of kind event takes numbers and texts: there the first value fixes the type, as a field's first point does in InfluxDB.
    """
    has = "string" if signal is SignalKind.TEXT or (signal is SignalKind.EVENT and kinds[0] == ValueKind.TEXT) else "float"
    return next(((_TYPES[kind], has) for kind in kinds if kind == UNSIGNED or (kind == ValueKind.TEXT) != (has == "string")), None)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
