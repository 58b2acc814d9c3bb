"""The number of a Sparkplug node's connection, kept over restarts: a restart is a new connection too."""

import contextlib
from pathlib import Path

import structlog

log = structlog.get_logger()


class BdSeq:
    """0 to 255 and again 0, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.value = -1
        with contextlib.suppress(OSError, ValueError):
            self.value = int(path.read_text(encoding="ascii"))

    def next(self) -> int:
        """The number of a new connection; where it cannot be kept, it grows in memory alone, which is said."""
        self.value = (self.value + 1) % 256
        try:
            scratch = self._path.with_name(self._path.name + ".new")
            scratch.write_text(f"{self.value}\n", encoding="ascii")
            scratch.replace(self._path)
        except OSError as error:
            log.warning("the number of the connection could not be kept", file=str(self._path), reason=str(error))
        return self.value
