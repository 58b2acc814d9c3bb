"""Ratios of the register alone: so many of all in service. A census has no sampling error; whether the register is complete is another question."""

from collections.abc import Callable

import msgspec

from analytics.definition import components, conclude, quotient
from analytics.indicator import Components, Exclusion, Indicator, Result, listed
from analytics.measured import Measured
from analytics.series import Inputs
from workshop.calendar import service_window
from workshop.register import Equipment, Workshop
from workshop.window import Window


def measure_nothing(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Nothing but the time: the register decides."""
    return components(indicator, inputs, window, window.length_us, {}, (window,))


def nobody_is_measured(equipment: Equipment) -> bool:
    """Nothing is measured on any equipment."""
    return False


def count(counted: Callable[[Equipment], bool], name: str, otherwise: str) -> Callable[[Indicator, Measured, Workshop, Window], Result]:
    """k of N in service.

    Args:
        name: of k, for the counts.
        otherwise: what is said of equipment that is not counted.
    """
    def evaluate(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
        items = [item for item in register.equipment if window.clip(service_window(register, item)).length_us]
        found = [item.id for item in items if counted(item)]
        others = [item.id for item in items if not counted(item)]
        whole = Measured({item.id: _there(indicator, item, window) for item in items}, len(items), len(items), {}, 0)
        result = conclude(
            indicator, whole, quotient(len(found), len(items)), {name: len(found), "all": len(items)}, f"{len(found)} of {len(items)} in service",
            f"{otherwise}: {listed(others)}" if others else "", method="census", excluded=[Exclusion(item, otherwise) for item in others],
        )
        return msgspec.structs.replace(result, detail={})

    return evaluate


def _there(indicator: Indicator, equipment: Equipment, window: Window) -> Components:
    return Components(indicator.id, indicator.version, equipment.id, window.start_us, window.start_us, window.end_us, 0, 0, {})
