"""From a block of readings to components and results: which signals an indicator needs, and its pieces by equipment and local hour."""

from collections.abc import Iterable, Mapping, Sequence

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
from workshop.signal import signal_id
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
    series = series_of(block, set(needed_signals(indicator, register)), needed_texts([indicator], register))
    return _measure([indicator], register, series, window, missing, by_hour=True)[0]


def compute(
    indicator: Indicator, register: Workshop, block: Block, window: Window, missing: Missing = NOTHING, facts: Facts = NO_FACTS
) -> Result:
    """The indicator's result in the window; the same bits as evaluating its hours. Arguments as for `components_of`."""
    return compute_all([indicator], register, block, window, missing, facts)[0]


def compute_all(
    indicators: Sequence[Indicator], register: Workshop, block: Block, window: Window, missing: Missing = NOTHING, facts: Facts = NO_FACTS
) -> list[Result]:
    """The results of several indicators, in their order; the block is sorted once."""
    needed = {name for indicator in indicators for name in needed_signals(indicator, register)}
    series = series_of(block, needed, needed_texts(indicators, register))
    measured = _measure(indicators, register, series, window, missing, by_hour=False)
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
    needed = {name for indicator in indicators for name in needed_signals(indicator, register)}
    series = series_of(block, needed, needed_texts(indicators, register), dictionary)
    return [piece for pieces in _measure(indicators, register, series, window, missing, by_hour=False) for piece in pieces]


def inputs_by_hour(
    roles: Sequence[str], register: Workshop, equipment: Equipment, series: Mapping[str, Series], window: Window,
    missing: Missing = NOTHING, *, by_hour: bool = True,
) -> list[tuple[Inputs, Window]]:
    """The inputs of one piece of equipment for every local hour of the window in which it is in service, or for all of that time at once.

    Args:
        roles: those of an indicator, or of several: what one measures does not depend on roles that it does not ask for.
    """
    in_service = window.clip(service_window(register, equipment))
    if in_service.length_us == 0:
        return []
    signals, observed = wanted_signals(equipment, roles), observed_windows(register, equipment, in_service)
    pieces = list(local_hours(register, in_service)) if by_hour else [in_service]
    return [(cut_inputs(register, equipment, series, piece, signals, clip_windows(observed, piece), missing), piece) for piece in pieces]


def _measure(
    indicators: Sequence[Indicator], register: Workshop, series: Mapping[str, Series], window: Window, missing: Missing, *, by_hour: bool
) -> list[list[Components]]:
    """Of every indicator, its components. What several ask of one machine is derived once; what they measure in the same way too."""
    found: list[list[Components]] = [[] for _ in indicators]
    for item in register.equipment:
        applying = [(number, indicator) for number, indicator in enumerate(indicators) if indicator.applies(item)]
        roles = sorted({role for _, indicator in applying for role in indicator.roles})
        for inputs, piece in inputs_by_hour(roles, register, item, series, window, missing, by_hour=by_hour) if applying else ():
            done: dict[object, Components] = {}
            for number, indicator in applying:
                way = (indicator.measured, indicator.roles) if isinstance(indicator, Definition) else indicator.id
                if way in done:
                    found[number].append(msgspec.structs.replace(done[way], indicator=indicator.id, version=indicator.version))
                else:
                    done[way] = indicator.measure(inputs, piece)
                    found[number].append(done[way])
    return found
