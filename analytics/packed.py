"""Many components of one indicator as columns: a year of hours of a hundred machines merges in a blink, to the same bits as piece by piece."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.boundary import OFF, Boundary, Episodes, Slots, merge_boundaries
from analytics.indicator import Components
from analytics.missing import Spans
from workshop.errors import Rejected

_NOTHING = -(2**63)
"""Stands for None among the codes of episodes."""


class PackedEpisodes(msgspec.Struct, frozen=True, eq=False):
    """Episodes by row."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    count: NDArray[np.int64]


class PackedSlots(msgspec.Struct, frozen=True, eq=False):
    """Slots by row, as many columns as the widest row has; `length` of them count."""

    step_us: int
    first: NDArray[np.int64]
    length: NDArray[np.int64]
    sums: NDArray[np.int64]


class PackedOthers(msgspec.Struct, frozen=True, eq=False):
    """Boundaries that have no columns, one by row."""

    pieces: list[Boundary]


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
    borders: dict[str, PackedEpisodes | PackedSlots | PackedOthers]
    accounted: dict[str, PackedSpans]
    growth_lost: PackedSpans


def pack(components: Sequence[Components]) -> Packed:
    """The components as columns.

    Raises:
        Rejected: none, of several indicators or versions, or without the same boundaries in each.
    """
    if len({(item.indicator, item.version) for item in components}) != 1 or len({tuple(sorted(item.boundary)) for item in components}) != 1:
        raise Rejected("components to be packed must be of one indicator and version, with the same boundaries")
    equipment = sorted({item.equipment for item in components})
    roles = sorted({role for item in components for role in item.accounted})
    where = {name: number for number, name in enumerate(equipment)}
    names = sorted({name for item in components for name in item.values})
    columns = [(item.hour_us, item.start_us, item.end_us, item.covered_us, item.window_us) for item in components]
    return Packed(
        components[0].indicator, components[0].version, equipment, np.array([where[item.equipment] for item in components], np.int64),
        np.array(columns, np.int64).T, names, np.array([[item.values.get(name, 0) for item in components] for name in names], np.int64),
        np.array([[name in item.values for item in components] for name in names], np.bool_),
        {name: _pack_border([item.boundary[name] for item in components]) for name in sorted(components[0].boundary)},
        {role: _pack_spans([item.accounted.get(role) for item in components]) for role in roles},
        _pack_spans([item.growth_lost for item in components]),
    )


def merge_packed(packed: Packed) -> list[Components]:
    """One piece per equipment, as `merge_all` of the same components.

    Raises:
        Rejected: two pieces of one piece of equipment overlap.
    """
    order = np.lexsort((packed.columns[2], packed.columns[1], packed.place))
    if bool((order[1:] < order[:-1]).any()):
        packed = _take(packed, order)
    place, (hour, start, end, covered, watched) = packed.place, packed.columns
    same = place[1:] == place[:-1]
    if bool((same & (start[1:] < end[:-1])).any()):
        raise Rejected(f"components of {packed.indicator}: two pieces of one piece of equipment overlap")
    begins = np.flatnonzero(np.concatenate(([True], ~same)))
    sums = [np.add.reduceat(column, begins).tolist() for column in packed.values]
    has = [np.logical_or.reduceat(column, begins).tolist() for column in packed.present]
    borders = {name: _merge_border(border, begins, same) for name, border in packed.borders.items()}
    accounted = {role: _merge_spans(spans, begins) for role, spans in packed.accounted.items()}
    lost = _merge_spans(packed.growth_lost, begins)
    hours, starts, ends = np.minimum.reduceat(hour, begins), start[begins], np.maximum.reduceat(end, begins)
    known, seen = np.add.reduceat(covered, begins), np.add.reduceat(watched, begins)
    return [
        Components(
            packed.indicator, packed.version, packed.equipment[int(place[begin])], int(hours[n]), int(starts[n]), int(ends[n]), int(known[n]),
            int(seen[n]), {name: sums[k][n] for k, name in enumerate(packed.names) if has[k][n]},
            {role: found[n] for role, found in accounted.items() if packed.accounted[role].present[begin]}, lost[n],
            {name: found[n] for name, found in borders.items()},
        )
        for n, begin in enumerate(begins.tolist())
    ]


def _take(packed: Packed, order: NDArray[np.int64]) -> Packed:
    borders: dict[str, PackedEpisodes | PackedSlots | PackedOthers] = {}
    for name, border in packed.borders.items():
        if isinstance(border, PackedEpisodes):
            borders[name] = PackedEpisodes(border.first[order], border.last[order], border.count[order])
        elif isinstance(border, PackedOthers):
            borders[name] = PackedOthers([border.pieces[row] for row in order.tolist()])
        else:
            borders[name] = PackedSlots(border.step_us, border.first[order], border.length[order], border.sums[order])
    return msgspec.structs.replace(
        packed, place=packed.place[order], columns=packed.columns[:, order], values=packed.values[:, order], present=packed.present[:, order],
        borders=borders, accounted={role: _take_spans(spans, order) for role, spans in packed.accounted.items()},
        growth_lost=_take_spans(packed.growth_lost, order),
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


def _pack_border(pieces: Sequence[Boundary]) -> PackedEpisodes | PackedSlots | PackedOthers:
    if not any(isinstance(piece, Episodes | Slots) for piece in pieces):
        return PackedOthers(list(pieces))
    episodes = [piece for piece in pieces if isinstance(piece, Episodes)]
    if len(episodes) == len(pieces):
        codes = [[_NOTHING if code is None else code for code in (piece.first, piece.last)] + [piece.count] for piece in episodes]
        return PackedEpisodes(*np.array(codes, np.int64).T)
    slots = [piece for piece in pieces if isinstance(piece, Slots)]
    if episodes or len({piece.step_us for piece in slots}) != 1:
        raise Rejected("boundaries of different kinds or lengths do not pack")
    length = np.array([len(piece.sums) // 8 for piece in slots], np.int64)
    sums = np.zeros((len(slots), int(length.max())), np.int64)
    for row, piece in enumerate(slots):
        sums[row, : length[row]] = piece.values
    return PackedSlots(slots[0].step_us, np.array([piece.first for piece in slots], np.int64), length, sums)


def _merge_border(border: PackedEpisodes | PackedSlots | PackedOthers, begins: NDArray[np.int64], same: NDArray[np.bool_]) -> list[Boundary]:
    ends = np.append(begins[1:], len(same) + 1).tolist()
    spans = list(zip(begins.tolist(), ends, strict=True))
    if isinstance(border, PackedOthers):
        return [merge_boundaries(border.pieces[begin:end]) for begin, end in spans]
    if isinstance(border, PackedSlots):
        return [_merge_slots(border, begin, end) for begin, end in spans]
    return [_merge_episodes(border, begin, end) for begin, end in spans]


def _merge_episodes(border: PackedEpisodes, begin: int, end: int) -> Episodes:
    first, last = border.first[begin:end], border.last[begin:end]
    known = first != _NOTHING
    if not known.any():
        return Episodes(None, None, 0)
    first, last = first[known], last[known]
    going_on = int(((last[:-1] == first[1:]) & (last[:-1] != OFF)).sum())
    return Episodes(int(first[0]), int(last[-1]), int(border.count[begin:end].sum()) - going_on)


def _merge_slots(border: PackedSlots, begin: int, end: int) -> Slots:
    first, length, sums = border.first[begin:end], border.length[begin:end], border.sums[begin:end]
    touched = length > 0
    if not touched.any():
        return Slots(border.step_us, 0, b"")
    start = int(first[touched].min())
    merged = np.zeros(int((first + length)[touched].max()) - start, np.int64)
    for column in range(sums.shape[1]):
        rows = length > column
        np.add.at(merged, first[rows] - start + column, sums[rows, column])
    return Slots(border.step_us, start, merged.astype("<i8").tobytes())
