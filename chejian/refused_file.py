"""Every row that an import refuses, in a CSV file, written as it is met."""

import csv
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from workshop.errors import ConfigError

COLUMNS = ("file", "line", "reason")


class RefusedFile:
    """Called with file, line and reason of each row; without a path it keeps nothing.

    Raises:
        ConfigError: when it is entered: the file is there already, or cannot be made.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stream: TextIO | None = None
        self._writer: Any = None

    def __call__(self, file: str, line: int, reason: str) -> None:
        if self._writer is not None:
            self._writer.writerow((file, line, reason))

    def __enter__(self) -> "RefusedFile":
        if self._path is not None:
            try:
                self._stream = self._path.open("x", newline="", encoding="utf-8")
            except OSError as error:
                raise ConfigError(f"{self._path}: cannot be made ({error.strerror}); --refused names a new file") from error
            self._writer = csv.writer(self._stream)
            self._writer.writerow(COLUMNS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._stream is not None:
            self._stream.close()
