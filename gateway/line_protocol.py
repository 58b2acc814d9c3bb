"""InfluxDB line protocol to columns. Plain bodies (no escapes, no quoted text) are cut by numpy and bytes.split; other lines go one by one. Pure."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.line_scan import BOOLEANS, UNSIGNED, BadLine, Field, Line, scan_key, scan_line, split_lines
from workshop.reading import ValueKind

PRECISIONS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
NO_TIME = -(2**63)
"""In place of the time of a line that has none."""
_LARGEST = 2**63 - 2
_SEPARATORS = bytes.maketrans(b",=\n", b"   ")
_SPACE, _NEWLINE, _COMMA, _EQUALS, _UNDERSCORE = b" \n,=_"
_DIGITS = np.zeros(256, np.bool_)
_DIGITS[list(b"0123456789")] = True
_STARTS = _DIGITS.copy()
_STARTS[list(b"-.")] = True

Ints = NDArray[np.int64]


class Values(msgspec.Struct, frozen=True):
    """Field values as columns; `series` index the list of (key, field name), both as bytes: the key as written, the name without escapes.

    Shapes: every column has n elements. `kind` as in a block; 4 is an unsigned integer above 2^63 - 1. `line` numbers the lines that were taken.
    """

    names: list[tuple[bytes, bytes]]
    series: NDArray[np.int32]
    line: NDArray[np.int32]
    time_ns: Ints
    kind: NDArray[np.uint8]
    f64: NDArray[np.float64]
    i64: Ints
    text: dict[int, bytes]
    """Text by row."""
    earlier: dict[int, tuple[int, ...]] = {}
    """By row, where the line gives the field's name more than once: the kinds of the values before this one, which is the last."""

    def __len__(self) -> int:
        return len(self.series)


class Parsed(msgspec.Struct, frozen=True):
    """What a body holds: values, number of good lines, and what InfluxDB would say of the bad ones, in order."""

    values: Values
    lines: int
    failed: list[str]


def parse(data: bytes, precision: str) -> Parsed:
    """The values of a body in this precision (ns, us, ms or s)."""
    multiplier = PRECISIONS[precision]
    if b"\\" in data or b'"' in data or b"#" in data or b"\t" in data or b"\x00" in data:
        lines, failed = _one_by_one(split_lines(data), multiplier)
        return Parsed(_columns(lines), len(lines), failed)
    fast, odd = _plain_lines(data, multiplier)
    if not odd:
        return Parsed(fast, _count(fast), [])
    lines, failed = _one_by_one(split_lines(b"\n".join(odd)), multiplier)
    return Parsed(_join(fast, _columns(lines)), _count(fast) + len(lines), failed)


def _count(values: Values) -> int:
    return int(values.line.max()) + 1 if len(values) else 0


def _one_by_one(lines: Sequence[bytes], multiplier: int) -> tuple[list[Line], list[str]]:
    good: list[Line] = []
    failed: list[str] = []
    for line in lines:
        try:
            good.append(scan_line(line, multiplier))
        except BadLine as error:
            failed.append(f"unable to parse '{line.decode(errors='replace')}': {error}")
    return good, failed


def _columns(lines: Sequence[Line]) -> Values:
    names: dict[tuple[bytes, bytes], int] = {}
    rows = [(line, field, number) for number, line in enumerate(lines) for field in line.fields]
    n = len(rows)
    f64, i64, text = np.zeros(n, np.float64), np.zeros(n, np.int64), {}
    earlier = {row: line.earlier[field.name] for row, (line, field, _) in enumerate(rows) if field.name in line.earlier}
    for row, (_, field, _) in enumerate(rows):
        if isinstance(field.value, bytes):
            text[row] = field.value
        elif field.kind == ValueKind.F64:
            f64[row] = field.value
        elif field.kind == ValueKind.I64:
            i64[row] = int(field.value)
    return Values(
        names=_number(names, rows), series=np.array([names[line.key, field.name] for line, field, _ in rows], np.int32),
        line=np.array([number for _, _, number in rows], np.int32),
        time_ns=np.array([NO_TIME if line.time_ns is None else line.time_ns for line, _, _ in rows], np.int64),
        kind=np.array([field.kind for _, field, _ in rows], np.uint8), f64=f64, i64=i64, text=text, earlier=earlier,
    )


def _number(names: dict[tuple[bytes, bytes], int], rows: Sequence[tuple[Line, Field, int]]) -> list[tuple[bytes, bytes]]:
    """The distinct series of the rows, numbered in order of appearance."""
    for line, field, _ in rows:
        names.setdefault((line.key, field.name), len(names))
    return list(names)


def _join(left: Values, right: Values) -> Values:
    return Values(
        left.names + right.names, np.concatenate([left.series, right.series + len(left.names)]),
        np.concatenate([left.line, right.line + _count(left)]), np.concatenate([left.time_ns, right.time_ns]),
        np.concatenate([left.kind, right.kind]), np.concatenate([left.f64, right.f64]), np.concatenate([left.i64, right.i64]),
        left.text | {row + len(left): text for row, text in right.text.items()},
        left.earlier | {row + len(left): kinds for row, kinds in right.earlier.items()},
    )


class _Cut(msgspec.Struct):
    """Where the lines of a plain body are cut: [start, first space), fields up to the second space, time up to the end."""

    start: Ints
    first: Ints
    second: Ints
    end: Ints

    def take(self, rows: NDArray[np.bool_]) -> "_Cut":
        return _Cut(self.start[rows], self.first[rows], self.second[rows], self.end[rows])


def _plain_lines(data: bytes, multiplier: int) -> tuple[Values, list[bytes]]:
    """The values of the lines that are plain to the last byte, and the other lines."""
    signs = np.frombuffer(data, np.uint8)
    newline = np.flatnonzero(signs == _NEWLINE)
    start, end = np.append(0, newline + 1), np.append(newline, len(data))
    spaces = np.flatnonzero(signs == _SPACE)
    first_space = np.searchsorted(spaces, start)
    two = (np.searchsorted(spaces, end) - first_space == 2) & (end > start)
    left = ~two & (end > start)
    if not bool(two.any()):
        return _columns(()), [data[a:b] for a, b in zip(start[left].tolist(), end[left].tolist(), strict=True)]
    at = first_space[two]
    cut = _Cut(start[two], spaces[at], spaces[at + 1], end[two])
    times, plain = _times(signs, cut, multiplier)
    plain &= (cut.first > cut.start) & (cut.second > cut.first + 1)
    values, plain = _fields(data, signs, cut, times, plain)
    starts, ends = np.append(start[left], cut.start[~plain]), np.append(end[left], cut.end[~plain])
    return values, [data[a:b] for a, b in sorted(zip(starts.tolist(), ends.tolist(), strict=True))]


def _times(signs: NDArray[np.uint8], cut: _Cut, multiplier: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Timestamps in ns; plain ones have 1 to 19 digits and fit."""
    length = cut.end - cut.second - 1
    times, good = np.zeros(len(length), np.int64), (length >= 1) & (length <= 19)
    for digits in np.unique(length[good]).tolist():
        rows = np.flatnonzero(good & (length == digits))
        seen = signs[(cut.second[rows] + 1)[:, None] + np.arange(digits)]
        value = (seen - np.uint8(48)).astype(np.uint64) @ (np.uint64(10) ** np.arange(digits - 1, -1, -1, dtype=np.uint64))
        fits = _DIGITS[seen].all(axis=1) & (value <= np.uint64(_LARGEST // multiplier))
        good[rows[~fits]] = False
        times[rows] = np.where(fits, value, 0).astype(np.int64) * multiplier
    return times, good


def _fields(
    data: bytes, signs: NDArray[np.uint8], cut: _Cut, times: Ints, plain: NDArray[np.bool_],
) -> tuple[Values, NDArray[np.bool_]]:
    """Cuts the fields of all lines at once. A line with one field that is not plain is not plain."""
    commas, equals = np.flatnonzero(signs == _COMMA), np.flatnonzero(signs == _EQUALS)
    commas, owner = _inside(commas, cut)
    starts, line = np.concatenate([cut.first + 1, commas + 1]), np.concatenate([np.arange(len(cut.first)), owner])
    order = np.argsort(starts, kind="stable")
    starts, line = starts[order], line[order]
    ends = np.append(starts[1:] - 1, 0)
    last = np.append(line[1:] != line[:-1], [True] * bool(len(line)))
    ends[last] = cut.second[line[last]]
    place = np.searchsorted(equals, starts)
    good = np.searchsorted(equals, ends) - place == 1
    sign = equals[np.minimum(place, max(len(equals) - 1, 0))] if len(equals) else np.zeros(len(starts), np.int64)
    good &= (sign > starts) & (sign + 1 < ends) & plain[line]
    plain = plain & (np.bincount(line[~good], minlength=len(plain)) == 0)
    keep = plain[line]
    starts, ends, sign, line = starts[keep], ends[keep], sign[keep], line[keep]

    keys, key_of_line, bad_keys = _keys(data, cut, plain)
    tokens = data.translate(_SEPARATORS).split(b" ")
    separators = np.flatnonzero((signs == _SPACE) | (signs == _NEWLINE) | (signs == _COMMA) | (signs == _EQUALS))
    token = np.searchsorted(separators, sign)
    fields: dict[bytes, int] = {}
    name = np.array([fields.setdefault(tokens[i], len(fields)) for i in token.tolist()], np.int64)
    kind, f64, i64, wrong = _values([tokens[i + 1] for i in token.tolist()], signs, sign + 1, ends)
    plain = plain & (np.bincount(line[wrong | bad_keys[line] | _repeated(line, name)], minlength=len(plain)) == 0)
    keep = plain[line]
    pair, series = np.unique(key_of_line[line[keep]] * max(len(fields), 1) + name[keep], return_inverse=True)
    field_names = list(fields)
    names = [(keys[number // len(fields)], field_names[number % len(fields)]) for number in pair.tolist()]
    number_of_line = np.cumsum(plain) - 1
    return Values(
        names, series.reshape(-1).astype(np.int32), number_of_line[line[keep]].astype(np.int32), times[line[keep]], kind[keep], f64[keep],
        i64[keep], {},
    ), plain


def _repeated(line: Ints, name: Ints) -> NDArray[np.bool_]:
    """Fields whose line, a column in order, has the same name before."""
    again = np.zeros(len(line), np.bool_)
    # Names are numbered as they appear, so that they rise within a line of most bodies.
    if bool(((line[1:] == line[:-1]) & (name[1:] <= name[:-1])).any()):
        order = np.lexsort((name, line))
        same = (line[order][1:] == line[order][:-1]) & (name[order][1:] == name[order][:-1])
        again[order[1:][same]] = True
    return again


def _inside(commas: Ints, cut: _Cut) -> tuple[Ints, Ints]:
    """The commas between first and second space of a line, and the number of that line."""
    owner = np.searchsorted(cut.start, commas, side="right") - 1
    inside = (owner >= 0) & (commas > cut.first[owner]) & (commas < cut.second[owner])
    return commas[inside], owner[inside]


def _keys(data: bytes, cut: _Cut, plain: NDArray[np.bool_]) -> tuple[list[bytes], Ints, NDArray[np.bool_]]:
    """Distinct keys, the key of each line, and which lines have one that is not well formed."""
    known: dict[bytes, int] = {}
    number = np.zeros(len(plain), np.int64)
    rows = np.flatnonzero(plain)
    spans = zip(cut.start[rows].tolist(), cut.first[rows].tolist(), strict=True)
    number[rows] = [known.setdefault(data[a:b], len(known)) for a, b in spans]
    bad = np.zeros(max(len(known), 1), np.bool_)
    for key, i in known.items():
        try:
            bad[i] = scan_key(key + b" ") != len(key) or len(key) > 1000
        except BadLine:
            bad[i] = True
    return list(known), number, bad[number] & plain


def _values(
    tokens: list[bytes], signs: NDArray[np.uint8], starts: Ints, ends: Ints,
) -> tuple[NDArray[np.uint8], NDArray[np.float64], Ints, NDArray[np.bool_]]:
    """Kinds and values of plain fields, and which are none. Python's own float() and int() take more than InfluxDB: those go one by one."""
    n = len(tokens)
    kind, f64, i64 = np.full(n, ValueKind.F64, np.uint8), np.zeros(n, np.float64), np.zeros(n, np.int64)
    underscores = np.flatnonzero(signs == _UNDERSCORE)
    wrong = np.searchsorted(underscores, starts) != np.searchsorted(underscores, ends)
    first, last = (signs[starts], signs[ends - 1]) if n else (signs[:0], signs[:0])
    number = _STARTS[first]
    integer = (last == ord("i")) & number
    for row in np.flatnonzero(~number | (last == ord("u"))).tolist():
        truth = BOOLEANS.get(tokens[row])
        kind[row], i64[row], tokens[row] = ValueKind.I64, truth or 0, b"0"
        wrong[row] |= truth is None
        integer[row] = False
    for row in np.flatnonzero(integer).tolist():
        kind[row] = ValueKind.I64
        try:
            i64[row] = int(tokens[row][:-1])
        except (ValueError, OverflowError):
            wrong[row] = True
        tokens[row] = b"0"
    try:
        f64[:] = [float(token) for token in tokens]
    except ValueError:
        for row, token in enumerate(tokens):
            try:
                f64[row] = float(token)
            except ValueError:
                wrong[row] = True
    finite = np.isfinite(f64)
    return kind, np.where(finite, f64, 0.0), i64, wrong | ~finite


__all__ = ["NO_TIME", "PRECISIONS", "UNSIGNED", "Parsed", "Values", "parse"]
