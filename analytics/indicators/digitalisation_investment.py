"""Investment in equipment and software, declared."""

from analytics.definition import Definition
from analytics.economics import ALL_DECLARED, from_declared, measure_nothing, no_equipment, sum_of
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="digitalisation_investment",
    title_zh="设备与软件投资额(申报)",
    title_en="Investment in equipment and software, declared",
    unit="{currency}",
    roles=(),
    facts=("equipment_investment", "software_investment"),
    formula="equipment + software investment of the window, civil works not included",
    numbers="({equipment_investment_milli} + {software_investment_milli}) / 1000",
    notes_zh="申报值,非测量:须对整个窗口申报,并附文件;结论中写明申报人、日期与附件摘要。按申报期间均摊到窗口;土建不计。窗口长度须与条款一致(如近两年、近三年)。",
    notes_en=(
        "Declared, not measured: for the whole window, with a document. A verdict names who declared it, when, and the document's digest. "
        "Shared out evenly over the time it was declared for; civil works do not count. The window must be the clause's, such as the last two years."
    ),
    source="declared; invoices and contracts",
    places=2,
    min_coverage=ALL_DECLARED,
    over_time=True,
    population=no_equipment,
    measured=measure_nothing,
    informed=from_declared(sum_of("equipment_investment", "software_investment")),
)
