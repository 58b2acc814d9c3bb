"""`chejian energy savings`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chejian.commands.energy_advice import GATEWAY, TOKEN, Bundle, Json, Token, Url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from analytics.energy.baseline import Baseline
    from analytics.energy.savings import Day, Variable
    from chejian.energy_commitment import Fixed
    from chejian.energy_source import EnergySource
    from evidence.trust import TrustFile
    from store.archive_records import ControlEntry
    from workshop.register import Workshop
    from workshop.window import Window


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("savings")(savings)


def savings(
    baseline: Annotated[tuple[str, str], typer.Option(metavar="FROM TO", help="Whole local days, such as 2026-01-05 2026-03-02. 基准期。")],
    window: Annotated[tuple[str, str], typer.Option(metavar="FROM TO", help="The reporting period, whole local days after the baseline. 报告期。")],
    variables: Annotated[str, typer.Option(help="produced, good, executing_h, of all machines or as produced@cnc-01+cnc-02; columns of --with.")],
    option: Annotated[str, typer.Option(help="IPMVP: B, the meters of --equipment; C, the main meters. 边界:B设备电表,C总表。")] = "B",
    equipment: Annotated[list[str] | None, typer.Option(help="Option B: the machines that were changed. 改造的设备。")] = None,
    beside: Annotated[Path | None, typer.Option("--with", help="CSV: a column `day` (2026-01-05), and variables such as degree days.")] = None,
    commit: Annotated[bool, typer.Option("--commit", help="Put it on record before the period; needs an engineer's token. 事先承诺。")] = False,
    trust: Annotated[Path | None, typer.Option(help="With --bundle: trust file, to show who saw the commitment before the period.")] = None,
    bundle: Bundle = None, url: Url = GATEWAY, token_file: Token = TOKEN, json: Json = False,
) -> None:
    """Savings against a baseline from a gateway's or bundle's own readings, with uncertainty (IPMVP B and C). 节能量及其不确定度。

    First with --commit, before the reporting period: baseline, machines and period go on record. After it without: the savings, and what was fixed.
    """
    import msgspec

    from analytics.energy.baseline import run_baseline
    from analytics.energy.savings import boundary, fixing_digest, table_of
    from chejian.energy_commitment import fixed
    from workshop.errors import ConfigError

    if commit and bundle is not None:
        raise ConfigError("--commit asks a gateway; a bundle cannot be added to")
    source, base, period = _opened(baseline, window, bundle, url, token_file)
    try:
        meters = boundary(source.register, option, equipment or [])
        asked = [name.strip() for name in variables.split(",") if name.strip()]
        measured, columns = _variables(asked, source.register, beside)
        days = _days(source, [base] if commit else [base, period], meters, measured)
        table = table_of(days, [item.name for item in measured], columns)
        until, where = _last_day(base, source.register), str(bundle or url)
        found = run_baseline(table, asked, until, where)
        digest = fixing_digest(found.digest, option, meters, period)
        record = _commit(source, digest, period, meters) if commit else fixed(
            _told(source, bundle), digest, period, bundle, None if trust is None else _trust(trust))
        if record is not None and record.before and not commit:
            found = run_baseline(table, asked, until, where, found.digest)
        warnings = [*found.warnings, *_doubts(source.register, base, period, days, record, commit=commit)]
    finally:
        source.close()
    if json:
        typer.echo(msgspec.json.encode({
            "option": option, "equipment": meters, "variables": asked, "baseline_window": base, "window": period, "unit": "kW.h",
            "digest": digest, "baseline": found, "commitment": record, "warnings": warnings,
        }).decode())
    else:
        _print(option, meters, found, record, digest, warnings)
    if commit and record is not None and not record.before:
        raise typer.Exit(1)


def _opened(
    baseline: tuple[str, str], window: tuple[str, str], bundle: Path | None, url: str, token_file: Path,
) -> "tuple[EnergySource, Window, Window]":
    """A source, and both periods as whole local days, the second after the first."""
    from analytics.grouping import local_days
    from chejian.commands.windows import parse_window
    from chejian.energy_source import opened
    from workshop.errors import ConfigError
    from workshop.window import HOUR_US

    source = opened(window, bundle, url, token_file).source
    try:
        base, period = parse_window(baseline, source.register), source.window
        for name, span in (("--baseline", base), ("--window", period)):
            if any(part.length_us < 22 * HOUR_US for _, part in local_days(source.register, span)):
                raise ConfigError(f"{name}: give whole local days, from midnight to midnight")
        if base.end_us > period.start_us:
            raise ConfigError("--window must begin after the --baseline")
        if bundle is not None:
            opened(baseline, bundle, url, token_file)  # it lies in the bundle, or that is said
    except BaseException:
        source.close()
        raise
    return source, base, period


def _variables(
    asked: "Sequence[str]", register: "Workshop", beside: Path | None,
) -> "tuple[list[Variable], Mapping[str, Mapping[str, float]]]":
    """Measured variables, and the columns of the file that are asked for, by day."""
    from analytics.energy.savings import VARIABLES, variable
    from analytics.energy.table import parse_table
    from chejian.commands.files import read_file
    from workshop.errors import ConfigError

    measured, columns = [], dict[str, dict[str, float]]()
    for name in asked:
        if (item := variable(name, register)) is not None:
            measured.append(item)
        elif beside is None:
            raise ConfigError(f"--variables '{name[:60]}': there are {', '.join(VARIABLES)}; others come from a file, --with FILE")
        else:
            table = parse_table(read_file(beside), str(beside), "day", name)
            days = [time.strip() for time in table.times]
            if len(set(days)) < len(days):
                raise ConfigError(f"{beside}: a day stands in more than one row")
            columns[name] = dict(zip(days, table.value.tolist(), strict=True))
    return measured, columns


def _days(source: "EnergySource", spans: "Sequence[Window]", meters: "Sequence[str]", variables: "Sequence[Variable]") -> "list[Day]":
    from analytics.energy.savings import ENERGY, days_of
    from analytics.indicator import load_indicators

    known = load_indicators()
    needed = dict.fromkeys([ENERGY, *(item.source.indicator for item in variables)])
    return [day for span in spans for day in days_of({name: source.daily(known[name], span) for name in needed}, meters, variables)]


def _told(source: "EnergySource", bundle: Path | None) -> "list[ControlEntry]":
    from chejian.energy_commitment import told_by_bundle, told_by_gateway
    from chejian.energy_source import GatewayEnergy

    return told_by_gateway(source.client) if isinstance(source, GatewayEnergy) else told_by_bundle(bundle) if bundle is not None else []


def _commit(source: "EnergySource", digest: str, period: "Window", meters: "Sequence[str]") -> "Fixed":
    from analytics.energy.savings import CLAIM, FIGURE
    from chejian.energy_commitment import Fixed
    from chejian.energy_source import GatewayEnergy
    from workshop.errors import ConfigError

    if not isinstance(source, GatewayEnergy):
        raise ConfigError("--commit asks a gateway")
    entry = source.client.post("/v1/commitments", {
        "claim": CLAIM, "indicator": FIGURE, "from_us": period.start_us, "to_us": period.end_us, "equipment": list(meters), "digest": digest,
    })
    return Fixed(entry["index"], entry["time_us"], entry["author"], entry["time_us"] <= period.start_us, "", 0)


def _doubts(
    register: "Workshop", base: "Window", period: "Window", days: "Sequence[Day]", record: "Fixed | None", *, commit: bool,
) -> list[str]:
    from analytics.energy.savings import changed_meanwhile
    from analytics.indicator import listed
    from workshop.calendar import service_window

    left = [item.day for item in days if item.kwh is None or None in item.variables]
    found = [f"left out, too little known or a counter reset: {listed(left)}"] if left else []
    moved = changed_meanwhile(register, base, period, {item.id: service_window(register, item) for item in register.equipment})
    if moved:
        found.append(f"came or went meanwhile, no adjustment is made for it: {listed(moved)}")
    if record is None:
        found.append("no entry of the control log commits to this baseline, these machines and this period")
    elif not record.before:
        found.append(f"control entry {record.entry} was made after the reporting period began: it fixes nothing beforehand")
    elif not commit and not record.seen_by:
        found.append("that the commitment was made before the period is the gateway's word alone: give a bundle and a trust file with a witness")
    if record is not None and record.others:
        found.append(f"{record.others} other baselines were committed to for this period: whoever makes many can choose among them")
    return found


def _trust(path: Path) -> "TrustFile":
    from chejian.commands.files import read_file
    from evidence.trust import parse_trust

    return parse_trust(read_file(path), str(path))


def _last_day(base: "Window", register: "Workshop") -> "date":
    from datetime import UTC, datetime, timedelta

    from workshop.calendar import zone_of

    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=base.end_us - 1)).astimezone(zone_of(register)).date()


def _print(option: str, meters: "Sequence[str]", found: "Baseline", record: "Fixed | None", digest: str, warnings: "Sequence[str]") -> None:
    from chejian.commands.energy import print_baseline

    typer.echo(f"option 边界 {option}: {', '.join(meters)}; kWh a day 每日")
    print_baseline(found)
    typer.echo(f"committed digest 承诺摘要: {digest}")
    if record is not None:
        seen = f"; seen by 外部见证 {record.seen_by}" if record.seen_by else ""
        typer.echo(f"control entry 控制日志 {record.entry} at {record.time_us} µs by {record.author}{seen}")
    for text in warnings:
        typer.echo(f"! {text}")
