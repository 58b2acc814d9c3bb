"""What the demo shows at the terminal: indicators and verdicts, in Chinese and English."""

from decimal import Decimal, InvalidOperation
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evidence.document import printable

OUTCOMES = {
    "confirmed": ("属实", "confirmed", "green"),
    "refuted": ("不属实", "refuted", "red"),
    "undetermined": ("证据不足", "undetermined", "yellow"),
    "not_applicable": ("不适用", "not applicable", "dim"),
}


def figure(value: Any, unit: str) -> str:
    """A value with its unit; shares as percent, a missing one as a dash."""
    if value is None:
        return "–"
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    if unit in ("1", "%", ""):
        return f"{number * 100:.2f} %" if unit in ("1", "") else f"{number} %"
    return f"{number} {unit}"


def indicator_table(definitions: dict[str, dict[str, Any]], results: list[dict[str, Any]], language: str, *, narrow: bool = False) -> Table:
    """One line an indicator: value, interval, coverage, name, and where there is room its counts."""
    chinese = language == "zh"
    table = Table(title="指标" if chinese else "Indicators", title_justify="left", expand=False)
    heads = ("值", "区间", "覆盖率", "指标", "计数") if chinese else ("value", "interval", "coverage", "indicator", "counts")
    for place, name in enumerate(heads[:4] if narrow else heads):
        table.add_column(name, overflow="fold", no_wrap=place < 3)
    for result in results:
        definition = definitions.get(result["indicator"], {})
        unit = str(result.get("unit", ""))
        low, high = result.get("low"), result.get("high")
        interval = f"{figure(low, unit)} … {figure(high, unit)}" if low is not None and low != high else ""
        counts = ", ".join(f"{name} {count}" for name, count in list(result.get("counts", {}).items())[:4])
        title = str(definition.get("title_zh" if chinese else "title_en", result["indicator"]))
        row = (figure(result.get("value"), unit), interval, figure(result.get("coverage"), "1"), title, counts)
        table.add_row(*(row[:4] if narrow else row))
    return table


def verdict_lines(verdicts: list[dict[str, Any]], language: str) -> Group:
    """A paragraph a verdict: outcome, claim, date, and the reason in words."""
    lines: list[RenderableType] = []
    for verdict in verdicts:
        zh, en, colour = OUTCOMES.get(str(verdict["outcome"]), ("?", str(verdict["outcome"]), "red"))
        said = printable(f"  {verdict['claim']} · {verdict.get('clause') or 'own claim 自述'} · {verdict['as_of']}")
        head = Text.assemble((f"{zh} {en}", f"bold {colour}"), said)
        reason = verdict.get("reason_zh" if language == "zh" else "reason") or verdict.get("reason", "")
        lines += [head, Padding(Text(printable(str(reason))), (0, 0, 0, 4))]
    return Group(*lines)


def verdict_table(verdicts: list[dict[str, Any]], language: str) -> Table:
    """One line a verdict: claim, clause, outcome, as of."""
    chinese = language == "zh"
    table = Table(title="结论" if chinese else "Verdicts", title_justify="left", expand=False)
    for name in ("声明", "条款", "结论", "依据日期") if chinese else ("claim", "clause", "verdict", "as of"):
        table.add_column(name, overflow="fold")
    for verdict in verdicts:
        zh, en, colour = OUTCOMES.get(str(verdict["outcome"]), ("?", str(verdict["outcome"]), "red"))
        table.add_row(str(verdict["claim"]), str(verdict.get("clause") or "–"), f"[{colour}]{zh} {en}[/]", str(verdict["as_of"]))
    return table
