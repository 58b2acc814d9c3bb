"""A year of hourly components of 100 machines, as the gateway keeps them: how long a question about it takes. Ends with 1 when a bar is missed.

    python -m benchmarks.year [--machines N] [--indicators ID …] [--full ID]

Of every indicator one hour is measured from readings in memory and posted as the 24 hours of a day, moved in time; the gateway's own code
merges it to a day. That day, moved, stands for all days of the year, and the gateway's code merges them to months, as its keeper does once a month.
Then the year is asked for: sums read from the file, merged and evaluated. `--full` posts all 876,000 hours of one indicator instead, and says what
merging them takes the first time. Processor time, best of three.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from analytics.boundary import Episodes, Slots
from analytics.compute import measure_all
from analytics.facts import Facts
from analytics.grouping import local_days
from analytics.indicator import Components, Indicator, merge_all
from analytics.spells import Spells, Tally
from analytics.tracks import Track
from benchmarks.indicators import DICTIONARY, START_US, facts, measured, readings, seconds, workshop
from gateway.components import ComponentsCache
from gateway.posted import Posted
from workshop.register import Workshop
from workshop.window import HOUR_US, Window
from workshop.wire import ComponentsRow

DAYS = 365
YEAR = Window(1_767_196_800_000_000, 1_767_196_800_000_000 + DAYS * 24 * HOUR_US)  # 2026 in Shanghai
YEAR_BAR_S, MERGE_BAR_S = 0.5, 1.0


def moved(piece: Components, by_us: int) -> Components:
    """The same, later."""
    def border(found: object) -> object:
        match found:
            case Slots():
                return msgspec.structs.replace(found, first=found.first + by_us // found.step_us)
            case Tally():
                slot, code, events = found.columns
                rows = np.column_stack((slot + by_us // found.step_us, code, events)).astype("<i8").tobytes()
                return msgspec.structs.replace(found, start_us=found.start_us + by_us, end_us=found.end_us + by_us, rows=rows)
            case Spells():
                rows = tuple((start + by_us, end + by_us, code) for start, end, code in found.rows)
                return msgspec.structs.replace(found, start_us=found.start_us + by_us, end_us=found.end_us + by_us, rows=rows)
            case Track():
                # Other parts every hour: a serial that came again would be one part that takes a year. What a code is chosen by stays.
                pairs = np.frombuffer(found.rows, "<i8").reshape(-1, 2)
                later = np.column_stack((pairs[:, 0] + by_us, np.where(pairs[:, 1] > 0, pairs[:, 1] + by_us // HOUR_US * found.one_in, pairs[:, 1])))
                return Track(found.start_us + by_us, found.end_us + by_us, later.astype("<i8").tobytes(), found.one_in)
            case Episodes():
                return found
            case _:
                raise TypeError(type(found).__name__)

    return msgspec.structs.replace(
        piece, hour_us=piece.hour_us + by_us, start_us=piece.start_us + by_us, end_us=piece.end_us + by_us,
        accounted={role: tuple((start + by_us, end + by_us) for start, end in spans) for role, spans in piece.accounted.items()},
        growth_lost=tuple((start + by_us, end + by_us) for start, end in piece.growth_lost),
        boundary={name: border(found) for name, found in piece.boundary.items()},
    )


def row_of(piece: Components) -> ComponentsRow:
    """As the analytics service posts it."""
    return ComponentsRow(piece.indicator, piece.version, piece.equipment, piece.start_us, piece.end_us, "", msgspec.to_builtins(piece))


def fill(cache: ComponentsCache, posted: Posted, indicator: Indicator, register: Workshop, hour: list[Components]) -> None:
    """A year of days from one posted day."""
    days = [day for _, day in local_days(register, YEAR)]
    for n in range(24):
        cache.put([row_of(moved(piece, days[0].start_us + n * HOUR_US - START_US)) for piece in hour])
    [(_, day)] = posted.find(indicator, days[0], register)
    for span in days[1:]:
        pieces = [moved(piece, span.start_us - days[0].start_us) for piece in day]
        cache.keep_sum(indicator.id, indicator.version, span, register.digest, pieces)


def fill_wholly(cache: ComponentsCache, register: Workshop, hour: list[Components]) -> None:
    """Every hour of every machine, posted a day at a time."""
    for _, day in local_days(register, YEAR):
        starts = range(day.start_us, day.end_us, HOUR_US)
        cache.put([row_of(moved(piece, start - START_US)) for start in starts for piece in hour])


def ask(posted: Posted, indicator: Indicator, register: Workshop, known: Facts) -> object:
    """What `GET /v1/indicators/{id}` does with what was posted."""
    pieces = [piece for _, pieces in posted.find(indicator, YEAR, register) for piece in pieces]
    return indicator.evaluate(pieces, register, YEAR, known).value


def main() -> int:
    """Prints a line for each indicator."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--indicators", nargs="*", default=[])
    parser.add_argument("--full", default="")
    given = parser.parse_args()
    register = workshop(given.machines)
    wanted = set(given.indicators) or {given.full} - {""}
    indicators = [item for item in measured() if not wanted or item.id in wanted]
    block, known = readings(register), facts(register, YEAR)
    missed: list[str] = []
    print(f"a year of {given.machines} machines; bars: merged {MERGE_BAR_S:g} s, asked {YEAR_BAR_S:g} s")
    print(f"{'indicator':<28}{'first time, s':>14}{'merged, s':>11}{'asked, s':>10}   value")
    for indicator in indicators:
        hour = measure_all([indicator], register, block, Window(START_US, START_US + HOUR_US), dictionary=DICTIONARY)
        missed += one(indicator, register, hour, known, whole=indicator.id == given.full)
    print("all bars met" if not missed else f"MISSED: {', '.join(missed)}")
    return int(bool(missed))


def one(indicator: Indicator, register: Workshop, hour: Sequence[Components], known: Facts, *, whole: bool) -> list[str]:
    """Prints the line of an indicator; names it when it misses a bar."""
    with tempfile.TemporaryDirectory() as folder:
        cache = ComponentsCache(Path(folder) / "components.sqlite")
        try:
            posted = Posted(cache, lambda _: register)
            if whole:
                fill_wholly(cache, register, list(hour))
            else:
                fill(cache, posted, indicator, register, list(hour))
            began = time.process_time()
            found = posted.find(indicator, YEAR, register)
            first_s = time.process_time() - began
            merge_s = seconds(lambda: merge_all(piece for _, pieces in posted.find(indicator, YEAR, register) for piece in pieces))
            ask_s = seconds(lambda: ask(posted, indicator, register, known))
            value = ask(posted, indicator, register, known)
        finally:
            cache.close()
    is_missed = ask_s > YEAR_BAR_S or merge_s > MERGE_BAR_S
    said = f"{value} {indicator.unit}, {len(found)} sums{'  MISSED' if is_missed else ''}"
    print(f"{indicator.id:<28}{first_s:14.2f}{merge_s:11.3f}{ask_s:10.3f}   {said}", flush=True)
    return [indicator.id] if is_missed else []


if __name__ == "__main__":
    sys.exit(main())
