"""Components for one new hour with 10, 100 and 1000 machines; judged by the bars. For a year of them see `benchmarks.year`.

    python -m benchmarks.indicators

Every machine has a signal of every role that any indicator names, and one reading of each every 10 s. States change at every reading, which is more
than machines do; one alarm an hour comes up, which on one console is a flood. The hour is measured from readings in memory, without the engine that
serves them. Times are processor time, the shortest of three runs, of five for all together: others on the machine do not count. Ends with 1 where a
bar is missed.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.compute import measure_all
from analytics.declared_figures import CATALOGUE
from analytics.facts import Declared, Facts
from analytics.indicator import Indicator, load_indicators
from workshop.block import Block, empty_block
from workshop.order import Order
from workshop.reading import ValueKind
from workshop.register import Equipment, Process, Round, Shift, TariffPeriod, Workshop
from workshop.signal import Origin, Signal, SignalKind
from workshop.window import HOUR_US, SECOND_US, Window

START_US = 1_767_542_400_000_000  # 2026-01-05 00:00 in Shanghai
SCAN_S = 10
SIZES = (10, 100, 1000)
BARS_SIZE = 100
HOUR_S = 0.3
"""The bar: one new hour of all indicators together, with 100 machines."""
GROWTH = 1.5
"""Linear: a machine among 1000 may cost so many times what it costs among 100. Caches are of one size; a cost that grew by the square would be 10."""

TEMPERATURES = ("spindle_temperature", "axis_temperature", "motor_temperature", "oil_temperature", "ambient_temperature")
RANGES = {
    **dict.fromkeys(("link_state", "platform_link_state"), (1.0, 1.0)), "item_state": (1.0, 3.0), "operation_mode": (2.0, 3.0), "alarm": (0.0, 0.0),
    "door_closed": (1.0, 1.0), **dict.fromkeys(TEMPERATURES, (30.0, 70.0)), "gas_concentration": (0.0, 90.0), "pressure": (5.0, 7.0),
    "active_power": (900.0, 6000.0), "reactive_power": (100.0, 900.0), "apparent_power": (1000.0, 7000.0), "spindle_speed": (0.0, 12000.0),
    "joint_speed": (0.0, 3.0), "diameter": (19.97, 20.03),
}
"""By role of a state or gauge, between what its values lie."""
LIMITS = {
    **dict.fromkeys(TEMPERATURES, (None, "69.5")), "gas_concentration": (None, "89.5"), "pressure": ("5.02", None), "diameter": ("19.95", "20.05"),
}
UNITS = {"energy_import": "W.h", "active_power": "W", "reactive_power": "var", "apparent_power": "V.A", "diameter": "mm"}
COUNTERS = (
    "produced_count", "good_count", "scrap_count", "rework_count", "inspected_count", "rejected_count", "first_pass_good_count", "defect_count",
    "energy_import",
)
STATES = ("item_state", "operation_mode", "alarm", "link_state", "platform_link_state", "door_closed")
WORDS = {
    "defect_code": ("scratch", "burr", "size"),
    "serial": tuple(f"S{number:05}" for number in range(60)),
    "part_serial": tuple(f"P{number:05}" for number in range(60)),
}
SCANS_A_WORD = {"part_serial": 60}
"""How long a text stays, scans: a part in process ten minutes, others one."""
EVENTS = ("inspection_round",)


def _signal(role: str) -> Signal:
    kinds = {
        **dict.fromkeys(COUNTERS, SignalKind.COUNTER), **dict.fromkeys(STATES, SignalKind.STATE), **dict.fromkeys(WORDS, SignalKind.TEXT),
        **dict.fromkeys(EVENTS, SignalKind.EVENT),
    }
    lower, upper = LIMITS.get(role, (None, None))
    return Signal(
        role, role, kinds.get(role, SignalKind.GAUGE), UNITS.get(role, ""), max_age_s=30, lower=lower or msgspec.UNSET, upper=upper or msgspec.UNSET,
        origin=Origin.EDGE if role == "link_state" else Origin.MACHINE,
    )


SIGNALS = tuple(_signal(role) for role in (*COUNTERS, *RANGES, *WORDS, *EVENTS))


def workshop(machines: int) -> Workshop:
    """A register of so many equal machines, shifts all day."""
    items = tuple(
        Equipment(
            f"m-{n:04}", "", "", "lathe", "cell", str(n), True, True, "turning", 9000, "2020-01-01", ideal_cycle_ms=9_000, signals=SIGNALS,
            rounds=(Round("walk", ("00:20", "08:20", "16:20")),), opportunities=5,
        )
        for n in range(machines)
    )
    tariff = (TariffPeriod("peak", "08:00", "20:00", "1.02"), TariffPeriod("valley", "20:00", "08:00", "0.31"))
    return Workshop("w", "", "", "", "", "", "Asia/Shanghai", items, (Process("turning", "", "", True),), (Shift("all", "00:00", "00:00"),), tariff)


def facts(register: Workshop, window: Window) -> Facts:
    """Every figure of the catalogue declared for the window, and an order a week for every machine."""
    figures = tuple(
        Declared(name, Decimal(1), known.unit, window.start_us, window.end_us, "someone", window.end_us, "", "", number)
        for number, (name, known) in enumerate(CATALOGUE.items())
    )
    week_us = 7 * 24 * HOUR_US
    orders = tuple(
        Order(f"{item.id}-{n}", "part", 500, item.id, start + week_us // 2, start, start + week_us // 2)
        for item in register.equipment for n, start in enumerate(range(window.start_us, window.end_us - week_us, week_us))
    )
    return Facts(figures, orders)


DICTIONARY = sorted(word for words in WORDS.values() for word in words)


def readings(register: Workshop) -> Block:
    """One hour of every signal, a scan before it included; texts are numbers of `DICTIONARY`."""
    dice = np.random.default_rng(3)
    times = START_US + SCAN_S * SECOND_US * np.arange(-1, 3600 // SCAN_S)
    names, whole, real, kinds = [], [], [], []
    for name, _, signal in register.signals():
        values = _values(signal, dice, len(times))
        kind = ValueKind.TEXT if signal.kind is SignalKind.TEXT else ValueKind.F64 if values.dtype == np.float64 else ValueKind.I64
        names.append(name)
        whole.append(values.astype(np.int64) if kind is not ValueKind.F64 else np.zeros(len(times), np.int64))
        real.append(values if kind is ValueKind.F64 else np.zeros(len(times)))
        kinds.append(kind)
    count = len(names) * len(times)
    return msgspec.structs.replace(
        empty_block(), signals=names, statuses=[""], signal=np.repeat(np.arange(len(names), dtype=np.int32), len(times)),
        source_time_us=np.tile(times, len(names)), received_time_us=np.tile(times, len(names)), kind=np.repeat(np.array(kinds, np.uint8), len(times)),
        value_f64=np.concatenate(real), value_i64=np.concatenate(whole), quality=np.zeros(count, np.uint8), status=np.zeros(count, np.int32),
    )


def _values(signal: Signal, dice: np.random.Generator, count: int) -> NDArray[np.int64] | NDArray[np.float64]:
    values: NDArray[np.int64] | NDArray[np.float64]
    place = np.arange(count)
    low, high = RANGES.get(signal.role, (0.0, 0.0))
    if signal.kind is SignalKind.COUNTER:
        values = np.cumsum(dice.integers(0, 3, count))
    elif signal.role in WORDS:
        first, words = int(dice.integers(0, 50)), WORDS[signal.role]
        scans = SCANS_A_WORD.get(signal.role, 6)
        values = np.array([DICTIONARY.index(words[(first + n // scans) % len(words)]) for n in range(count)], np.int64)
    elif signal.role == "alarm":
        values = np.where(place // 6 == dice.integers(1, count // 6), dice.integers(17, 21), 0)
    elif signal.role in ("door_closed", "link_state"):
        values = np.where(place // 3 == dice.integers(1, count // 3), 0, 1)
    elif signal.role == "inspection_round":
        values = np.where(place == 120, 1, 0)
    else:
        values = dice.integers(int(low), int(high) + 1, count) if signal.kind is SignalKind.STATE else np.round(dice.uniform(low, high, count), 4)
    return values


def seconds(work: Callable[[], object], runs: int = 3) -> float:
    """Processor time of the shortest of so many runs, s."""
    took = []
    for _ in range(runs):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


def measured() -> list[Indicator]:
    """The indicators that are measured on machines."""
    return [item for item in load_indicators().values() if item.roles]


def hours(sizes: Sequence[int]) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds for one new hour by indicator and size, and for all of them at once by size."""
    indicators, hour = measured(), Window(START_US, START_US + HOUR_US)
    took: dict[str, list[float]] = {item.id: [] for item in indicators}
    together: list[float] = []
    for size in sizes:
        register = workshop(size)
        block = readings(register)

        def work(chosen: Sequence[Indicator], register: Workshop = register, block: Block = block) -> list[object]:
            return list(measure_all(chosen, register, block, hour, dictionary=DICTIONARY))

        together.append(seconds(lambda work=work: work(indicators), 5))  # type: ignore[misc]
        for item in indicators:
            took[item.id].append(seconds(lambda item=item, work=work: work([item]), 3 if size <= BARS_SIZE else 1))  # type: ignore[misc]
    return took, together


def judged(together: Sequence[float], sizes: Sequence[int]) -> list[tuple[str, float, float]]:
    """The bars: what is meant, the figure, and what it must be below. A bar of a size that was not run is left out."""
    at = dict(zip(sizes, together, strict=True))
    found = [(f"one new hour of {BARS_SIZE} machines, all indicators at once, s", at[BARS_SIZE], HOUR_S)] if BARS_SIZE in at else []
    if BARS_SIZE in at and max(sizes) > BARS_SIZE:
        most = max(sizes)
        found.append((f"a machine among {most}, times one among {BARS_SIZE}", at[most] / most / (at[BARS_SIZE] / BARS_SIZE), GROWTH))
    return found


def main() -> int:
    """Prints a table and the bars; 1 where one is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="numbers of machines")
    sizes = sorted(parser.parse_args().sizes)
    took, together = hours(sizes)
    print(f"components for one new hour, s of processor time\n{'indicator':<34}" + "".join(f"{size:>9}" for size in sizes))
    for name, found in took.items():
        print(f"{name:<34}" + "".join(f"{value:9.4f}" for value in found))
    print(f"{'all of them at once':<34}" + "".join(f"{value:9.4f}" for value in together) + "\n")
    bars = judged(together, sizes)
    for what, figure, bar in bars:
        print(f"{'met' if figure < bar else 'MISSED':<7}{what}: {figure:.3f}, bar {bar}")
    return int(any(figure >= bar for _, figure, bar in bars))


if __name__ == "__main__":
    sys.exit(main())
