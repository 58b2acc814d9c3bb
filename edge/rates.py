"""How fast an edge stores and delivers: counters of the last seconds, as rates. Pure."""

from collections import deque

import msgspec

from store.journal import JournalStatus

SPAN_S = 10.0


class Rates(msgspec.Struct):
    """Per second, over the last ten seconds."""

    stored_rows: float = 0.0
    acknowledged_rows: float = 0.0
    commits: float = 0.0
    sent_bytes: float = 0.0


class RateMeter:
    """The counters as they were, for as long as they are of interest."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, tuple[int, ...]]] = deque()

    def note(self, at_s: float, journal: JournalStatus, sent_bytes: int) -> Rates:
        """Takes the counters at this moment of a clock that goes evenly, and gives the rates up to it."""
        now = (journal.stored_rows, journal.acknowledged_rows, journal.commits, sent_bytes)
        self._seen.append((at_s, now))
        while at_s - self._seen[0][0] > SPAN_S:
            self._seen.popleft()
        began_s, before = self._seen[0]
        if at_s <= began_s:
            return Rates()
        return Rates(*(round((later - earlier) / (at_s - began_s), 1) for earlier, later in zip(before, now, strict=True)))
