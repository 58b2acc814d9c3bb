"""`chejian indicators compare`: a figure against a baseline window."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chejian.commands.indicators import figure_of, indicators

if TYPE_CHECKING:
    from decimal import Decimal

Span = Annotated[tuple[str, str], typer.Option(metavar="FROM TO", help="2026-01-05T08:00 2026-01-05T20:00 in the workshop's time, or µs UTC.")]


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the command belongs to the group `indicators`."""


@indicators.command("compare")
def compare(
    identifier: Annotated[str, typer.Argument(help="Id of an indicator, such as order_lead_time")],
    window: Span, baseline: Span,
    bundle: Annotated[Path | None, typer.Option(help="A bundle that holds both windows. Without it the gateway is asked.")] = None,
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of the gateway.")] = Path("viewer.token"),
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """The change of a figure against a baseline: difference (of a rate in percentage points) and ratio, with bounds. 与基期比较。"""
    import msgspec

    from analytics.change import change_of
    from analytics.indicator import load_indicators

    (before, _, first), (after, _, second) = (figure_of(identifier, bundle, url, token_file, span) for span in (baseline, window))
    item = load_indicators()[identifier]
    found = change_of(item, before, after, (first.length_us, second.length_us))
    if json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    typer.echo(f"{item.title_zh} {item.title_en}: {_shown(found.before)} → {_shown(found.after)} {item.unit}")
    scale, unit = (100, "percentage points 个百分点") if item.unit == "1" else (1, item.unit)
    if found.difference is not None and found.difference_low is not None and found.difference_high is not None:
        low, high = found.difference_low * scale, found.difference_high * scale
        typer.echo(f"difference 差值: {found.difference * scale} {unit} [{low}, {high}]")
    typer.echo(f"ratio 比值: {_shown(found.ratio)} [{_shown(found.ratio_low)}, {_shown(found.ratio_high)}], {found.method}")
    if found.why:
        typer.echo(found.why)


def _shown(value: "Decimal | None") -> str:
    return "–" if value is None else str(value)
