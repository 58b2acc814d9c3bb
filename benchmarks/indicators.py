"""Components for one new hour, and any indicator for a year from hourly components, with 10, 100 and 1000 machines.

    python -m benchmarks.indicators

Machines have 13 signals and one reading of each every 10 s. The hour is measured from readings in memory, without the engine that serves them. The
year is the hour's components repeated 8,760 times and held as columns, as a cache may hold them; it is merged per machine and evaluated.
"""

import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from analytics.compute import components_of, measure_all
from analytics.indicator import Indicator, load_indicators
from analytics.packed import Packed, PackedSlots, PackedSpans, merge_packed, pack
from workshop.block import Block, empty_block
from workshop.reading import ValueKind
from workshop.register import Equipment, Process, Shift, TariffPeriod, Workshop
from workshop.signal import Origin, Signal, SignalKind
from workshop.window import HOUR_US, SECOND_US, Window

START_US = 1_767_542_400_000_000  # 2026-01-05 00:00 in Shanghai
SCAN_S = 10
HOURS = 8_760
SIZES = (10, 100, 1000)
_STATE, _COUNTER = SignalKind.STATE, SignalKind.COUNTER
SIGNALS = tuple(
    Signal(role, role, kind, "W.h" if role == "energy_import" else "", max_age_s=30, origin=Origin.EDGE if role == "link_state" else Origin.MACHINE)
    for role, kind in {
        "item_state": _STATE, "operation_mode": _STATE, "alarm": _STATE, "link_state": _STATE, "platform_link_state": _STATE,
        "produced_count": _COUNTER, "good_count": _COUNTER, "scrap_count": _COUNTER, "rework_count": _COUNTER, "inspected_count": _COUNTER,
        "rejected_count": _COUNTER, "first_pass_good_count": _COUNTER, "energy_import": _COUNTER,
    }.items()
)


def workshop(machines: int) -> Workshop:
    """A register of so many equal machines, shifts all day."""
    items = tuple(
        Equipment(f"m-{n:04}", "", "", "lathe", "cell", str(n), True, True, "turning", 9000, "2020-01-01", ideal_cycle_ms=9_000, signals=SIGNALS)
        for n in range(machines)
    )
    tariff = (TariffPeriod("peak", "08:00", "20:00", "1.02"), TariffPeriod("valley", "20:00", "08:00", "0.31"))
    return Workshop("w", "", "", "", "", "", "Asia/Shanghai", items, (Process("turning", "", "", True),), (Shift("all", "00:00", "00:00"),), tariff)


def readings(register: Workshop) -> Block:
    """One hour of every signal, a scan before it included."""
    dice = np.random.default_rng(3)
    times = START_US + SCAN_S * SECOND_US * np.arange(-1, 3600 // SCAN_S)
    names = [name for name, _, _ in register.signals()]
    states = {"link_state": (1, 1), "platform_link_state": (1, 1), "alarm": (0, 3), "item_state": (1, 4), "operation_mode": (2, 4)}
    columns = []
    for _, _, signal in register.signals():
        if signal.kind is _STATE:
            low, high = states[signal.role]
            columns.append(dice.integers(low, max(high, low + 1), len(times)))
        else:
            columns.append(np.cumsum(dice.integers(0, 3, len(times))))
    count = len(names) * len(times)
    empty = empty_block()
    return msgspec.structs.replace(
        empty, signals=names, statuses=[""], signal=np.repeat(np.arange(len(names), dtype=np.int32), len(times)),
        source_time_us=np.tile(times, len(names)), received_time_us=np.tile(times, len(names)), kind=np.full(count, ValueKind.I64, np.uint8),
        value_f64=np.zeros(count), value_i64=np.concatenate(columns).astype(np.int64), value_text=[""] * count, quality=np.zeros(count, np.uint8),
        status=np.zeros(count, np.int32),
    )


def a_year(hour: Packed) -> Packed:
    """The components of one hour, every hour of a year; sorted by machine and time."""
    machines = len(hour.place)
    steps = np.tile(np.arange(HOURS), machines)
    columns = np.repeat(hour.columns, HOURS, axis=1)
    columns[:3] += steps * HOUR_US
    borders = {}
    for name, border in hour.borders.items():
        fields = {field: np.repeat(getattr(border, field), HOURS, axis=0) for field in border.__struct_fields__ if field != "step_us"}
        if isinstance(border, PackedSlots):
            fields["first"] += steps * (HOUR_US // border.step_us)
        borders[name] = msgspec.structs.replace(border, **fields)
    return msgspec.structs.replace(
        hour, place=np.repeat(hour.place, HOURS), columns=columns, values=np.repeat(hour.values, HOURS, axis=1),
        present=np.repeat(hour.present, HOURS, axis=1), borders=borders, accounted={role: _spans(spans) for role, spans in hour.accounted.items()},
        growth_lost=_spans(hour.growth_lost),
    )


def _spans(hour: PackedSpans) -> PackedSpans:
    steps = np.arange(HOURS)
    row, start, end = ((column[:, None] + steps * step).ravel() for column, step in (
        (hour.row * HOURS, 1), (hour.start, HOUR_US), (hour.end, HOUR_US),
    ))
    return PackedSpans(row, start, end, np.repeat(hour.present, HOURS))


def seconds(work: Callable[[], object]) -> float:
    """Processor time of the shortest of three runs, s: others on the machine do not count."""
    took = []
    for _ in range(3):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


def main(sizes: Sequence[int] = SIZES) -> None:
    """Prints two tables."""
    indicators: list[Indicator] = [item for item in load_indicators().values() if item.roles]
    hour = Window(START_US, START_US + HOUR_US)
    print(f"components for one new hour, s of processor time\n{'indicator':<26}" + "".join(f"{size:>9}" for size in sizes))
    took: dict[str, list[float]] = {item.id: [] for item in indicators}
    together: list[float] = []
    packed: dict[str, Packed] = {}
    for size in sizes:
        register = workshop(size)
        block = readings(register)
        together.append(seconds(lambda register=register, block=block: measure_all(indicators, register, block, hour)))  # type: ignore[misc]
        for item in indicators:
            took[item.id].append(seconds(lambda item=item, register=register, block=block: components_of(item, register, block, hour)))  # type: ignore[misc]
            if size == 100:
                packed[item.id] = pack(components_of(item, register, block, hour))
    for name, found in took.items():
        print(f"{name:<26}" + "".join(f"{value:9.4f}" for value in found))
    print(f"{'all of them at once':<26}" + "".join(f"{value:9.4f}" for value in together))
    register, year = workshop(100), Window(START_US, START_US + HOURS * HOUR_US)
    print(f"\nthe year of 100 machines from {HOURS * 100} hourly components, s of processor time")
    for item in indicators:
        if item.id in packed:
            columns = a_year(packed[item.id])
            value = item.evaluate(merge_packed(columns), register, year).value
            spent = seconds(lambda item=item, columns=columns: item.evaluate(merge_packed(columns), register, year))  # type: ignore[misc]
            print(f"{item.id:<26}{spent:9.4f}   {value} {item.unit}")


if __name__ == "__main__":
    main()
