"""The leak test of compressed air, from readings: what a compressor delivers while nothing is at work is lost.

Leakage = T / (T + t) with the loaded time T and the unloaded time t of a load/unload compressor while nobody draws air (US Department of Energy,
Improving Compressed Air System Performance: A Sourcebook for Industry; the formula and both figures below are from memory of it, the text was
not at hand). There, plants that look after their leaks lose less than a tenth, others 20 to 30 %.

At rest are the times in which every other machine of the register that tells an item state is known not to be executing; stretches of less than
ten minutes do not count, since air in the tank still settles. Every stretch is one test. Their median counts, so that somebody who draws air in less
than half of them makes no leak, and its interval is that of the sign test.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from scipy.stats import t as student

from analytics.compute import inputs_by_hour
from analytics.electricity import KWH, METER, QUARTER_US, grown_of, placed_of
from analytics.indicator import listed, sentences
from analytics.missing import NOTHING, Missing
from analytics.power import MAIN
from analytics.series import LOOKBACK_US, Inputs, series_of
from analytics.steps import UNKNOWN, Steps, cut, held
from workshop.block import Block
from workshop.register import Equipment, Workshop
from workshop.signal import signal_id
from workshop.states import ItemState
from workshop.window import HOUR_US, SECOND_US, Window

COMPRESSOR = "compressor"
"""Class of equipment; its item state is Executing while it is loaded and NotExecuting while it runs unloaded."""
ACCEPTED = 0.10
"""Share of the delivery that well-kept systems lose: what can be expected to remain."""
LEVEL = 0.9
REST_US = 600 * SECOND_US
LEAST_TESTS = 5
_STATE = "item_state"
_IDLE = (ItemState.NOT_AVAILABLE, ItemState.OUT_OF_SERVICE, ItemState.NOT_EXECUTING)
_KNOWN = 0.9


class LeakTest(msgspec.Struct, frozen=True):
    """What the times of rest say about one compressor."""

    equipment: str
    tests: int
    rest_h: float
    share: float
    """Leakage as a share of what it can deliver, the median of the tests; `low` and `high` hold it with 90 % at least."""
    low: float
    high: float
    run_h: float
    """Hours in which it ran, loaded or not."""
    extra_kw: float
    """What it draws more when it is loaded than when it is not; likewise between `extra_low_kw` and `extra_high_kw`."""
    extra_low_kw: float
    extra_high_kw: float


class _Seen:
    """What was gathered of one compressor, day by day."""

    def __init__(self) -> None:
        self.loaded_us: list[int] = []
        self.tested_us: list[int] = []
        self.run_us = 0
        self.quarters: list[NDArray[np.float64]] = []
        """f64[n, 3] of each day: loaded h, run h, kWh of every quarter hour that is known."""
        self.unknown_us: dict[str, int] = {}
        """By machine: how long nobody knows what it did while the compressor was watched."""
        self.watched_us = 0


def leak_tests(
    days: Iterable[tuple[Window, Workshop]], read: Callable[[list[str], Window], Block], missing: Callable[[Window], Missing] = lambda _: NOTHING,
) -> tuple[list[LeakTest], list[str]]:
    """The leak test of every compressor of the register, and in words why one cannot be tested.

    Args:
        days: stretches that do not overlap, each with the register in force.
        read: rows of some signals with source time in a window. missing: what is known to be missing there.
    """
    seen: dict[str, _Seen] = {}
    for day, register in days:
        telling = [item for item in register.equipment if item.signal(_STATE) and item.equipment_class != MAIN]
        airs = [item for item in telling if item.equipment_class == COMPRESSOR and item.signal(METER)]
        if not airs:
            continue
        span = Window(day.start_us - LOOKBACK_US, day.end_us)
        names = [signal_id(item.id, signal.name) for item in telling for signal in item.signals if signal.role == _STATE]
        names += [signal_id(item.id, signal.name) for item in airs for signal in item.signals if signal.role == METER]
        series, lost = series_of(read(names, span), set(names)), missing(span)

        def inputs(item: Equipment) -> Inputs | None:
            found = inputs_by_hour((_STATE, METER), register, item, series, day, lost, by_hour=False)  # noqa: B023 – called in this turn only
            return found[0][0] if found else None

        others = {
            item.id: held(made, _STATE) for item in telling if item.equipment_class != COMPRESSOR and (made := inputs(item)) is not None
        }
        for item in airs:
            if (made := inputs(item)) is not None:
                _gather(seen.setdefault(item.id, _Seen()), made, others, day)
    results = [_tested(name, tally) for name, tally in seen.items()]
    return [item for item in results if isinstance(item, LeakTest)], [item for item in results if isinstance(item, str)]


def _gather(seen: _Seen, inputs: Inputs, others: Mapping[str, Steps], day: Window) -> None:
    state = held(inputs, _STATE)
    pieces = cut([day], [state, *others.values()])
    own = pieces.values[0]
    resting = np.full(len(own), bool(others))
    for name, column in zip(others, pieces.values[1:], strict=True):
        resting &= np.isin(column, _IDLE)
        seen.unknown_us[name] = seen.unknown_us.get(name, 0) + pieces.total_us(column == UNKNOWN)
    seen.watched_us += day.length_us
    edges = np.flatnonzero(np.diff(np.concatenate(([False], resting, [False])).astype(np.int8)))
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        length = pieces.length_us[first:end]
        loaded = int(length[own[first:end] == ItemState.EXECUTING].sum())
        tested = loaded + int(length[own[first:end] == ItemState.NOT_EXECUTING].sum())
        if int(length.sum()) >= REST_US and tested >= _KNOWN * int(length.sum()):
            seen.loaded_us.append(loaded)
            seen.tested_us.append(tested)
    slot = np.arange(day.start_us // QUARTER_US, -(-day.end_us // QUARTER_US))
    parts = cut([day], [state, Steps(slot * QUARTER_US, slot)])
    place = parts.values[1] - slot[0]
    loaded_us, run_us, energy = (np.zeros(len(slot)) for _ in range(3))
    running = np.isin(parts.values[0], (ItemState.EXECUTING, ItemState.NOT_EXECUTING))
    np.add.at(run_us, place[running], parts.length_us[running])
    on = parts.values[0] == ItemState.EXECUTING
    np.add.at(loaded_us, place[on], parts.length_us[on])
    grown = grown_of(inputs, day)
    placed = placed_of(inputs, grown)
    np.add.at(energy, (grown.time_us[placed] - 1) // QUARTER_US - slot[0], grown.amount[placed])
    seen.run_us += int(run_us.sum())
    whole = run_us >= _KNOWN * QUARTER_US
    seen.quarters.append(np.column_stack((loaded_us / HOUR_US, run_us / HOUR_US, energy / KWH))[whole])


def _tested(name: str, seen: _Seen) -> LeakTest | str:
    tests = len(seen.tested_us)
    if tests < LEAST_TESTS:
        blind = [other for other, unknown_us in seen.unknown_us.items() if 2 * unknown_us > seen.watched_us]
        return sentences(
            f"{name}: {tests} times of rest of ten minutes or more with known states; {LEAST_TESTS} are needed to test for leaks",
            f"their state is mostly unknown, so that nobody knows whether they rest: {listed(blind)}" if blind else "",
        )
    shares = np.sort(np.array(seen.loaded_us) / np.array(seen.tested_us))
    rank = int(binom.ppf((1 - LEVEL) / 2, tests, 0.5))  # with 5 tests the smallest and the greatest
    extra = _extra_kw(np.concatenate(seen.quarters))
    if extra is None:
        return f"{name}: its meter and its load do not say what loading costs; no advice on leaks"
    return LeakTest(
        name, tests, sum(seen.tested_us) / HOUR_US, float(np.median(shares)), float(shares[rank - 1]), float(shares[-rank]), seen.run_us / HOUR_US,
        *extra,
    )


def _extra_kw(quarters: NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Loaded less unloaded power, kW, with its interval: least squares of energy = unloaded · run + extra · loaded; None where it is not above 0."""
    matrix, energy = quarters[:, [1, 0]], quarters[:, 2]
    freedom = len(energy) - 2
    if freedom < 1 or np.linalg.matrix_rank(matrix) < 2:
        return None
    fitted, *_ = np.linalg.lstsq(matrix, energy, rcond=None)
    away = energy - matrix @ fitted
    error = float(np.sqrt(away @ away / freedom * np.linalg.inv(matrix.T @ matrix)[1, 1]))
    half, extra = float(student.ppf(0.5 + LEVEL / 2, freedom)) * error, float(fitted[1])
    return (extra, extra - half, extra + half) if extra - half > 0 else None
