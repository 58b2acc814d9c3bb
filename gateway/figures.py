"""Figures on demand: indicators from the engine, verdicts and bundles from the signed batches. One heavy computation of each kind at a time."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from analytics.compute import LOOKBACK_US, components_of, needed_signals
from analytics.grouping import grouped
from analytics.indicator import Components, Indicator, Result
from analytics.missing import missing_of
from evidence.archived import Live
from evidence.bundle import export
from evidence.claim import needed
from gateway.house import House
from gateway.posted import Posted
from workshop.errors import Rejected
from workshop.register import Workshop
from workshop.window import HOUR_US, Window
from workshop.wire import ComponentsRow

RAW_US = 2 * HOUR_US
"""Windows up to this long are measured from readings alone; longer ones take the service's full hours where they are there."""
KEPT = 32
KEPT_HOURS = 2_000
"""Components of full hours in memory: of ten indicators those of a week."""


class Answers:
    """Finished answers by key, the newest few; a computation waits for the one before it, and may find its answer there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    def get(self, key: tuple[object, ...], compute: Callable[[], bytes]) -> bytes:
        """The answer kept under this key, or a new one."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = compute()
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return self._kept[key]


class GroupRow(msgspec.Struct, frozen=True):
    """One group of `GET /v1/indicators/{id}/groups`."""

    group: str
    result: Result


class Figures:
    """What the gateway computes for those who ask."""

    def __init__(self, house: House, indicators: Mapping[str, Indicator]) -> None:
        self._house, self._indicators = house, indicators
        self._results, self._verdicts = Answers(), Answers()
        self._hours: OrderedDict[tuple[object, ...], list[Components]] = OrderedDict()
        self._exporting = threading.Lock()
        self._live = Live(house.archive)
        self._posted = Posted(house.components, house.in_force)

    def result(self, indicator: Indicator, window: Window) -> bytes:
        """The result of an indicator as JSON, from what the engine holds now."""
        facts, told = self._house.facts.now()

        def compute() -> bytes:
            register = self._house.in_force(window)
            return msgspec.json.encode(indicator.evaluate(self._components(indicator, window, register), register, window, facts))

        return self._results.get((indicator.id, window, told, self._house.engine.cursor()), compute)

    def by_group(self, indicator: Indicator, window: Window, by: str) -> bytes:
        """The results by group as JSON: [{"group", "result"}], see `analytics.grouping`.

        Raises:
            Rejected: no such grouping, or not of this indicator.
        """
        facts, told = self._house.facts.now()

        def compute() -> bytes:
            register = self._house.in_force(window)
            reach = Window(window.start_us - LOOKBACK_US, window.end_us)
            missing = missing_of((gap.signals, gap.from_us, gap.to_us) for _, gap in self._house.archive.gaps_in(reach))
            found = grouped(
                indicator, register, window, by, lambda part, span: self._components(indicator, span, part), facts, self._house.engine, missing
            )
            return msgspec.json.encode([GroupRow(name, result) for name, result in found])

        return self._results.get((indicator.id, window, by, told, self._house.engine.cursor()), compute)

    def _components(self, indicator: Indicator, window: Window, register: Workshop) -> list[Components]:
        engine = self._house.engine
        signals = needed_signals(indicator, register)
        posted = self._posted.find(indicator, window, register) if window.length_us > RAW_US else []
        components = [piece for _, pieces in posted for piece in pieces]
        cursor, digest = engine.cursor(), register.digest
        for piece in _rest(window, [span for span, _ in posted]):
            span = Window(piece.start_us - LOOKBACK_US, piece.end_us)
            # What no newer batch is about has not changed since: people who look again have new hours measured only.
            key = (indicator.id, indicator.version, digest, piece, min(self._house.archive.range_for(span, 0)[1], cursor))
            found = self._hours.get(key)
            if found is None:
                missing = missing_of((gap.signals, gap.from_us, gap.to_us) for _, gap in self._house.archive.gaps_in(span))
                found = components_of(indicator, register, engine.read(signals, span), piece, missing)
                if piece.length_us == HOUR_US:
                    self._hours[key] = found
                    while len(self._hours) > KEPT_HOURS:
                        self._hours.popitem(last=False)
            components += found
        return components

    def accept(self, rows: Iterable[ComponentsRow]) -> int:
        """Stores posted components.

        Raises:
            Rejected: components that say something else than their row, or of an indicator or version that is not here.
        """
        kept = list(rows)
        for row in kept:
            where = f"components of {row.indicator} {row.version}, {row.equipment}, from {row.start_us}"
            try:
                piece = msgspec.convert(row.components, Components)
            except msgspec.ValidationError as error:
                raise Rejected(f"{where}: {error}") from error
            if (piece.indicator, piece.version, piece.equipment, piece.start_us, piece.end_us) != (
                row.indicator, row.version, row.equipment, row.start_us, row.end_us,
            ) or row.start_us >= row.end_us:
                raise Rejected(f"{where}: the components inside are of {piece.indicator} {piece.version}, {piece.equipment}, from {piece.start_us}")
            known = self._indicators.get(row.indicator)
            if known is None or known.version != row.version or self._house.register.find(row.equipment) is None:
                raise Rejected(f"{where}: no such indicator, version or equipment here")
        self._house.components.put(kept)
        return len(kept)

    def verdicts(self, window: Window, as_of: str | None, baseline: Window | None = None) -> bytes:
        """The verdicts on all claims as JSON, computed from the signed batches, never from the engine: those that a bundle would state."""
        archive = self._house.archive

        def compute() -> bytes:
            if not self._house.claims:
                return b"[]"
            claims, packs = self._house.claims, self._house.packs
            found = self._live.judge(window, claims, packs, indicators=needed(claims, packs, self._indicators), as_of=as_of, baseline=baseline)
            return msgspec.json.encode(found.verdicts)

        return self._verdicts.get((archive.data_size, archive.control_size, window, as_of, baseline), compute)

    def bundle(
        self, window: Window, as_of: str | None, baseline: Window | None = None, withhold: Sequence[str] = (), pinned: Sequence[int] = ()
    ) -> BinaryIO:
        """A zip with everything that is needed to check the verdicts, open for reading and already deleted: it goes when it is closed.

        Arguments as for `evidence.bundle.export`.

        Raises:
            ConfigError: nothing to judge, or nothing in the log.
        """
        path = Path(self._house.settings.data) / f"bundle-{secrets.token_hex(8)}.zip"
        try:
            with self._exporting:
                export(
                    self._house.archive, window=window, claims=self._house.claims, packs=self._house.packs, out=path, as_of=as_of,
                    baseline=baseline, withhold=withhold, pinned=pinned,
                )
            return path.open("rb")
        finally:
            path.unlink(missing_ok=True)


def _rest(window: Window, posted: Iterable[Window]) -> list[Window]:
    """What is left of the window, cut at full hours: so that its readings fit into memory, and the same hours come again."""
    pieces, start_us = [], window.start_us
    for span in (*sorted(posted), Window(window.end_us, window.end_us)):
        while start_us < span.start_us:
            end_us = min((start_us // HOUR_US + 1) * HOUR_US, span.start_us)
            pieces.append(Window(start_us, end_us))
            start_us = end_us
        start_us = max(start_us, span.end_us)
    return pieces
