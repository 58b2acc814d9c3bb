"""`chejian indicators losses`: where the time went."""

from pathlib import Path
from typing import Annotated

import typer

from chejian.commands.indicators import figure_of, indicators


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the command belongs to the group `indicators`."""


@indicators.command("losses")
def losses(
    window: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="FROM TO", help="2026-01-05T08:00 2026-01-05T20:00 in the workshop's time, or µs UTC; default: the bundle's window."),
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle: folder or zip. Without it the gateway is asked.")] = None,
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of the gateway.")] = Path("viewer.token"),
    lang: Annotated[str | None, typer.Option(help="zh or en; default: LANG.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON, µs, with every machine.")] = False,
) -> None:
    """Losses as a waterfall: from calendar time down to value-adding time, in hours; unknown time is a step of its own. 时间损失瀑布。"""
    import msgspec
    from rich.console import Console
    from rich.table import Table

    from analytics.losses import CALENDAR, LOSSES, SOURCE_INDICATOR, SUBTOTALS, VALUE_ADDING, losses_of
    from chejian.cli import language_of

    result, register, span = figure_of(SOURCE_INDICATOR, bundle, url, token_file, window)
    found = losses_of(result, register, span)
    if json:
        typer.echo(msgspec.json.encode({"window": span, "losses": found}).decode())
        return
    number = 0 if language_of(lang) == "zh" else 1
    table = Table(title=("时间损失(小时)", "losses, hours")[number], title_justify="left", caption=found.why, caption_justify="left")
    for head in ("", ("全部", "all")[number], "%", *found.by_equipment):
        table.add_column(head, justify="right" if head else "left", overflow="fold")
    columns = [found.total, *found.by_equipment.values()]

    def line(title: str, us: list[int], style: str = "") -> None:
        share = "" if not found.total.calendar_us else f"{100 * us[0] / found.total.calendar_us:.1f}"
        hours = [f"{value / 3_600_000_000:.3f}" for value in us]
        table.add_row(title, hours[0], share, *hours[1:], style=style)

    line(CALENDAR[number], [item.calendar_us for item in columns], "bold")
    for name, titles in LOSSES.items():
        line(f"− {titles[number]}", [item.losses_us[name] for item in columns])
        if name in SUBTOTALS:
            line(f"= {SUBTOTALS[name][1][number]}", [item.after(name) for item in columns], "bold")
    line(f"= {VALUE_ADDING[number]}", [item.value_adding_us for item in columns], "bold")
    Console().print(table)
