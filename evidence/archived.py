"""Verdicts while the line runs: from the signed batches in the gateway's archive and not from an engine, and the same as a bundle's."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from analytics.indicator import Indicator
from evidence.bundle import checked_windows, remarks_on
from evidence.claim import Claim
from evidence.control import Control
from evidence.evaluate import Evaluation, evaluate, revisions_in_force
from evidence.parts import Place
from evidence.policy import Pack
from evidence.stretches import ranges_for
from evidence.survey import Survey
from store.archive import Archive
from workshop.batch import decode_header
from workshop.errors import Rejected
from workshop.window import Window

_PAGE = 64


class _Stored(NamedTuple):
    archive: Archive

    def read(self, places: Sequence[Place]) -> list[bytes]:
        """The parts at (index in the data log, place in the header, length), each stretch of the log read once."""
        wanted = sorted({index for index, _, _ in places})
        found: dict[int, tuple[bytes | None, ...]] = {}
        at = 0
        while at < len(wanted):
            first, last = at, at
            while last + 1 < len(wanted) and wanted[last + 1] - wanted[last] < _PAGE:
                last += 1
            found.update((item.index, item.batch.parts) for item in self.archive.batches(wanted[first], wanted[last] + 1))
            at = last + 1
        parts = [found[index][number] for index, number, _ in places]
        if any(part is None for part in parts):
            raise Rejected("archive: parts were pruned while they were read; ask again")
        return [part for part in parts if part is not None]


class Live:
    """Verdicts on what an archive holds now: the very ones that a bundle of the same windows would state. One caller at a time."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._control = Control()

    def judge(
        self, window: Window, claims: Sequence[Claim], packs: Mapping[str, Pack], *, indicators: Mapping[str, Indicator],
        as_of: str | None = None, baseline: Window | None = None,
    ) -> Evaluation:
        """Results and verdicts from the signed batches, with all that must be said beside the figures.

        Raises:
            ConfigError: an empty window, a baseline that is not before it, or no register before its end.
            Rejected: parts were pruned meanwhile; ask again.
        """
        archive, windows = self._archive, checked_windows(window, baseline)
        size, control = archive.data_size, self._catch_up()
        registers = archive.registers()
        in_force = [item for _, item in revisions_in_force(registers, window)]
        survey = Survey(windows, control)
        for first, end in ranges_for(archive, control, windows, size) if size else ():
            survey.begin(first, end)
            for item in archive.headers(first, end):
                header = decode_header(item.header)
                places: list[Place | None] = [None if length is None else (item.index, n, length) for n, length in enumerate(item.sizes)]
                survey.add(item.index, item.accepted_us, header, places)
        reader = _Stored(archive)
        remarks = remarks_on(claims, control, survey, windows, in_force, reader)
        return evaluate(
            registers, survey.parts(0, reader), claims, packs, window, indicators=indicators, as_of=as_of, remarks=remarks,
            baseline=None if baseline is None else (survey.parts(1, reader), baseline), facts=control.recorded.facts,
        )

    def _catch_up(self) -> Control:
        """The control log's state, with what has come into it since the last time."""
        fresh, self._control = self._control, Control()  # begins anew if an entry refuses
        for entry in self._archive.control_entries(fresh.size):
            fresh.take(entry.kind, entry.time_us, entry.author, entry.body)
        self._control = fresh
        return fresh
