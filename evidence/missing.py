"""What is not there, for a window: gaps that headers declare, parts withheld, lost or malformed, and what the control log says is lost."""

from collections.abc import Sequence

import numpy as np

from analytics.compute import LOOKBACK_US
from analytics.missing import Missing, missing_of
from workshop.batch import Header, PartEntry, Provenance
from workshop.block import Block
from workshop.signal import split_signal_id
from workshop.window import Window


class Holes:
    """Gathered header by header and part by part; what does not meet the window and its lookback is passed over."""

    def __init__(self, window: Window, losses: Sequence[tuple[str, int, int]] = ()) -> None:
        """Losses are (edge, from, to) of the control log: about all equipment of which the edge delivers anything here."""
        self._losses = [item for item in losses if item[1] < window.end_us and item[2] > window.start_us - LOOKBACK_US]
        self._delivers: dict[str, set[str]] = {}
        self._start_us, self._end_us = window.start_us - LOOKBACK_US, window.end_us
        self._gaps: list[tuple[tuple[str, ...], int, int]] = []
        self._absent: list[tuple[str, int, int]] = []

    def header(self, header: Header) -> None:
        """The gaps that a header declares, once a header. Those of derived data say nothing about a machine."""
        if self._losses:
            self._delivers.setdefault(header.edge, set()).update(entry.equipment for entry in header.parts)
        for gap in header.gaps if header.provenance is not Provenance.DERIVED else ():
            if gap.from_us < self._end_us and gap.to_us > self._start_us:
                self._gaps.append((gap.signals, gap.from_us, gap.to_us))

    def part(self, entry: PartEntry) -> None:
        """A part that is not there, or counts as absent because it cannot be decoded."""
        if entry.from_us < self._end_us and entry.to_us >= self._start_us:
            self._absent.append((entry.equipment, entry.from_us, entry.to_us + 1))

    @property
    def missing(self) -> Missing:
        """All of it."""
        lost = [(equipment, from_us, to_us) for edge, from_us, to_us in self._losses for equipment in sorted(self._delivers.get(edge, ()))]
        return missing_of(self._gaps, [*self._absent, *lost])


def without_stale_carry(block: Block, missing: Missing, window: Window) -> Block:
    """The readings that may be carried into the window: of a signal of which some are missing before its start, only those after that.

    Otherwise the window's first reading would show what was counted before the window as if it had been counted in it.
    """
    if not len(block):
        return block
    since = np.full(len(block.signals), np.iinfo(np.int64).min)
    for number, name in enumerate(block.signals):
        before = missing.spans(split_signal_id(name)[0], name, window.start_us - LOOKBACK_US, window.start_us)
        if before:
            since[number] = before[-1][1]
    late = block.source_time_us >= since[block.signal]
    return block if bool(late.all()) else block.take(late)
