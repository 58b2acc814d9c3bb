"""Where an engine without transactions stands: a small file beside the archive, written after the rows.

Rows come first and the cursor second, so a stop between them makes the rows come again, and an engine that keeps its cursor here takes the same rows
again without a second copy. A cursor may also trail: a server that acknowledges before its disk has the rows gets the last seconds again.
"""

import os
import time
from collections import deque
from pathlib import Path

import msgspec

from workshop.errors import ConfigError, NotConnected


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    target: str
    cursor: int
    rows: bool


class CursorFile:
    """The next data-log index of one engine.

    Args:
        target: what the rows go to, such as address and bucket; another target than the stored one begins at 0.
        trail_s: how old a cursor must be before it is written down, s; 0 writes at once.
    Raises:
        ConfigError: the file cannot be read or is another kind of file.
    """

    def __init__(self, path: Path, target: str, trail_s: float = 0.0) -> None:
        self._path, self._target, self._trail_s = path, target, trail_s
        stored = self._read()
        self.cursor = self._safe = stored.cursor
        self.rows = stored.rows
        """Whether any row was ever handed to this server."""
        self._waiting: deque[tuple[float, int]] = deque()

    def advance(self, cursor: int, rows: int) -> None:
        """Everything before this index has been handed to the server, so many rows this time.

        Raises:
            NotConnected: the file cannot be written; the cursor has not moved.
        """
        now_s = time.monotonic()
        self.rows = self.rows or rows > 0
        self._waiting.append((now_s, cursor))
        safe = self._safe
        while self._waiting and now_s - self._waiting[0][0] >= self._trail_s:
            safe = self._waiting.popleft()[1]
        if safe != self._safe:
            self._write(safe)
        self.cursor = cursor

    def go_back(self, to_start: bool = False) -> None:
        """The server may have lost what it acknowledged last (or everything): what follows the stored cursor comes again."""
        self._waiting.clear()
        if to_start:
            self.rows = False
            self._write(0)
        self.cursor = self._safe

    def _read(self) -> _Stored:
        try:
            stored = msgspec.json.decode(self._path.read_bytes(), type=_Stored)
        except FileNotFoundError:
            return _Stored(self._target, 0, False)
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError(f"{self._path}: not a readable cursor ({error}); remove it, and the engine is filled from the start") from error
        return stored if stored.target == self._target else _Stored(self._target, 0, False)

    def _write(self, cursor: int) -> None:
        scratch = self._path.with_name(self._path.name + ".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as stream:
                stream.write(msgspec.json.encode(_Stored(self._target, cursor, self.rows)))
                stream.flush()
                os.fsync(stream.fileno())
            scratch.replace(self._path)
        except OSError as error:
            raise NotConnected(f"{self._path}: cannot be written ({error.strerror}); check the disk's free space") from error
        self._safe = cursor
