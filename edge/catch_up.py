"""How fast a backlog is delivered: as fast as a limit allows, and never so fast that the gateway has no time for what is live. Pure."""

_LONGEST_S = 1.0


class CatchUp:
    """The wait after each delivery while more is waiting.

    The gateway works on a backlog at most half of the time, whatever its speed; the other half is for live values and for other edges.
    Args:
        bytes_per_s: of bodies, at most.
    """

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s

    def wait_s(self, sent_bytes: int, took_s: float, is_behind: bool) -> float:
        """Seconds to wait after a body that was answered in `took_s`; none when nothing more is waiting."""
        if not is_behind:
            return 0.0
        return max(sent_bytes / self._bytes_per_s - took_s, min(took_s, _LONGEST_S))
