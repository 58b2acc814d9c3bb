"""The gap rule against a model: whatever happens to a device, its clock, the line and the edge, every reading is stored or declared, never both."""

from collections.abc import Sequence

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.resume import Resume
from edge.source import Loss
from store.journal_memory import Memory
from store.journal_tracks import Track
from workshop.block import block_of
from workshop.reading import Reading

A = "cnc-01/load"
SECOND = 1_000_000
SKEWS_S = (-3600, 0, 120)
STEPS_S = (-600, -60, -20, 20, 60, 600)

step = st.one_of(
    st.tuples(st.just("read"), st.integers(1, 3)), st.tuples(st.just("drop"), st.integers(1, 3)), st.tuples(st.just("hold"), st.just(1)),
    st.tuples(st.just("release"), st.just(1)), st.tuples(st.just("again"), st.integers(1, 5)), st.tuples(st.just("connection"), st.just(1)),
    st.tuples(st.just("clock"), st.sampled_from(STEPS_S)), st.tuples(st.just("kill"), st.integers(0, 5)),
    st.tuples(st.just("kill and lose"), st.integers(0, 3)), st.tuples(st.just("end"), st.integers(0, 3)),
)


class Line:
    """A device, the line to the edge, and the edge with its disk. Nothing here is longer than a step of the clock (see `edge.resume`)."""

    def __init__(self, skew_s: int) -> None:
        self.now_us, self.skew_us, self.count = 1_795_000_000 * SECOND, skew_s * SECOND, 0
        self.offered: dict[int, int] = {}
        """Source time → when it was made."""
        self.held: list[int] = []
        self.stored: list[int] = []
        self.gaps: list[tuple[int, int]] = []
        self.tracks: dict[str, Track] = {}
        self.is_lossy = self.has_stepped = False
        """Since the last row that came: was any lost, did the clock step."""
        self.start()

    def start(self) -> None:
        ends = [*(at + 1 for at in self.stored), *(to_us for _, to_us in self.gaps)]
        memory = Memory(dict(self.tracks), {A: list(self.gaps)}, block_of_times(self.stored))
        self.resume = Resume({A: max(ends)} if ends else {}, [A], memory)

    def make(self) -> int:
        self.count += 1
        self.now_us += (60 + 37 * self.count % 240) * 1000
        time_us = self.now_us + self.skew_us + self.count  # the count keeps times of two clocks apart
        self.offered[time_us] = self.now_us
        return time_us

    def take(self, times: Sequence[int]) -> None:
        received_us = self.now_us + self.count % 50 * 1000
        rows, gaps = self.resume.admit(block_of([Reading(A, at, received_us, 1.0) for at in times]))
        self.keep(rows.source_time_us.tolist(), [(gap.from_us, gap.to_us) for gap in gaps])

    def keep(self, times: list[int], gaps: list[tuple[int, int]]) -> None:
        """The disk."""
        self.stored += times
        self.gaps += gaps
        self.tracks |= self.resume.tracks()
        self.resume.settle()

    def lose(self, count: int) -> None:
        for _ in range(count):
            self.make()
        if self.stored:
            self.is_lossy = True

    def is_overtaken(self, time_us: int) -> bool:
        is_of_this_clock = abs(time_us - self.offered[time_us] - self.skew_us) < SECOND
        return is_of_this_clock and time_us < self.tracks[A].front_us

    def say(self, reason: str) -> None:
        """The source tells of a loss; one that does not reach the disk is told again."""
        self.resume.lose(Loss((A,), reason))
        self.keep([], [])

    def do(self, what: str, number: int) -> None:
        match what:
            case "read":
                self.take([self.make() for _ in range(number)])
                if not self.resume.unresolved():  # rows that fall into a declared gap end nothing
                    self.is_lossy = self.has_stepped = False
            case "drop" if self.stored:
                self.lose(number)
                self.say("lost")
            case "connection":
                self.say("connection")
            case "clock" if not self.has_stepped:
                self.skew_us += number * SECOND
                self.has_stepped = True
            case "hold" if self.stored and not self.is_lossy:
                self.held.append(self.make())
            case "release" if self.held:
                # In a loss a row that is very late could also be a clock that stepped back.
                # One that a stored reading has overtaken: a loss says that rows are missing before the next one that is not late.
                is_fresh = self.now_us - self.offered[self.held[0]] < 1_500_000 and self.is_overtaken(self.held[0])
                if not self.has_stepped and (is_fresh or not self.resume.unresolved()):
                    time_us = self.held.pop(0)
                    # One of an earlier clock looks like a step and back.
                    self.has_stepped = abs(time_us - self.offered[time_us] - self.skew_us) > SECOND
                    self.take([time_us])
            case "again" if self.resume.unresolved() and self.stored:
                # The newest one would prove that nothing was lost.
                times = self.stored[-number - 1 : -1] if self.is_lossy else self.stored[-number:]
                if times and (self.tracks[A].last_us not in times or not self.is_lossy):
                    self.take(times)
            case "kill":
                self.start()
                if number and self.stored and not self.is_lossy:
                    self.take(self.stored[-number:])
            case "kill and lose":
                if self.stored:
                    self.lose(number)
                    self.start()
                    self.say("connection")
            case "end" if self.stored and not (self.is_lossy and self.has_stepped):
                # An orderly end cannot know of a step that no row has shown.
                self.keep([], [(gap.from_us, gap.to_us) for gap in self.resume.declare([A], self.now_us, "link down")])
                self.is_lossy = False
                self.lose(number)
                self.start()
                self.say("connection")


def block_of_times(times: list[int]) -> dict[str, NDArray[np.int64]]:
    block = block_of([Reading(A, at, at, 1.0) for at in times])
    return {A: block.source_time_us} if times else {}


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SKEWS_S), st.lists(step, max_size=40))
@example(120, [("read", 1), ("drop", 2), ("read", 1)])
@example(0, [("read", 3), ("drop", 1), ("clock", -60), ("drop", 1), ("kill", 2), ("read", 1), ("drop", 1), ("read", 1)])
@example(0, [("read", 1), ("connection", 1), ("clock", 20), ("read", 1), ("drop", 1), ("clock", -20)])
@example(0, [("read", 3), ("hold", 1), ("read", 1), ("drop", 1), ("release", 1), ("read", 1), ("kill", 5), ("read", 1)])
def test_stored_and_declared_are_everything_and_disjoint(skew_s: int, steps: list[tuple[str, int]]) -> None:
    line = Line(skew_s)
    for what, number in steps:
        line.do(what, number)
    for _ in range(3):
        line.do("read", 2)  # the clock may have stepped: a row tells
    line.keep([], [(gap.from_us, gap.to_us) for gap in line.resume.declare(line.resume.unresolved(), line.now_us, "end")])
    line.take(line.held)

    def in_gap(time_us: int) -> bool:
        return any(from_us <= time_us < to_us for from_us, to_us in line.gaps)

    assert not [at for at in line.offered if at not in line.stored and not in_gap(at)], "neither stored nor declared"
    assert not [at for at in line.stored if in_gap(at)], "stored and declared"
    assert len(set(line.stored)) == len(line.stored), "stored twice"
    assert set(line.stored) <= set(line.offered)
