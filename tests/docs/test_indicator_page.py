"""docs/indicators.md says what every indicator says of itself, in both languages.

    python -m tests.docs.test_indicator_page      writes the page anew
"""

from pathlib import Path

from analytics.indicator import Indicator, load_indicators

PAGE = Path(__file__).parents[2] / "docs" / "indicators.md"
HEAD = """# Indicators 指标

Every figure with its definition: made from `analytics/indicators/`, one file each. A different definition is a different indicator.
`chejian indicators explain` puts the numbers of a window in; [how to read it](how-to/explain-a-figure.md).
"""


def section(item: Indicator) -> str:
    """One indicator as it stands on the page."""
    none = "none: declared alone 仅申报" if item.facts else "none: the register alone 仅台账"
    rows = {
        "formula 公式": item.formula, "with numbers 代入": item.numbers, "unit 单位": item.unit,
        "roles 信号": ", ".join(f"`{role}`" for role in item.roles) or none,
        "declared figures and orders 申报值与订单": ", ".join(f"`{name}`" for name in item.facts), "source 来源": item.source,
        "minimum coverage 最低覆盖率": str(item.min_coverage),
    }
    table = "\n".join(f"| {name} | {text.replace('|', '/')} |" for name, text in rows.items() if text)
    head = f"## `{item.id}` version {item.version}\n\n{item.title_zh} · {item.title_en}\n\n| | |\n|---|---|"
    return f"{head}\n{table}\n\n{item.notes_zh}\n\n{item.notes_en}\n"


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(item) for item in load_indicators().values())])


def test_the_page_says_what_the_indicators_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.docs.test_indicator_page"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
