"""The delivery oracle: what the simulators offered against what the gateway holds and which gaps were declared.

A = B ∪ G, B ∩ G = ∅, no duplicates, values bit-equal. Readings that the edge or the analytics make themselves are not counted.
"""

import struct
from collections.abc import Iterable

import msgspec

from workshop.batch import Gap
from workshop.block import Block
from workshop.reading import Value

Key = tuple[str, int]


class Balance(msgspec.Struct):
    """What became of every emitted reading."""

    emitted: int
    stored: int
    in_gaps: int
    lost: list[Key]
    """Neither stored nor in a gap."""
    both: list[Key]
    """Stored and in a gap of its signal."""
    altered: list[Key]
    """Stored with another value."""
    doubled: list[Key]
    """Stored more than once."""
    unknown: list[Key]
    """Stored, but never emitted."""

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, altered, doubled or made up."""
        return not (self.lost or self.both or self.altered or self.doubled or self.unknown) and self.emitted == self.stored + self.in_gaps

    def in_words(self) -> str:
        """One line for people."""
        if self.holds:
            return f"{self.emitted} emitted = {self.stored} stored + {self.in_gaps} in declared gaps"
        wrong = {name: getattr(self, name) for name in ("lost", "both", "altered", "doubled", "unknown")}
        return f"{self.emitted} emitted, {self.stored} stored, {self.in_gaps} in declared gaps; " + "; ".join(
            f"{name}: {len(keys)} (first {keys[0][0]} at {keys[0][1]} µs)" for name, keys in wrong.items() if keys
        )


def bits(value: Value) -> bytes:
    """A value as bytes, so that 1 and 1.0, 0.0 and -0.0 differ."""
    if isinstance(value, float):
        return b"f" + struct.pack(">d", value)
    if isinstance(value, int):
        return b"i" + str(int(value)).encode()
    return b"t" + value.encode() if isinstance(value, str) else b"n"


def balance(emitted: Iterable[tuple[str, int, Value]], stored: Iterable[Block], gaps: Iterable[Gap], emitted_signals: set[str]) -> Balance:
    """Compares the three accounts.

    Args:
        emitted: (signal id, source time µs, value) of every reading offered to a sampler.
        stored: blocks of what the gateway holds; rows of signals outside `emitted_signals` are passed over.
    """
    offered: dict[Key, bytes] = {(signal, time_us): bits(value) for signal, time_us, value in emitted}
    result = Balance(len(offered), 0, 0, [], [], [], [], [])
    spans: dict[str, list[Gap]] = {}
    for gap in gaps:
        for signal in gap.signals:
            spans.setdefault(signal, []).append(gap)

    def in_gap(key: Key) -> bool:
        return any(gap.from_us <= key[1] < gap.to_us for gap in spans.get(key[0], ()))

    seen: set[Key] = set()
    for block in stored:
        for row, (index, time_us) in enumerate(zip(block.signal.tolist(), block.source_time_us.tolist(), strict=True)):
            key = (block.signals[index], time_us)
            if key[0] not in emitted_signals:
                continue
            if key in seen:
                result.doubled.append(key)
            elif key not in offered:
                result.unknown.append(key)
            elif offered[key] != bits(block.value(row)):
                result.altered.append(key)
            else:
                result.stored += 1
                if in_gap(key):
                    result.both.append(key)
            seen.add(key)
    for key in offered.keys() - seen:
        if in_gap(key):
            result.in_gaps += 1
        else:
            result.lost.append(key)
    result.lost.sort(key=lambda key: key[1])
    return result
