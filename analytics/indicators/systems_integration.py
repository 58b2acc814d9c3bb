"""Integration of PCS, MES, ERP and PLM, declared."""

from analytics.definition import Definition
from analytics.economics import ALL_DECLARED, from_declared, mean_of, measure_nothing, no_equipment
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="systems_integration",
    title_zh="系统集成(PCS/MES/ERP、PLM,申报)",
    title_en="Integration of systems (PCS/MES/ERP, PLM), declared",
    unit="1",
    roles=(),
    facts=("pcs_mes_erp_integrated", "plm_integrated"),
    formula="(PCS/MES/ERP exchange data + PLM exchanges data with MES or ERP) / 2, each 1 or 0",
    numbers="({pcs_mes_erp_integrated_milli} + {plm_integrated_milli}) / 2 / 1000",
    notes_zh="申报值,非测量:须对整个窗口申报,并附文件;结论中写明申报人、日期与附件摘要。两项各计 1 或 0,取平均;窗口内中途实现的按时间计。",
    notes_en=(
        "Declared, not measured: for the whole window, with a document. A verdict names who declared it, when, and the document's digest. "
        "Each of the two is 1 or 0, and for a part of the window its share of time."
    ),
    source="declared; the items are those that questionnaires ask, their weight is our choice",
    places=4,
    min_coverage=ALL_DECLARED,
    population=no_equipment,
    measured=measure_nothing,
    informed=from_declared(mean_of("pcs_mes_erp_integrated", "plm_integrated")),
)
