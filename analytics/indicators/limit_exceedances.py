"""How often a safety limit was exceeded."""

from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.limits import ROLES, SOURCE, limited, measure_limits, number_outside

INDICATOR: Indicator = Definition(
    id="limit_exceedances",
    title_zh="超限次数",
    title_en="Exceedances of the safety limits",
    unit="{exceedance}",
    roles=ROLES,
    formula="number of times a machine went outside of its limits",
    numbers="{exceedances}",
    notes_zh="从限内(或未知)进入限外为一次;中间的未知时间不把一次拆成两次。在限值附近抖动会多计,应与超限时间一起看。有缺失时可能漏计,因此无法判定。",
    notes_en=(
        "From inside, or unknown, to outside is one; unknown time in between does not make two of one. A value that dithers "
        "about its limit counts often: read it with the time outside. Missing readings may hide some, and no verdict rests on "
        "them."
    ),
    source=SOURCE,
    places=2,
    over_time=True,
    population=limited,
    measured=measure_limits,
    evaluated=number_outside,
)
