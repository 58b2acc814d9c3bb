"""Which messages have come: the last (boot, number) of every topic, in memory and, once committed, in a small file beside the journal."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from edge.place import write_small
from workshop.errors import ConfigError

Mark = tuple[int | str | None, int]
"""(boot, sequence number)."""


class Step(msgspec.Struct, frozen=True):
    """What a message is in its row."""

    is_repeat: bool = False
    lost: str = ""
    """Why something may be missing before it; empty if nothing is."""


class Sequences:
    """The rows of messages of one source.

    The file is written after the commit, without waiting for the disk: after a power cut it may be behind the journal. It then says "lost" where
    nothing was, never the other way round.
    """

    def __init__(self, path: Path | None) -> None:
        """Goes on from the file, if there is one.

        Raises:
            ConfigError: the file cannot be read.
        """
        self._path = path
        self._marks: dict[str, Mark] = {}
        if path is not None and path.exists():
            try:
                self._marks = msgspec.json.decode(path.read_bytes(), type=dict[str, Mark])
            except (msgspec.DecodeError, UnicodeDecodeError):
                # A torn file: nothing is known, everything counts as perhaps lost.
                self._marks = {}
            except OSError as error:
                raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error

    def keep(self, is_known: Callable[[str], bool]) -> None:
        """Forgets topics that are no longer read."""
        self._marks = {topic: mark for topic, mark in self._marks.items() if is_known(topic)}

    def follows(self, topic: str, boot: int | str | None, sequence: int) -> bool:
        """Takes a message if it is the very next one of its row; otherwise nothing happens, and `take` has to judge."""
        if self._marks.get(topic) != (boot, sequence - 1):
            return False
        self._marks[topic] = (boot, sequence)
        return True

    def take(self, topic: str, boot: int | str | None, sequence: int) -> Step:
        """Judges a message, and takes it as the last one unless it is a repetition."""
        last = self._marks.get(topic)
        if last is not None and last[0] == boot and sequence <= last[1]:
            return Step(is_repeat=True)
        self._marks[topic] = (boot, sequence)
        if last is None:
            return Step(lost="first contact")
        if last[0] != boot:
            return Step(lost="device restarted")
        return Step() if sequence == last[1] + 1 else Step(lost="messages lost")

    def marks(self) -> dict[str, Mark]:
        """The last message of every topic."""
        return dict(self._marks)

    def save(self, marks: dict[str, Mark]) -> None:
        """Writes down what is committed."""
        if self._path is not None:
            write_small(self._path, marks)
