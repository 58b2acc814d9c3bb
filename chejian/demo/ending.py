"""When the demo may end: not while the bad link is down or about to be, or nobody could tell what was counted last.

What a machine counts while nobody hears it is known from its next reading. A window that ends in an outage has no next reading: its counts
are then undetermined, which is right, and no good end for a demonstration.
"""

import json
from pathlib import Path

from simulators.settings import Link

MARGIN_S = 5.0
"""The machines' last values, the edge's last batch and its stop, with room."""


def holds(link: Link | None, truth: Path, now_us: int, speed: float = 1.0) -> bool:
    """Whether the link is up and will stay so for a while.

    Args:
        link: as it is simulated; None for none.
        truth: the record of its machines' simulator; one that cannot be read yet says nothing, and the link counts as up.
        now_us: by the simulators' clock.
        speed: of that clock; the margin is real time.
    """
    if link is None:
        return True
    event, at_us = _last(truth)
    # It falls at first_s, then every period_s, each time a little early or late.
    down_next_s = link.first_s if event == "started" else link.period_s - link.down_s
    return event != "link_down" and (now_us - at_us) / 1e6 + speed * MARGIN_S + 2 * link.jitter_s < down_next_s


def _last(truth: Path) -> tuple[str, int]:
    found = ("started", 2**53)
    try:
        lines = truth.read_text(encoding="utf-8").splitlines()
    except OSError:
        return found
    for line in lines:
        # Readings are most of the lines; the last one may be cut, as it is being written.
        if line.startswith('{"event":') and line.endswith("}"):
            event = json.loads(line)
            if event["event"] in ("started", "link_down", "link_up"):
                found = (event["event"], int(event["t"]))
    return found
