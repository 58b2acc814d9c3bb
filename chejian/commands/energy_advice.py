"""`chejian energy consumers | curve | advice`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chejian.energy_source import Opened

Asked = Annotated[tuple[str, str] | None, typer.Option(
    "--window", metavar="FROM TO", help="2026-01-05T08:00 2026-01-05T20:00 in the workshop's time, or µs UTC; default: the bundle's window.",
)]
Bundle = Annotated[Path | None, typer.Option(help="A bundle: folder or zip. Without it the gateway is asked.")]
Url = Annotated[str, typer.Option(help="The gateway's address.")]
Token = Annotated[Path, typer.Option(help="File with a bearer token of the gateway.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
MOST_DAYS = 28
"""Newest days of the window that are looked through for leaks: the states of all machines are read for it."""
GATEWAY, TOKEN = "http://127.0.0.1:8410", Path("viewer.token")


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("consumers")(consumers)
    app.command("curve")(curve)
    app.command("advice")(advice)


def consumers(window: Asked = None, bundle: Bundle = None, url: Url = GATEWAY, token_file: Token = TOKEN, json: Json = False) -> None:
    """Ranks the machines by electricity, with shares and cost. 重点用能设备。"""
    import msgspec

    from analytics.energy.advice import consumers as rank
    from chejian.energy_source import opened

    with opened(window, bundle, url, token_file) as source:
        result = source.result("electricity_cost")
    found = rank(result, source.register)
    if json:
        typer.echo(msgspec.json.encode({"window": source.window, "coverage": result.coverage, "why": result.why, "consumers": found}).decode())
        return
    rows = [(item.equipment, f"{item.kwh:.3f}", f"{item.share:.1%}", f"{item.cumulative:.1%}", _money(item.cost)) for item in found]
    _table(("equipment 设备", "kWh", "share 占比", "cumulative 累计", f"cost 电费 {source.register.currency}"), rows)
    typer.echo(f"coverage 覆盖率 {result.coverage}; {result.why}")


def curve(window: Asked = None, bundle: Bundle = None, url: Url = GATEWAY, token_file: Token = TOKEN, json: Json = False) -> None:
    """The load curve of all meters together, by quarter hour; those of which less than nine tenths are known are marked. 负荷曲线。"""
    import msgspec

    from analytics.explain import local_time
    from chejian.energy_source import opened

    with opened(window, bundle, url, token_file) as source:
        rows = _quarters(source)
    if json:
        points = [{"from_us": start, "kwh": energy / 1e6, "kw": energy * 4 / 1e6, "known": known} for start, energy, known in rows]
        typer.echo(msgspec.json.encode({"window": source.window, "quarters": points}).decode())
        return
    shown = [(local_time(start, source.register), f"{energy * 4 / 1e6:.3f}", "" if known else "? 未知") for start, energy, known in rows]
    _table(("quarter hour 刻钟", "kW", ""), shown)


def advice(
    window: Asked = None, bundle: Bundle = None, url: Url = GATEWAY, token_file: Token = TOKEN,
    demand_price: Annotated[float | None, typer.Option(min=0, help="Currency per kW of peak demand and month; else a peak has no price.")] = None,
    json: Json = False,
) -> None:
    """What could be saved: switch off at standby, move load to cheap hours, flatten the peak, mend leaks of compressed air; kWh and money a year.

    节能建议：断电、移峰、削峰、查找空压机泄漏。
    """
    import msgspec

    from analytics.energy.advice import advise
    from analytics.energy.compressed_air import leak_tests
    from chejian.energy_source import opened

    with opened(window, bundle, url, token_file) as source:
        results = {name: source.result(name) for name in ("energy_standby", "electricity_cost")}
        leaks, untested = leak_tests(source.newest_days(MOST_DAYS), source.source.read, source.source.missing)
        found = advise(results, _quarters(source), source.register, source.window, demand_price, leaks)
    doubts = {name: result.why for name, result in results.items() if result.coverage < source.known[name].min_coverage or result.value is None}
    doubts |= {f"leaks {number}": text for number, text in enumerate(untested, 1)}
    if json:
        answer = {"window": source.window, "advice": found, "leak_tests": leaks, "warnings": doubts}
        typer.echo(msgspec.json.encode(answer).decode())
        return
    for item in found:
        typer.echo(f"{item.zh}\n{item.en}")
        between = f"{item.kwh_low:.0f} … {item.kwh_high:.0f}"
        typer.echo(f"  {item.kwh_year:.0f} kWh/a ({between}), {_money(item.money_year)} {source.register.currency}/a")
        typer.echo(f"  assumed 假设: {item.assumption}; coverage 覆盖率 {item.coverage}")
    if not found:
        typer.echo("nothing found to advise / 没有发现可建议之处")
    for name, why in doubts.items():
        typer.echo(f"! {name}: {why}")


def _quarters(source: "Opened") -> list[tuple[int, int, bool]]:
    """The load curve of all meters together."""
    from analytics.electricity import quarters
    from analytics.measured import gather

    item = source.known["peak_demand"]
    return quarters(gather(item, source.pieces(item.id), source.register, source.window))


def _money(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _table(titles: tuple[str, ...], rows: "Sequence[tuple[str, ...]]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for number, title in enumerate(titles):
        table.add_column(title, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)

