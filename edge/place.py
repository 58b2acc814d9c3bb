"""A small file in which a source remembers how far it is. Written after the commit: after a crash it may be behind the journal, never ahead of it."""

import logging
import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edge.source import SourceContext

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Place:
    """One value, as JSON; in memory only where the source may keep no file."""

    def __init__(self, context: SourceContext, what: str) -> None:
        keeps = context.directory is not None and context.durable
        self._path = context.directory / f"{context.name}.{what}.json" if context.directory is not None and keeps else None

    def load(self, kind: type[T]) -> T | None:
        """What was saved last, of this type; None if there is nothing that can be read."""
        if self._path is None:
            return None
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.warning("%s: cannot be read, beginning anew: %s", self._path, error)
            return None

    def save(self, value: Any) -> None:
        """Replaces it."""
        if self._path is not None:
            write_small(self._path, value)


def write_small(path: Path, value: Any) -> None:
    """Replaces a small JSON file, without waiting for the disk."""
    draft = path.with_suffix(".new")
    try:
        draft.write_bytes(msgspec.json.encode(value))
        os.replace(draft, path)  # noqa: PTH105 – replaces on Windows too
    except OSError as error:
        # A full disk: the file stays behind, which is safe (see above).
        _log.warning("%s: cannot be written: %s", path, error.strerror)
