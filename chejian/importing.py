"""What of files of history an import takes: the rows that the register allows, and in words why not the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from chejian.history_files import Piece, read
from gateway.indexing import Rules
from store.journal_seal import unsealable
from workshop.block import Block
from workshop.register import Workshop
from workshop.signal import SignalKind

_SHOWN, _SHOWN_OF_ONE = 20, 3
MOST_NAMES, MOST_REASONS = 10_000, 1_000
"""Files may hold any number of different names; a summary may not grow with them."""
OTHERS = "other reasons"

Tell = Callable[[str, int, str], None]
"""File, line and reason of a row that is refused."""


class Summary(msgspec.Struct):
    """What an import takes, or would take."""

    files: int = 0
    rows: int = 0
    signals: dict[str, int] = {}
    """Rows of each signal that is taken."""
    mapping: dict[str, str] = {}
    """Every name of a signal in the files → the id that its rows get."""
    unknown: list[str] = []
    """Names in the files whose id is not in the register: none of their rows is taken."""
    unused: list[str] = []
    """Names of the mapping that stand in none of the files."""
    from_us: int | None = None
    to_us: int | None = None
    """Source time of the first and of the last row."""
    refused: dict[str, int] = {}
    """Rows by reason."""
    examples: list[str] = []
    """Where the first refused rows of each reason stand."""


class Sieve:
    """Takes files apart by a register; what it has seen stands in `summary`.

    Args:
        rename: names in the files → signal ids.
        tell: hears of every row that is refused, as it is met.
    """

    def __init__(self, register: Workshop, rename: Mapping[str, str], tell: Tell = lambda *_: None) -> None:
        self._rules, self._rename, self._tell = Rules(register), rename, tell
        self._known = {name for name, _, _ in register.signals()}
        self._texts = {name for name, _, signal in register.signals() if signal.kind is SignalKind.TEXT}
        self._shown: dict[str, int] = {}
        self.summary = Summary(unused=sorted(rename))

    def blocks(self, file: Path, progress: Callable[[int], None]) -> Iterator[Block]:
        """The rows of a file that can be taken.

        Args:
            progress: is told rows as they are read.
        Raises:
            ConfigError: the file cannot be read.
        """
        for piece in read(file, self._rename, self._texts.__contains__):
            self._note(piece.names)
            for item in piece.refused:
                self._refuse(file, item.reason, item.lines)
            block = self._sift(file, piece)
            if len(block):
                self._count(block)
                yield block
            progress(piece.read)
        self.summary.files += 1

    def _note(self, names: Mapping[str, str]) -> None:
        summary = self.summary
        for name, own in names.items():
            if name in summary.mapping or len(summary.mapping) >= MOST_NAMES:
                continue
            summary.mapping[name] = own
            if own not in self._known:
                summary.unknown.append(name)
        if summary.unused:
            summary.unused = [name for name in summary.unused if name not in names]

    def _sift(self, file: Path, piece: Piece) -> Block:
        block, lines = piece.block, piece.lines
        takes, reasons = self._rules.sift(block)
        for rows, reason in unsealable(block):
            reasons.append((rows[takes[rows]], reason))
            takes[rows] = False
        for rows, reason in reasons:
            self._refuse(file, reason, lines[rows].tolist())
        return block if bool(takes.all()) else block.take(takes)

    def _refuse(self, file: Path, reason: str, lines: Sequence[int]) -> None:
        summary = self.summary
        if not lines:
            return
        kept = reason if reason in summary.refused or len(summary.refused) < MOST_REASONS else OTHERS
        summary.refused[kept] = summary.refused.get(kept, 0) + len(lines)
        for line in lines:
            self._tell(file.name, line, reason)
        for line in lines[:max(0, min(_SHOWN - len(summary.examples), _SHOWN_OF_ONE - self._shown.get(kept, 0)))]:
            self._shown[kept] = self._shown.get(kept, 0) + 1
            summary.examples.append(f"{file.name}:{line}: {reason}")

    def _count(self, block: Block) -> None:
        summary = self.summary
        summary.rows += len(block)
        for name, rows in zip(block.signals, np.bincount(block.signal, minlength=len(block.signals)).tolist(), strict=True):
            if rows:
                summary.signals[name] = summary.signals.get(name, 0) + rows
        first, last = int(block.source_time_us.min()), int(block.source_time_us.max())
        summary.from_us = min(first, summary.from_us if summary.from_us is not None else first)
        summary.to_us = max(last, summary.to_us if summary.to_us is not None else last)
