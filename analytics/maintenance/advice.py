"""Advice (AG of ISO 13374): what to do and when, by the cost of waiting against the cost of acting."""

import msgspec
import numpy as np
from scipy import stats

_Z = 1.645  # of a 90 % interval


class Advice(msgspec.Struct, frozen=True):
    """What to do, by when, and what each choice costs on average, in the currency of the costs given."""

    action: str
    within: float
    """In the unit of the remaining life."""
    cost_of_acting: float
    cost_of_waiting: float
    """Until the next opportunity after it."""
    risk: float
    """Probability that the unit fails before the next opportunity after it."""


def advise(
    life: float, low: float, high: float, opportunities: list[float], *, cost_failure: float, cost_action: float, cost_per_life: float,
) -> Advice:
    """The opportunity to act (a shift's end, a planned stop) at which the expected cost is least.

    Life is taken as normal with the forecast's interval as its 90 % range, cut at 0.

    Args:
        opportunities: times from now at which somebody could act, ascending.
        cost_failure: of a failure in operation, the repair and the standstill.
        cost_action: of acting before the failure.
        cost_per_life: value of one unit of life that is thrown away by acting early.
    """
    spread = max((high - low) / (2 * _Z), 1e-9)
    times = np.array(opportunities)
    risk = stats.norm.cdf((times - life) / spread)
    wasted = np.maximum(life - times, 0) * cost_per_life
    cost = risk * cost_failure + (1 - risk) * (cost_action + wasted)
    best = int(np.argmin(cost))
    following = min(best + 1, len(times) - 1)
    action = "act now" if best == 0 else f"act at {times[best]:g}"
    return Advice(action, float(times[best]), float(cost[best]), float(cost[following]), float(risk[following]))
