"""`chejian quality …`: reasons of rejection, charts, capability and claimed reductions, from a bundle or a gateway."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from decimal import Decimal

    from analytics.charted import Charted
    from analytics.indicator import Indicator
    from analytics.reduction import Counted
    from chejian.quality_source import Source
    from workshop.window import Window

quality = typer.Typer(help="Quality: reasons, control charts, capability, claimed reductions. 质量:原因、控制图、过程能力、降幅检验。",
                        no_args_is_help=True)

Bundle = Annotated[Path | None, typer.Option(help="A bundle: folder or zip. Without it the gateway is asked.")]
Url = Annotated[str, typer.Option(help="The gateway's address.")]
TokenFile = Annotated[Path, typer.Option(help="File with a bearer token of the gateway.")]
Language = Annotated[str | None, typer.Option(help="zh or en; default: LANG.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON, whatever the exit code.")]
Span = Annotated[
    tuple[str, str] | None,
    typer.Option(metavar="FROM TO", help="2026-01-05T08:00 2026-01-05T20:00 in the workshop's time, or µs UTC; default: the bundle's window."),
]
GATEWAY, TOKEN = "http://127.0.0.1:8410", Path("viewer.token")

SHARES = {
    "defect_rate": ("defective", "inspected"), "inspection_pass_rate": ("rejected", "inspected"), "rework_ratio": ("rework", "produced"),
    "scrap_ratio": ("scrap", "produced"), "defects_per_opportunity": ("defects", "inspected"),
}
"""Figures that a chart can be drawn of: what is counted, and among how many."""


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(quality, name="quality")


@quality.command("chart")
def chart(
    base: Annotated[tuple[str, str], typer.Option(metavar="FROM TO", help="The stable period that the limits come from, fixed beforehand.")],
    window: Span = None,
    figure: Annotated[str, typer.Option(help=", ".join(SHARES))] = "defect_rate",
    every: Annotated[str, typer.Option(help="What a sample is: day, hour, or minutes such as 10min.")] = "day",
    kind: Annotated[str | None, typer.Option("--chart", help="p, exact, laney or u. Default: p, or exact where few defects are expected.")] = None,
    bundle: Bundle = None, url: Url = GATEWAY, token_file: TokenFile = TOKEN, lang: Language = None, json: Json = False,
) -> None:
    """A control chart with the Western Electric rules.

    Limits come from the base period, never from the samples under test. Exit 0 whatever the chart says.
    """
    import msgspec

    from analytics.charted import Kind, charted
    from chejian.quality_source import samples_of
    from workshop.errors import ConfigError

    if kind is not None and kind not in list(Kind):
        raise ConfigError(f"--chart {kind[:40]}: there are {', '.join(Kind)}")
    if (figure == "defects_per_opportunity") != (kind == Kind.U):
        raise ConfigError("--chart u is for --figure defects_per_opportunity, where a part may have several defects, and for no other")
    item, (count, size) = _figure(figure)
    with closing(_source(bundle, url, token_file)) as source:
        spans = _tested(source, window, base), source.window(base, "--base")
        tested, stable = (samples_of(source, item, span, every, count=count, size=size) for span in spans)
    found = charted(tested, stable, Kind(kind) if kind else None)
    if json:
        typer.echo(msgspec.json.encode({"figure": figure, "window": spans[0], "base_window": spans[1], **msgspec.to_builtins(found)}).decode())
    else:
        _print_chart(item, found, chinese=_chinese(lang))


@quality.command("capability")
def capability(
    window: Span = None, bundle: Bundle = None, url: Url = GATEWAY, token_file: TokenFile = TOKEN, lang: Language = None, json: Json = False,
) -> None:
    """Cp and Cpk of every station that measures a dimension with a tolerance in the register, with 95 % intervals."""
    import msgspec
    from rich.console import Console
    from rich.table import Table

    from analytics.capability import stations_of
    from analytics.indicator import load_indicators

    with closing(_source(bundle, url, token_file)) as source:
        span = source.window(window)
        result = source.result(load_indicators()["process_capability_cpk"], span)
    found = {name: (item, item.capability) for name, item in stations_of(result.detail, source.register).items()}
    if json:
        rows = [
            {"equipment": name, "parts": item.parts, "mean_off_middle": float(item.mean), "s": float(item.variance) ** 0.5,
             "half_tolerance": float(item.half_width), **msgspec.to_builtins(able)}
            for name, (item, able) in found.items()
        ]
        typer.echo(msgspec.json.encode({"window": span, "unit": "nm", "stations": rows, "why": result.why}).decode())
        return
    chinese = _chinese(lang)
    table = Table(title="过程能力" if chinese else "Process capability", title_justify="left")
    for name in ("设备", "件数", "偏离中值 µm", "s µm", "Cp", "Cpk") if chinese else ("equipment", "parts", "off the middle µm", "s µm", "Cp", "Cpk"):
        table.add_column(name, overflow="fold")
    for name, (item, able) in found.items():
        table.add_row(
            name, str(item.parts), f"{float(item.mean) / 1000:.2f}", f"{float(item.variance) ** 0.5 / 1000:.2f}",
            f"{able.cp:.3f} ({able.cp_low:.3f} … {able.cp_high:.3f})", f"{able.cpk:.3f} ({able.cpk_low:.3f} … {able.cpk_high:.3f})",
        )
    Console().print(table)
    typer.echo(result.why)


@quality.command("pareto")
def pareto(
    window: Span = None, bundle: Bundle = None, url: Url = GATEWAY, token_file: TokenFile = TOKEN, lang: Language = None, json: Json = False,
) -> None:
    """Rejected parts by the reason that the inspection gives, the commonest first."""
    import msgspec
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from analytics.indicator import load_indicators
    from analytics.reasons import bars_of

    with closing(_source(bundle, url, token_file)) as source:
        span = source.window(window)
        result = source.result(load_indicators()["defect_leading_reason_share"], span)
    bars = bars_of(result.counts)
    if json:
        typer.echo(msgspec.json.encode({"window": span, "reasons": [bar._asdict() for bar in bars], "why": result.why}).decode())
        return
    chinese = _chinese(lang)
    table = Table(title="不合格原因" if chinese else "Reasons of rejection", title_justify="left")
    for name in ("原因", "件数", "占比", "累计") if chinese else ("reason", "parts", "share", "cumulative"):
        table.add_column(name, overflow="fold")
    for bar in bars:
        reason = bar.reason or ("(没有已知原因)" if chinese else "(no known reason)")
        table.add_row(Text(reason), str(bar.parts), str(bar.share), str(bar.cumulative))  # a device's words are no markup
    Console().print(table)
    typer.echo(result.why)


@quality.command("reduction")
def reduction(
    before: Annotated[tuple[str, str], typer.Option(metavar="FROM TO", help="The period before, or two numbers with --counts: defective inspected.")],
    after: Annotated[tuple[str, str], typer.Option(metavar="FROM TO", help="The period after, likewise.")],
    at_most: Annotated[str, typer.Option(help="Claimed: the rate after is at most this share of the rate before; 0.70 is down 30 %.")] = "0.70",
    figure: Annotated[str, typer.Option(help=", ".join(name for name in SHARES if name != "defects_per_opportunity"))] = "defect_rate",
    every: Annotated[str, typer.Option(help="What a batch is, whose parts may be alike: day, hour, or minutes such as 10min.")] = "day",
    counts: Annotated[bool, typer.Option("--counts", help="--before and --after are counts: no bundle, no gateway, and no look at batches.")] = False,
    bundle: Bundle = None, url: Url = GATEWAY, token_file: TokenFile = TOKEN, lang: Language = None, json: Json = False,
) -> None:
    """Whether a rate has fallen as claimed, with the number of parts that would decide it.

    Parts of one day or lot are alike, so the batches must bear it out as well: the ratio is also judged by drawing whole batches again.
    Exit 0: confirmed. Exit 1: refuted. Exit 4: undetermined. Missing data leaves it undetermined.
    """
    from decimal import Decimal, InvalidOperation

    import msgspec

    from analytics.batches import batch_bounds, with_batches
    from analytics.reduction import Counted, Outcome, judge_reduction
    from chejian.quality_source import samples_of
    from workshop.errors import ConfigError

    try:
        bound = Decimal(at_most)
    except InvalidOperation as error:
        raise ConfigError(f"--at-most {at_most[:40]}: not a number such as 0.70") from error
    if not bound.is_finite() or not 0 < bound <= 10:
        raise ConfigError(f"--at-most {at_most[:40]}: a share above 0, such as 0.70 for down 30 %")
    doubt: list[str] = []
    batches = None
    if counts:
        first, second = _typed(before, "--before"), _typed(after, "--after")
    else:
        item, (count, size) = _figure(figure)
        if figure == "defects_per_opportunity":
            raise ConfigError(f"--figure {figure}: defects of one part are not independent; take defect_rate or another share of parts")
        with closing(_source(bundle, url, token_file)) as source:
            spans = [source.window(span, option) for span, option in ((before, "--before"), (after, "--after"))]
            results = [source.result(item, span) for span in spans]
            samples = [samples_of(source, item, span, every, count=count, size=size) for span in spans]
        old, new = ([Counted(one.count, one.size) for one in period] for period in samples)
        batches = batch_bounds(new, old)
        first, second = (Counted(one.counts.get(count, 0), one.counts.get(size, 0)) for one in results)
        doubt = [f"{option}: {one.why}" for one, option in zip(results, ("--before", "--after"), strict=True) if "undetermined" in one.why]
        for one, option in ((first, "--before"), (second, "--after")):
            if not one.total:
                raise ConfigError(f"{option}: nothing inspected in this period; take another one")
    found = judge_reduction(second, first, bound)
    if batches is not None:
        found = with_batches(found, batches, bound, every)
    if doubt:
        found = msgspec.structs.replace(found, outcome=Outcome.UNDETERMINED, why="; ".join([found.why, *doubt]))
    needed = _needed(first, second, bound)
    if json:
        body = {"before": first, "after": second, "at_most": at_most, **msgspec.to_builtins(found), "parts_needed": needed, "batches": batches}
        typer.echo(msgspec.json.encode(body).decode())
    else:
        words = {Outcome.CONFIRMED: "成立", Outcome.REFUTED: "不成立", Outcome.UNDETERMINED: "无法判定"}
        typer.echo(f"{words[found.outcome] if _chinese(lang) else found.outcome}: {found.why}")
        line = "每期约需{}件,确认机会{}" if _chinese(lang) else "about {} parts in each period confirm it with a chance of {}"
        for power, parts in needed.items():
            typer.echo(line.format(parts, power))
    if found.outcome is not Outcome.CONFIRMED:
        raise typer.Exit(1 if found.outcome is Outcome.REFUTED else 4)


def _tested(source: "Source", asked: tuple[str, str] | None, base: tuple[str, str]) -> "Window":
    """The window under test: what is asked for, or what comes after the base period; it does not meet the base."""
    from workshop.errors import ConfigError
    from workshop.window import Window

    stable, found = source.window(base, "--base"), source.window(asked)
    if asked is None:
        found = Window(min(stable.end_us, found.end_us), found.end_us)
    if not found.length_us or (found.start_us < stable.end_us and stable.start_us < found.end_us):
        raise ConfigError("--base and the window under test must not meet, and after the base something must be left: limits never come from the "
                          "samples that are tested by them")
    return found


def _needed(before: "Counted", after: "Counted", bound: "Decimal") -> dict[str, int]:
    """Parts in each period by the chance of confirmation, if the rates are truly those seen; empty where nothing would confirm it."""
    from fractions import Fraction

    from analytics.reduction import parts_needed

    old, new = Fraction(before.count, before.total), Fraction(after.count, after.total)
    if not (0 < old < 1 and 0 < new < 1) or new / old >= Fraction(bound):
        return {}
    return {name: parts_needed(old, new, bound, Fraction(name)) for name in ("0.5", "0.8", "0.9")}


def _typed(texts: tuple[str, str], option: str) -> "Counted":
    from analytics.reduction import Counted
    from workshop.errors import ConfigError

    if not all(text.isascii() and text.isdigit() and len(text) <= 15 for text in texts) or not int(texts[0]) <= int(texts[1]) or not int(texts[1]):
        raise ConfigError(f"{option} {' '.join(texts)[:60]}: with --counts two whole numbers are wanted, defective and inspected, such as 300 15000")
    return Counted(int(texts[0]), int(texts[1]))


def _figure(name: str) -> "tuple[Indicator, tuple[str, str]]":
    from analytics.indicator import load_indicators
    from workshop.errors import ConfigError

    if name not in SHARES:
        raise ConfigError(f"--figure {name[:60]}: there are {', '.join(SHARES)}")
    return load_indicators()[name], SHARES[name]


def _source(bundle: Path | None, url: str, token_file: Path) -> "Source":
    from chejian.quality_source import BundleSource, GatewaySource

    return BundleSource(bundle) if bundle else GatewaySource(url, token_file)


def _chinese(lang: str | None) -> bool:
    from chejian.cli import language_of

    return language_of(lang) == "zh"


def _print_chart(item: "Indicator", found: "Charted", *, chinese: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    title = item.title_zh if chinese else item.title_en
    table = Table(title=f"{title}: {found.kind}-chart, {found.chart.centre:.6f}", title_justify="left")
    for name in ("样本", "数值", "下限", "上限", "σ", "判异") if chinese else ("sample", "value", "low", "high", "σ", "rules"):
        table.add_column(name, overflow="fold")
    for name, point in zip(found.names, found.chart.points, strict=True):
        cells = (f"{point.value:.6f}", f"{point.low:.6f}", f"{point.high:.6f}", f"{point.sigmas:+.2f}")
        table.add_row(name, *cells, "; ".join(point.signals), style="red" if point.signals else None)
    Console().print(table)
    for note in found.notes_zh if chinese else found.notes_en:
        typer.echo(note)
    if found.empty:
        typer.echo(("无被检零件的样本: " if chinese else "nothing inspected in: ") + ", ".join(found.empty))
    count = len(found.signals)
    typer.echo(f"{len(found.names)}个样本,{count}个判异" if chinese else f"{len(found.names)} samples, {count} break a rule")
