"""Step functions of time and the pieces in which several of them stand still; exact in integer microseconds."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from workshop.window import Window

UNKNOWN = -(2**63)
"""The value of a step function where nobody knows."""

_TRUE = np.ones(1, np.bool_)


class Steps(msgspec.Struct, frozen=True, eq=False):
    """m steps: value[i] holds in [edge_us[i], edge_us[i + 1]); before the first edge nothing is known; the last step has no end."""

    edge_us: NDArray[np.int64]
    value: NDArray[np.int64]

    def at(self, time_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """The values at these times."""
        if not len(self.edge_us):
            return np.full(len(time_us), UNKNOWN, np.int64)
        place = self.edge_us.searchsorted(time_us, side="right") - 1
        return np.where(place >= 0, self.value[place], UNKNOWN)

    def within(self, start_us: int, end_us: int) -> tuple[NDArray[np.int64], int]:
        """The edges after the start and before the end, and the value at the start."""
        first, last = self.edge_us.searchsorted((start_us + 1, end_us)).tolist()
        return self.edge_us[first:last], int(self.value[first - 1]) if first else UNKNOWN


class Pieces(msgspec.Struct, frozen=True, eq=False):
    """k pieces of a window in which several step functions stand still."""

    start_us: NDArray[np.int64]
    length_us: NDArray[np.int64]
    values: list[NDArray[np.int64]]
    """One column per step function."""

    def total_us(self, where: NDArray[np.bool_]) -> int:
        """Length of the pieces that the mask names, µs."""
        return int(self.length_us[where].sum())


def inside(windows: Sequence[Window]) -> Steps:
    """1 in the windows (sorted, without overlap), 0 after each, unknown before the first."""
    edges = np.array([edge for window in windows for edge in (window.start_us, window.end_us)], np.int64)
    return Steps(edges, np.array([1, 0] * len(windows), np.int64))


def where_known(pieces: Pieces, mask: NDArray[np.bool_]) -> Steps:
    """1 on the pieces that the mask names, 0 on the others; for asking about single moments of the same window."""
    return Steps(pieces.start_us, mask.astype(np.int64))


def cut(windows: Sequence[Window], steps: Sequence[Steps]) -> Pieces:
    """The windows (sorted, without overlap) cut wherever one of the step functions changes."""
    if not windows:
        return Pieces(np.zeros(0, np.int64), np.zeros(0, np.int64), [np.zeros(0, np.int64) for _ in steps])
    start_us, end_us = windows[0].start_us, windows[-1].end_us
    single = len(windows) == 1
    borders = np.array((start_us, end_us)) if single else inside(windows).edge_us
    inner = [step.within(start_us, end_us) for step in steps]
    edges = np.concatenate([borders, *(own for own, _ in inner if len(own))])
    if len(edges) > 2 or start_us == end_us:
        edges.sort(kind="stable")
        edges = edges[np.concatenate((_TRUE, edges[1:] != edges[:-1]))]
    starts, lengths = edges[:-1], edges[1:] - edges[:-1]
    if not single:
        kept = inside(windows).at(starts) == 1
        starts, lengths = starts[kept], lengths[kept]
    # Most step functions stand still in a time as short as an hour.
    return Pieces(starts, lengths, [
        step.at(starts) if len(own) else np.full(len(starts), value) for step, (own, value) in zip(steps, inner, strict=True)
    ])


def steady(step: Steps, window: Window) -> bool:
    """Whether it is 1 in all of the window."""
    edges, value = step.within(window.start_us, window.end_us)
    return value == 1 and not len(edges)


def compressed(edges: NDArray[np.int64], values: NDArray[np.int64]) -> Steps:
    """Only the edges at which the value becomes another one; edges are sorted."""
    if len(edges) < 2:
        return Steps(edges, values)
    changes = np.concatenate((_TRUE, values[1:] != values[:-1]))
    return Steps(edges[changes], values[changes])
