"""What is known to be missing: spans of time in which readings were lost or are withheld, and the little arithmetic of spans that this takes.

A span is half-open, [from, to) in µs UTC; a list of spans is sorted, and no two of them touch.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

import msgspec

Span = tuple[int, int]
Spans = tuple[Span, ...]


def union(spans: Iterable[Span]) -> Spans:
    """Spans in any order as one list; empty ones vanish."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found)


def clipped(spans: Spans, start_us: int, end_us: int) -> Spans:
    """What lies in [start, end)."""
    first = bisect_right(spans, start_us, key=lambda span: span[1])
    found = []
    for start, end in spans[first:]:
        if start >= end_us:
            break
        found.append((max(start, start_us), min(end, end_us)))
    return tuple(found)


def common(left: Spans, right: Spans) -> Spans:
    """What lies in both."""
    found, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            found.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def without(spans: Spans, others: Spans) -> Spans:
    """What lies in the first and not in the second."""
    edges = [edge for span in others for edge in span]
    if not spans or not edges:
        return spans
    holes = [(min(spans[0][0], edges[0]), edges[0]), *zip(edges[1::2], edges[2::2], strict=False), (edges[-1], max(spans[-1][1], edges[-1]))]
    return common(spans, union(holes))


def length(spans: Spans) -> int:
    """Sum of the lengths, µs."""
    return sum(end - start for start, end in spans)


class Missing(msgspec.Struct, frozen=True):
    """What the evidence itself says is not there."""

    gaps: Mapping[str, Spans] = {}
    """Declared gaps, by signal id."""
    absent: Mapping[str, Spans] = {}
    """By equipment: times of parts that are withheld, lost or cannot be decoded; no signal of the equipment is known there."""

    def spans(self, equipment: str, signal: str, start_us: int, end_us: int) -> Spans:
        """All that is missing of a signal (its id) in [start, end)."""
        if not self.gaps and not self.absent:
            return ()
        found = clipped(self.gaps.get(signal, ()), start_us, end_us), clipped(self.absent.get(equipment, ()), start_us, end_us)
        return union((*found[0], *found[1])) if found[0] and found[1] else found[0] or found[1]


NOTHING = Missing()


def joined(left: Missing, right: Missing) -> Missing:
    """What is missing by either."""
    def both(one: Mapping[str, Spans], other: Mapping[str, Spans]) -> dict[str, Spans]:
        return {**one, **{name: union((*one.get(name, ()), *spans)) for name, spans in other.items()}}

    return Missing(both(left.gaps, right.gaps), both(left.absent, right.absent))


def missing_of(gaps: Iterable[tuple[Sequence[str], int, int]], absent: Iterable[tuple[str, int, int]] = ()) -> Missing:
    """From declared gaps (signal ids, from, to) and absent parts (equipment, from, to), in any order."""
    by_signal: dict[str, list[Span]] = {}
    by_equipment: dict[str, list[Span]] = {}
    for signals, start, end in gaps:
        for signal in signals:
            by_signal.setdefault(signal, []).append((start, end))
    for equipment, start, end in absent:
        by_equipment.setdefault(equipment, []).append((start, end))
    return Missing({name: union(found) for name, found in by_signal.items()}, {name: union(found) for name, found in by_equipment.items()})
