"""Topics with parts that are left open: `factory/{area}/{equipment}/state`, `factory/+/cnc-07/state`. Pure.

A part that nothing fills stands for any one level, as `+` does (MQTT 3.1.1 and 5, section 4.7); `#` marks where the JMESPath begins and is no
wildcard here. A topic belongs to at most one pattern: two that could match the same topic are refused when the file is read.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import msgspec

from workshop.errors import ConfigError

MOST_TOPICS = 16
"""Topics that may stand for one open pattern: a machine moves to another area now and then, a hostile publisher invents areas."""
MOST_NAMED = 32
"""Unmatched topics that are told apart; the others are counted together."""
OTHERS = "(other topics)"
_ANY = "+"
_OPEN = re.compile(r"\{\w+\}")

T = TypeVar("T")
Shape = tuple[int, tuple[int, ...]]
"""Number of levels, and which of them are fixed."""


def filter_of(topic: str, where: str) -> str:
    """The topic filter of MQTT for a topic with open parts.

    Raises:
        ConfigError: a part or wildcard that is not a whole level, or one that stands twice.
    """
    levels = topic.split("/")
    named = [level for level in levels if _OPEN.fullmatch(level)]
    if len(set(named)) < len(named):
        raise ConfigError(f"{where}: topic '{topic}': a part stands twice; give each level its own name")
    filters = [_ANY if level == _ANY or _OPEN.fullmatch(level) else level for level in levels]
    for level in filters:
        if level != _ANY and (_ANY in level or "#" in level or _OPEN.search(level)):
            raise ConfigError(f"{where}: topic '{topic}': '{level}': a wildcard or an open part is a whole level between two slashes")
    return "/".join(filters)


def widest(filters: Iterable[str]) -> list[str]:
    """The filters without those that another one covers: a broker may send once for each that matches."""
    distinct = dict.fromkeys(filters)
    open_ones = [one.split("/") for one in distinct if _ANY in one.split("/")]

    def is_covered(one: str) -> bool:
        levels = one.split("/")
        return any(other != levels and _covers(other, levels) for other in open_ones)

    return [one for one in distinct if not is_covered(one)]


def _covers(wide: list[str], levels: list[str]) -> bool:
    if wide[0] == _ANY and levels[0].startswith("$"):
        return False  # a wildcard at the beginning does not match `$SYS` and its like (section 4.7.2)
    return len(wide) == len(levels) and all(mine in (_ANY, theirs) for mine, theirs in zip(wide, levels, strict=True))


class Patterns(Generic[T]):
    """What belongs to a topic, by filters. Finding costs one look-up for each different form of filter, however many machines there are."""

    def __init__(self) -> None:
        self._shapes: dict[Shape, dict[tuple[str, ...], T]] = {}

    def add(self, pattern: str, found: T) -> None:
        """Takes a filter and what belongs to it; the same filter again replaces it."""
        levels = pattern.split("/")
        fixed = tuple(number for number, level in enumerate(levels) if level != _ANY)
        self._shapes.setdefault((len(levels), fixed), {})[tuple(levels[number] for number in fixed)] = found

    def find(self, topic: str) -> T | None:
        """What belongs to this topic. A wildcard at the beginning does not match `$SYS` and its like (section 4.7.2)."""
        levels = topic.split("/")
        for (count, fixed), known in self._shapes.items():
            if count == len(levels) and (not topic.startswith("$") or (fixed and fixed[0] == 0)):
                found = known.get(tuple(levels[number] for number in fixed))
                if found is not None:
                    return found
        return None

    def overlaps(self) -> Iterator[tuple[T, T]]:
        """Pairs of different forms that some topic would match both."""
        shapes = list(self._shapes.items())
        for at, ((count, fixed), known) in enumerate(shapes):
            for (other_count, other_fixed), others in shapes[at + 1 :]:
                if count != other_count:
                    continue
                common = sorted(set(fixed) & set(other_fixed))
                mine, theirs = [fixed.index(number) for number in common], [other_fixed.index(number) for number in common]
                index: dict[tuple[str, ...], list[tuple[str, T]]] = {}
                for levels, found in known.items():
                    index.setdefault(tuple(levels[place] for place in mine), []).append((_first(fixed, levels), found))
                for levels, other in others.items():
                    first = _first(other_fixed, levels)
                    for own, found in index.get(tuple(levels[place] for place in theirs), ()):
                        if not (_ANY in (own, first) and "$" in (own[:1], first[:1])):
                            yield found, other


def _first(fixed: tuple[int, ...], levels: tuple[str, ...]) -> str:
    """The first level of a filter by its fixed ones."""
    return levels[0] if fixed[:1] == (0,) else _ANY


class Unmatched(msgspec.Struct):
    """Messages on topics that are no machine's and no signal's: counted, the first topics by name."""

    count: int = 0
    topics: dict[str, int] = {}

    def note(self, topic: str) -> bool:
        """Counts a message; whether it is the first of a topic that is told apart."""
        self.count += 1
        name = topic[:200]
        is_new = name not in self.topics
        if is_new and len(self.topics) >= MOST_NAMED:
            name, is_new = OTHERS, False
        self.topics[name] = self.topics.get(name, 0) + 1
        return is_new
