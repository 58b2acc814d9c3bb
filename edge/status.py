"""What an edge says of itself: status.json, written whole once a second."""

import logging
import os
from pathlib import Path

import msgspec

from edge.liveness import EquipmentLife
from edge.mqtt_topics import Unmatched
from edge.rates import Rates
from store.journal import JournalStatus

_log = logging.getLogger(__name__)


class SourceState(msgspec.Struct):
    """How a source is doing; for the status file."""

    connected: bool = False
    since_us: int = 0
    """Of the present state."""
    failures: int = 0
    """Connections that failed or were lost since the start."""
    crashes: int = 0
    """Of these, errors that nobody had foreseen; their tracebacks are in the log."""
    error: str = ""
    """The last reason, while not connected."""


class UplinkState(msgspec.Struct):
    """How the uplink is doing; for the status file."""

    state: str = "idle"
    """idle, sending, waiting (trying again) or stopped (a person must look)."""
    why: str = ""
    sent_batches: int = 0
    failures: int = 0
    sent_bytes: int = 0
    """Of bodies, as sent."""


class SourceStatus(SourceState):
    """A source, with what it gave."""

    readings: int = 0
    """Stored since the start."""
    problems: dict[str, str] = {}
    """Signal → why it gives nothing."""
    warnings: list[str] = []
    """What works and should not stay so."""
    terms: dict[str, str] = {}
    """What the other side granted: intervals, queues, how it was resumed."""
    unmatched: Unmatched = msgspec.field(default_factory=Unmatched)
    """Messages since the start that belong to no machine or signal of the register."""


class EdgeStatus(msgspec.Struct):
    """One look at a running edge."""

    pid: int
    edge: str
    time_us: int
    ready: list[str]
    """Connected sources."""
    sources: dict[str, SourceStatus]
    links: dict[str, bool]
    journal: JournalStatus
    uplink: UplinkState
    repeated: int
    """Readings that came again after a reconnect, and were dropped."""
    refused: int
    """Items of source data in quarantine since the start."""
    live_posts: int
    live_failures: int
    disk: str = ""
    """Why nothing can be stored at the moment."""
    stopped: bool = False
    """Whether this is the last word of an orderly end."""
    late: int = 0
    """Readings that came when their time was already declared a gap, and were dropped."""
    skewed: int = 0
    """Stored readings that are uncertain because their time is further than `max_skew_s` from their reception."""
    rates: Rates = msgspec.field(default_factory=Rates)
    equipment: dict[str, EquipmentLife] = {}
    """Link, last seen and staleness of every signal."""
    clock_offset_us: int | None = None
    """This edge's clock minus the gateway's; None before the gateway has said its time."""
    clock_round_us: int | None = None
    """How long that exchange took: the offset is known to half of it."""
    clock_synchronised: bool = False
    """Whether the operating system says that it keeps its clock to a time source."""


def write_status(path: Path, status: EdgeStatus) -> None:
    """Replaces the file: a reader sees the old or the new one, never half of it."""
    draft = path.with_suffix(".new")
    try:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(status), indent=1))
        os.replace(draft, path)  # noqa: PTH105 – replaces on Windows too
    except OSError as error:
        # A full disk must not end the edge; the old file shows by its time that it is old.
        _log.warning("%s: cannot be written: %s", path, error.strerror)
