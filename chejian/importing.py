"""What of files of history an import takes: the rows that the register allows, and in words why not the others."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np

from chejian.history_files import Piece, read
from gateway.indexing import Rules
from store.journal_seal import check_readings
from workshop.block import Block
from workshop.errors import Rejected
from workshop.register import Workshop
from workshop.signal import SignalKind

_SHOWN = 20


class Summary(msgspec.Struct):
    """What an import takes, or would take."""

    files: int = 0
    rows: int = 0
    signals: dict[str, int] = {}
    """Rows of each signal that is taken."""
    mapping: dict[str, str] = {}
    """Signals by another name in the files: that name → id."""
    from_us: int | None = None
    to_us: int | None = None
    """Source time of the first and of the last row."""
    refused: dict[str, int] = {}
    """Rows by reason."""
    examples: list[str] = []
    """Where the first refused rows stand."""


class Sieve:
    """Takes files apart by a register; what it has seen stands in `summary`.

    Args:
        rename: names in the files → signal ids.
    """

    def __init__(self, register: Workshop, rename: Mapping[str, str]) -> None:
        self._rules, self._rename = Rules(register), rename
        self._texts = {name for name, _, signal in register.signals() if signal.kind is SignalKind.TEXT}
        self.summary = Summary(mapping=dict(rename))

    def blocks(self, file: Path, progress: Callable[[int], None]) -> Iterator[Block]:
        """The rows of a file that can be taken.

        Args:
            progress: is told rows as they are read.
        Raises:
            ConfigError: the file cannot be read.
        """
        for piece in read(file, self._rename, self._texts.__contains__):
            self._refuse(file, piece)
            block = self._sift(piece.block)
            if len(block):
                self._count(block)
                yield block
            progress(piece.read)
        self.summary.files += 1

    def _sift(self, block: Block) -> Block:
        block, _, reasons = self._rules.sift(block)
        refused = Counter(self.summary.refused)
        for _, reason in reasons:
            refused[reason.rpartition(" (")[0]] += int(reason.rpartition("(")[2].split()[0])
        self.summary.refused = dict(refused)
        try:
            check_readings(block)
        except Rejected as error:
            self.summary.refused[str(error)] = self.summary.refused.get(str(error), 0) + len(block)
            return block.take(np.zeros(0, np.int64))
        return block

    def _refuse(self, file: Path, piece: Piece) -> None:
        for item in piece.refused:
            self.summary.refused[item.reason] = self.summary.refused.get(item.reason, 0) + item.rows
            if len(self.summary.examples) < _SHOWN:
                self.summary.examples.append(f"{file.name}:{item.line}: {item.reason}")

    def _count(self, block: Block) -> None:
        summary = self.summary
        summary.rows += len(block)
        for name, rows in zip(block.signals, np.bincount(block.signal, minlength=len(block.signals)).tolist(), strict=True):
            if rows:
                summary.signals[name] = summary.signals.get(name, 0) + rows
        first, last = int(block.source_time_us.min()), int(block.source_time_us.max())
        summary.from_us = min(first, summary.from_us if summary.from_us is not None else first)
        summary.to_us = max(last, summary.to_us if summary.to_us is not None else last)
