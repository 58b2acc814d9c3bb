"""Many components of one indicator as columns: a year of hours of a hundred machines merges in a blink, to the same bits as piece by piece."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.indicator import Components
from analytics.missing import Spans
from analytics.packed_borders import PackedBorder, pack_border
from workshop.errors import Rejected


class PackedSpans(msgspec.Struct, frozen=True, eq=False):
    """m spans of time of n rows, and which rows have such spans at all."""

    row: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    present: NDArray[np.bool_]


class Packed(msgspec.Struct, frozen=True, eq=False):
    """n components, k names of values."""

    indicator: str
    version: int
    equipment: list[str]
    place: NDArray[np.int64]
    """i64[n]: index into `equipment`."""
    columns: NDArray[np.int64]
    """i64[5, n]: hour, start, end, covered, watched, µs."""
    names: list[str]
    values: NDArray[np.int64]
    """i64[k, n]"""
    present: NDArray[np.bool_]
    """bool[k, n]: whether the component has the name at all."""
    borders: dict[str, PackedBorder]
    accounted: dict[str, PackedSpans]
    growth_lost: PackedSpans


def pack(components: Sequence[Components]) -> Packed:
    """The components as columns.

    Raises:
        Rejected: none, of several indicators or versions, or without the same boundaries in each.
    """
    if not components:
        raise Rejected("there are no components to be packed: of what indicator they would be is not known")
    if len({(item.indicator, item.version) for item in components}) != 1 or len({tuple(sorted(item.boundary)) for item in components}) != 1:
        raise Rejected("components to be packed must be of one indicator and version, with the same boundaries")
    equipment = sorted({item.equipment for item in components})
    roles = sorted({role for item in components for role in item.accounted})
    where = {name: number for number, name in enumerate(equipment)}
    names = sorted({name for item in components for name in item.values})
    columns = [(item.hour_us, item.start_us, item.end_us, item.covered_us, item.window_us) for item in components]
    values = np.array([[item.values.get(name, 0) for item in components] for name in names], np.int64)
    present = np.array([[name in item.values for item in components] for name in names], np.bool_)
    return Packed(
        components[0].indicator, components[0].version, equipment, np.array([where[item.equipment] for item in components], np.int64),
        np.array(columns, np.int64).T, names, values.reshape(-1, len(components)), present.reshape(-1, len(components)),
        {name: pack_border([item.boundary[name] for item in components]) for name in sorted(components[0].boundary)},
        {role: _pack_spans([item.accounted.get(role) for item in components]) for role in roles},
        _pack_spans([item.growth_lost for item in components]),
    )


def merge_packed(packed: Packed) -> list[Components]:
    """One piece per equipment, as `merge_all` of the same components.

    Raises:
        Rejected: two pieces of one piece of equipment overlap.
    """
    if not _in_order(packed):
        packed = _take(packed, np.lexsort((packed.columns[2], packed.columns[1], packed.place)))
    place, (hour, start, end, covered, watched) = packed.place, packed.columns
    same = place[1:] == place[:-1]
    if bool((same & (start[1:] < end[:-1])).any()):
        raise Rejected(f"components of {packed.indicator}: two pieces of one piece of equipment overlap")
    begins = np.flatnonzero(np.concatenate(([True], ~same)))
    sums = [np.add.reduceat(column, begins).tolist() for column in packed.values]
    has = [np.logical_or.reduceat(column, begins).tolist() for column in packed.present]
    borders = {name: border.merged(begins) for name, border in packed.borders.items()}
    accounted = {role: _merge_spans(spans, begins) for role, spans in packed.accounted.items()}
    told = {role: np.logical_or.reduceat(spans.present, begins).tolist() for role, spans in packed.accounted.items()}
    lost = _merge_spans(packed.growth_lost, begins)
    hours, starts, ends = np.minimum.reduceat(hour, begins), start[begins], np.maximum.reduceat(end, begins)
    known, seen = np.add.reduceat(covered, begins), np.add.reduceat(watched, begins)
    return [
        Components(
            packed.indicator, packed.version, packed.equipment[int(place[begin])], int(hours[n]), int(starts[n]), int(ends[n]), int(known[n]),
            int(seen[n]), {name: sums[k][n] for k, name in enumerate(packed.names) if has[k][n]},
            {role: found[n] for role, found in accounted.items() if told[role][n]}, lost[n],
            {name: found[n] for name, found in borders.items()},
        )
        for n, begin in enumerate(begins.tolist())
    ]


def _in_order(packed: Packed) -> bool:
    """Whether the rows stand by equipment, start and end."""
    rising = np.ones(max(0, len(packed.place) - 1), np.bool_)
    for column in (packed.columns[2], packed.columns[1], packed.place):
        rising = (column[1:] > column[:-1]) | ((column[1:] == column[:-1]) & rising)
    return bool(rising.all())


def _take(packed: Packed, order: NDArray[np.int64]) -> Packed:
    return msgspec.structs.replace(
        packed, place=packed.place[order], columns=packed.columns[:, order], values=packed.values[:, order], present=packed.present[:, order],
        borders={name: border.take(order) for name, border in packed.borders.items()},
        accounted={role: _take_spans(spans, order) for role, spans in packed.accounted.items()}, growth_lost=_take_spans(packed.growth_lost, order),
    )


def _take_spans(spans: PackedSpans, order: NDArray[np.int64]) -> PackedSpans:
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return PackedSpans(place[spans.row], spans.start, spans.end, spans.present[order])


def _pack_spans(pieces: Sequence[Spans | None]) -> PackedSpans:
    found = [(row, start, end) for row, spans in enumerate(pieces) for start, end in spans or ()]
    row, start, end = np.array(found, np.int64).reshape(-1, 3).T
    return PackedSpans(row, start, end, np.array([spans is not None for spans in pieces], np.bool_))


def _merge_spans(spans: PackedSpans, begins: NDArray[np.int64]) -> list[Spans]:
    """The union of the spans of each group of rows, groups beginning at these rows."""
    found: list[Spans] = [()] * len(begins)
    if not len(spans.row):
        return found
    group = np.searchsorted(begins, spans.row, side="right") - 1
    # Every group has a stretch of time of its own: all groups unite in one pass.
    base = int(spans.start.min())
    stretch = int(spans.end.max()) - base + 1
    shift = group * stretch - base
    order = np.argsort(spans.start + shift, kind="stable")
    start, end = (spans.start + shift)[order], np.maximum.accumulate((spans.end + shift)[order])
    first = np.concatenate(([True], start[1:] > end[:-1]))
    last = np.append(first[1:], True)
    groups = group[order][first]
    starts, ends = start[first] - shift[order][first], end[last] - shift[order][first]
    borders = np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1], [True]))).tolist()
    for begin, stop in pairwise(borders):
        found[int(groups[begin])] = tuple(zip(starts[begin:stop].tolist(), ends[begin:stop].tolist(), strict=True))
    return found
