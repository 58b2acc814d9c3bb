"""From a block of readings to components and results: which signals an indicator needs, and its pieces by equipment and local hour."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import is_
from typing import NamedTuple

import msgspec

from analytics.definition import Definition
from analytics.facts import NO_FACTS, Facts
from analytics.indicator import Components, Indicator, Result
from analytics.missing import NOTHING, Missing
from analytics.series import LOOKBACK_US, Inputs, Series, cut_inputs, observed_windows, series_of, wanted_signals
from analytics.texts import is_text
from workshop.block import Block
from workshop.calendar import clip_windows, local_hours, service_window
from workshop.register import Equipment, Workshop
from workshop.signal import Signal, signal_id
from workshop.window import Window

__all__ = ["LOOKBACK_US", "components_of", "compute", "compute_all", "inputs_by_hour", "measure_all", "needed_signals", "needed_texts"]


def needed_signals(indicator: Indicator, register: Workshop) -> list[str]:
    """Ids of the signals that the indicator reads, in the register's order."""
    return [
        signal_id(item.id, signal.name) for item in register.equipment if indicator.applies(item) for signal in wanted_signals(item, indicator.roles)
    ]


def needed_texts(indicators: Iterable[Indicator], register: Workshop) -> set[str]:
    """Ids of the signals that one of the indicators reads as texts: it names the role, and the signal is an event or a text."""
    return {
        signal_id(item.id, signal.name) for indicator in indicators for item in register.equipment if indicator.applies(item)
        for signal in wanted_signals(item, indicator.roles) if signal.role in indicator.roles and is_text(signal)
    }


def components_of(
    indicator: Indicator, register: Workshop, block: Block, window: Window, missing: Missing = NOTHING
) -> list[Components]:
    """Components by equipment and local hour, the first and the last hour cut by the window; equipment counts while it is in service.

    Args:
        block: readings in any order, of these signals or more, from `LOOKBACK_US` before the window on.
        missing: what is known to be missing in that time.
    """
    return _measure([indicator], register, block, window, missing, by_hour=True)[0]


def compute(
    indicator: Indicator, register: Workshop, block: Block, window: Window, missing: Missing = NOTHING, facts: Facts = NO_FACTS
) -> Result:
    """The indicator's result in the window; the same bits as evaluating its hours. Arguments as for `components_of`."""
    return compute_all([indicator], register, block, window, missing, facts)[0]


def compute_all(
    indicators: Sequence[Indicator], register: Workshop, block: Block, window: Window, missing: Missing = NOTHING, facts: Facts = NO_FACTS
) -> list[Result]:
    """The results of several indicators, in their order; the block is sorted once."""
    measured = _measure(indicators, register, block, window, missing, by_hour=False)
    return [indicator.evaluate(pieces, register, window, facts) for indicator, pieces in zip(indicators, measured, strict=True)]


def measure_all(
    indicators: Sequence[Indicator], register: Workshop, block: Block, window: Window, missing: Missing = NOTHING,
    dictionary: Sequence[str] | None = None,
) -> list[Components]:
    """Components of several indicators in a window taken as one piece; the block is sorted once. Arguments as for `components_of`.

    Pieces that adjoin, of any length, merge to the same components: a long window can be measured stretch by stretch.

    Args:
        dictionary: of texts, as for `series_of`.
    """
    return [piece for pieces in _measure(indicators, register, block, window, missing, dictionary, by_hour=False) for piece in pieces]


def inputs_by_hour(
    roles: Sequence[str], register: Workshop, equipment: Equipment, series: Mapping[str, Series], window: Window,
    missing: Missing = NOTHING, *, by_hour: bool = True,
) -> list[tuple[Inputs, Window]]:
    """The inputs of one piece of equipment for every local hour of the window in which it is in service, or for all of that time at once.

    Args:
        roles: those of an indicator, or of several: what one measures does not depend on roles that it does not ask for.
    """
    return list(_cut(register, equipment, wanted_signals(equipment, roles), series, window, missing, {}, by_hour=by_hour))


class _Plan(NamedTuple):
    """What is measured on one piece of equipment."""

    equipment: Equipment
    applying: Sequence[tuple[int, Indicator, object]]
    """The indicators: the number of each, and how it measures; what two measure in the same way is measured once."""
    signals: list[Signal]
    """What any of them reads."""
    named: set[str]
    """Roles that any of them names."""


class _Plans(NamedTuple):
    """What is measured on all equipment of a register."""

    indicators: Sequence[Indicator]
    register: Workshop
    plans: list[_Plan]
    needed: dict[str, bool]
    """Signals that are read, and whether as text."""

    def are_for(self, indicators: Sequence[Indicator], register: Workshop) -> bool:
        """Whether these are the plans for just these objects."""
        return self.register is register and len(self.indicators) == len(indicators) and all(map(is_, self.indicators, indicators))


_last: _Plans | None = None
"""Hour after hour the same is asked of one register."""


def _plans(indicators: Sequence[Indicator], register: Workshop) -> _Plans:
    global _last  # noqa: PLW0603 - one slot, replaced whole: threads may make it twice, never see half of it
    last = _last
    if last is None or not last.are_for(indicators, register):
        plans = _make_plans(indicators, register)
        _last = last = _Plans(tuple(indicators), register, plans, {
            signal_id(plan.equipment.id, signal.name): is_text(signal) and signal.role in plan.named for plan in plans for signal in plan.signals
        })
    return last


def _make_plans(indicators: Sequence[Indicator], register: Workshop) -> list[_Plan]:
    ways = [(item.measured, item.roles) if isinstance(item, Definition) else item.id for item in indicators]
    found = []
    for item in register.equipment:
        applying = [(number, indicator, ways[number]) for number, indicator in enumerate(indicators) if indicator.applies(item)]
        if applying:
            named = {role for _, indicator, _ in applying for role in indicator.roles}
            found.append(_Plan(item, applying, wanted_signals(item, named), named))
    return found


def _cut(
    register: Workshop, equipment: Equipment, signals: Sequence[Signal], series: Mapping[str, Series], window: Window, missing: Missing,
    planned: dict[Window, list[Window]], *, by_hour: bool,
) -> Iterator[tuple[Inputs, Window]]:
    """Inputs piece by piece.

    Args:
        planned: by time in service the time watched in it, for whoever asks for other equipment.
    """
    in_service = window.clip(service_window(register, equipment))
    if in_service.length_us == 0:
        return
    if in_service not in planned:
        planned[in_service] = observed_windows(register, equipment, in_service)
    for piece in local_hours(register, in_service) if by_hour else (in_service,):
        yield cut_inputs(register, equipment, series, piece, signals, clip_windows(planned[in_service], piece), missing), piece


def _measure(
    indicators: Sequence[Indicator], register: Workshop, block: Block, window: Window, missing: Missing,
    dictionary: Sequence[str] | None = None, *, by_hour: bool,
) -> list[list[Components]]:
    """Of every indicator, its components. What several ask of one machine is derived once; what they measure in the same way too."""
    _, _, plans, needed = _plans(indicators, register)
    series = series_of(block, needed, {name for name, text in needed.items() if text}, dictionary)
    found: list[list[Components]] = [[] for _ in indicators]
    planned: dict[Window, list[Window]] = {}
    for plan in plans:
        for inputs, piece in _cut(register, plan.equipment, plan.signals, series, window, missing, planned, by_hour=by_hour):
            done: dict[object, Components] = {}
            for number, indicator, way in plan.applying:
                if way in done:
                    found[number].append(msgspec.structs.replace(done[way], indicator=indicator.id, version=indicator.version))
                else:
                    done[way] = indicator.measure(inputs, piece)
                    found[number].append(done[way])
    return found
