"""How long a commit waits for company: a moment when little comes, longer under load. Pure."""

from edge.config import CommitBlock

_MANY_ROWS = 512
_SHARE = 0.1


class CommitPace:
    """The wait of the next commit, between `idle_ms` and `every_ms`.

    It doubles after a commit that was large, or that kept the disk busy for more than a tenth of the time, and halves after any other.
    """

    def __init__(self, commit: CommitBlock) -> None:
        self._least_s, self._most_s = min(commit.idle_ms, commit.every_ms) / 1000, commit.every_ms / 1000
        self.wait_s = self._least_s
        """From the first delivery of a commit to its end."""

    def note(self, rows: int, took_s: float) -> None:
        """Takes note of a commit that is through."""
        is_load = rows >= _MANY_ROWS or took_s > _SHARE * (self.wait_s + took_s)
        self.wait_s = min(max(self.wait_s * (2.0 if is_load else 0.5), self._least_s), self._most_s)
