"""`chejian energy anomalies`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chejian.commands.energy_advice import GATEWAY, TOKEN, Asked, Bundle, Json, Token, Url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from analytics.energy.anomalies import Judged

NOTE = "derived, for people to look at: never part of a claim / 派生结果,仅供查看,不作为任何声明的依据"


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("anomalies")(anomalies)


def anomalies(
    train_until: Annotated[str, typer.Option(help="Last day of the baseline, YYYY-MM-DD, included; later days are judged. 基准最后一天。")],
    data: Annotated[Path | None, typer.Option(help="CSV file with one row per interval; without it a bundle or a gateway.")] = None,
    time: Annotated[str | None, typer.Option(help="With --data: the column with the time stamps, local time.")] = None,
    value: Annotated[str | None, typer.Option(help="With --data: the column with the load, energy or power per interval.")] = None,
    step: Annotated[str | None, typer.Option(help="With --data: length of an interval, such as 15min or 1h.")] = None,
    rate: Annotated[float, typer.Option(help="Chance of a false alarm per meter and day that is allowed. 每表每天允许的误报概率。")] = 0.05,
    equipment: Annotated[list[str] | None, typer.Option(help="Without --data: these machines; default: all that have a meter.")] = None,
    window: Asked = None, bundle: Bundle = None, url: Url = GATEWAY, token_file: Token = TOKEN, json: Json = False,
) -> None:
    """Days on which a meter's load is unusual against its own baseline, at a stated rate of false alarms. 负荷异常。"""
    from datetime import date

    import msgspec

    from workshop.errors import ConfigError

    try:
        until = date.fromisoformat(train_until)
    except ValueError as error:
        raise ConfigError(f"--train-until '{train_until}' is not a date YYYY-MM-DD") from error
    if data is not None:
        found, warnings = _of_file(data, (time, value, step), until, rate)
    else:
        found, warnings = _of_meters((window, bundle, url, token_file), until, rate, equipment or [])
    unit = "kW" if data is None else value
    if json:
        typer.echo(msgspec.json.encode({"unit": unit, "meters": found, "warnings": warnings, "note": NOTE}).decode())
        return
    for item in found:
        _print(item, str(unit))
    for text in warnings:
        typer.echo(f"! {text}")
    typer.echo(NOTE)


def _of_file(data: Path, columns: tuple[str | None, str | None, str | None], until: "date", rate: float) -> "tuple[list[Judged], list[str]]":
    from analytics.energy.anomalies import judge_days
    from analytics.energy.stamps import rebuild
    from analytics.energy.table import parse_step, parse_table
    from chejian.commands.files import read_file
    from workshop.errors import ConfigError

    time, value, step = columns
    if time is None or value is None or step is None:
        raise ConfigError("--data needs --time COLUMN, --value COLUMN and --step STEP")
    table = parse_table(read_file(data), str(data), time, value)
    grid = rebuild(table.times, parse_step(step), table.value, str(data))
    return [judge_days(grid.take(table.value), grid.start_s, grid.step_s, until, rate, str(data))], grid.warnings


def _of_meters(
    where: "tuple[tuple[str, str] | None, Path | None, str, Path]", until: "date", rate: float, names: "Sequence[str]",
) -> "tuple[list[Judged], list[str]]":
    """Every meter by itself; one of which too little is known is named, and an error only where there is no other."""
    from analytics.energy.anomalies import judge_days
    from analytics.energy.curves import QUARTER_S, curves_of
    from chejian.energy_source import opened
    from workshop.errors import ConfigError

    with opened(*where) as source:
        demand = source.known["peak_demand"]
        metered = [item.id for item in source.register.equipment if demand.applies(item)]
        if unknown := sorted(set(names) - set(metered)):
            raise ConfigError(f"--equipment {unknown[0][:60]}: no machine with an energy meter; there are {', '.join(metered) or 'none'}")
        curves = curves_of(demand, source.pieces(demand.id), source.register, source.window)
    found, doubts = list["Judged"](), list[str]()
    for name in names or metered:
        if name not in curves:
            doubts.append(f"{name}: no readings of its meter in the window")
            continue
        try:
            found.append(judge_days(curves[name].kw, curves[name].start_s, QUARTER_S, until, rate, name))
        except ConfigError as error:
            doubts.append(str(error))
    if not found:
        raise ConfigError("; ".join(doubts) or "the register has no energy meter")
    return found, doubts


def _print(item: "Judged", unit: str) -> None:
    kinds = {"all": "all days alike 各日同类", "weekend": "working days and weekends 工作日与周末", "weekday": "each weekday 按星期"}[item.day_kinds]
    typer.echo(
        f"{item.meter}: {len(item.alarms)} of {item.days} days unusual 异常日; by chance 误报期望 {item.expected_false_alarms:.1f} "
        f"(rate 误报率 {item.rate:.3f} a day 每日, {item.baseline_days} baseline days 基准日, {kinds}; {item.left_out} left out 剔除)"
    )
    for alarm in item.alarms:
        times = ", ".join(f"{span.start}–{span.end} {span.measured:.3g} ({span.expected:.3g})" for span in alarm.spans) or "the whole day 全天"
        typer.echo(
            f"  {alarm.day}: {alarm.measured:.4g} {unit}, expected 预期 {alarm.expected:.4g}; {times}; "
            f"score 得分 {alarm.score:.2f} > {alarm.threshold:.2f}"
        )
