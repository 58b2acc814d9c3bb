"""Share of time outside of the safety limits."""

from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.limits import ROLES, SOURCE, limited, measure_limits, share_outside

INDICATOR: Indicator = Definition(
    id="limit_exceedance_share",
    title_zh="超出安全限值时间占比",
    title_en="Share of time outside of the safety limits",
    unit="1",
    roles=ROLES,
    formula="time in which a limited signal is outside of [lower, upper] / known time",
    numbers="{over_s} s / {known_s} s",
    notes_zh="限值写在台账的信号上(lower、upper),等于限值不算超限。一台设备同时多项超限只计一次。未知时间不算在限内,计入区间上界。限值放宽会改善结果,台账修订可查。",
    notes_en=(
        "The limits stand in the register with the signal (lower, upper); the limit itself is inside. A machine counts once "
        "however many of its signals are outside. Unknown time is not taken for inside, it widens the interval upwards. Wider "
        "limits make a better figure: revisions of the register show them."
    ),
    source=SOURCE,
    places=6,
    population=limited,
    measured=measure_limits,
    evaluated=share_outside,
)
