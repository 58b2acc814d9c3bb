"""What the analytics service says of itself: status.json in its data folder, written anew while it gets on; an old file means that it hangs."""

import asyncio
import os
from pathlib import Path

import msgspec
import structlog

from workshop.window import Clock

EVERY_S = 5.0
LONGEST_ROUND_S = 1800.0
"""A round that takes longer hangs: nothing more is written until it ends."""

_log = structlog.get_logger()


class ServiceStatus(msgspec.Struct):
    """One look at a running service."""

    pid: int
    time_us: int
    rounds: int = 0
    """Done since the start."""
    round_us: int = 0
    """When the last one ended; 0 before the first."""
    trouble: str = ""
    """Why it could not do its work."""
    stopped: bool = False
    """Whether this is the last word of an orderly end."""


class Heartbeat:
    """Keeps the status and writes it; the rounds say when they begin and end."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file, self._clock = file, clock
        self._begun_s: float | None = None
        self.status = ServiceStatus(os.getpid(), clock())

    def begin(self) -> None:
        """A round begins."""
        self._begun_s = asyncio.get_running_loop().time()

    def end(self, trouble: str) -> None:
        """A round has ended, with this trouble or none."""
        self._begun_s = None
        self.status.rounds, self.status.round_us, self.status.trouble = self.status.rounds + 1, self._clock(), trouble

    async def run(self) -> None:
        """Writes every few seconds until cancelled."""
        while True:
            if self._begun_s is None or asyncio.get_running_loop().time() - self._begun_s < LONGEST_ROUND_S:
                self.write()
            await asyncio.sleep(EVERY_S)

    def write(self, *, stopped: bool = False) -> None:
        """Replaces the file: a reader sees the old or the new one, never half of it."""
        self.status.time_us, self.status.stopped = self._clock(), stopped
        draft = self._file.with_suffix(".new")
        try:
            draft.write_bytes(msgspec.json.format(msgspec.json.encode(self.status), indent=1))
            os.replace(draft, self._file)  # noqa: PTH105 – replaces on Windows too
        except OSError as error:
            # A full disk must not end the service; the old file shows by its time that it is old.
            _log.warning("status cannot be written", file=str(self._file), reason=error.strerror)
