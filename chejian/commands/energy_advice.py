"""`chejian energy consumers | curve | advice`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analytics.indicator import Components, Indicator, Result
    from workshop.register import Workshop
    from workshop.window import Window

Asked = Annotated[tuple[str, str] | None, typer.Option(
    "--window", metavar="FROM TO", help="2026-01-05T08:00 2026-01-05T20:00 in the workshop's time, or µs UTC; default: the bundle's window.",
)]
Bundle = Annotated[Path | None, typer.Option(help="A bundle: folder or zip. Without it the gateway is asked.")]
Url = Annotated[str, typer.Option(help="The gateway's address.")]
Token = Annotated[Path, typer.Option(help="File with a bearer token of the gateway.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
_URL, _TOKEN = "http://127.0.0.1:8410", Path("viewer.token")


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("consumers")(consumers)
    app.command("curve")(curve)
    app.command("advice")(advice)


def consumers(window: Asked = None, bundle: Bundle = None, url: Url = _URL, token_file: Token = _TOKEN, json: Json = False) -> None:
    """Ranks the machines by electricity, with shares and cost. 重点用能设备。"""
    import msgspec

    from analytics.energy.advice import consumers as rank

    with _Source(window, bundle, url, token_file) as source:
        result = source.result("electricity_cost")
    found = rank(result, source.register)
    if json:
        typer.echo(msgspec.json.encode({"window": source.window, "coverage": result.coverage, "why": result.why, "consumers": found}).decode())
        return
    rows = [(item.equipment, f"{item.kwh:.3f}", f"{item.share:.1%}", f"{item.cumulative:.1%}", _money(item.cost)) for item in found]
    _table(("equipment 设备", "kWh", "share 占比", "cumulative 累计", f"cost 电费 {source.register.currency}"), rows)
    typer.echo(f"coverage 覆盖率 {result.coverage}; {result.why}")


def curve(window: Asked = None, bundle: Bundle = None, url: Url = _URL, token_file: Token = _TOKEN, json: Json = False) -> None:
    """The load curve of all meters together, by quarter hour; those of which less than nine tenths are known are marked. 负荷曲线。"""
    import msgspec

    from analytics.explain import local_time

    with _Source(window, bundle, url, token_file) as source:
        rows = source.curve()
    if json:
        points = [{"from_us": start, "kwh": energy / 1e6, "kw": energy * 4 / 1e6, "known": known} for start, energy, known in rows]
        typer.echo(msgspec.json.encode({"window": source.window, "quarters": points}).decode())
        return
    shown = [(local_time(start, source.register), f"{energy * 4 / 1e6:.3f}", "" if known else "? 未知") for start, energy, known in rows]
    _table(("quarter hour 刻钟", "kW", ""), shown)


def advice(
    window: Asked = None, bundle: Bundle = None, url: Url = _URL, token_file: Token = _TOKEN,
    demand_price: Annotated[float | None, typer.Option(min=0, help="Currency per kW of peak demand and month; else a peak has no price.")] = None,
    json: Json = False,
) -> None:
    """What could be saved: switch off at standby, move load to cheap hours, flatten the peak; kWh and money a year. 节能建议。"""
    import msgspec

    from analytics.energy.advice import advise

    with _Source(window, bundle, url, token_file) as source:
        results = {name: source.result(name) for name in ("energy_standby", "electricity_cost")}
        found = advise(results, source.curve(), source.register, source.window, demand_price)
    doubts = {name: result.why for name, result in results.items() if result.coverage < source.known[name].min_coverage or result.value is None}
    if json:
        typer.echo(msgspec.json.encode({"window": source.window, "advice": found, "warnings": doubts}).decode())
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


class _Source:
    """Results and components of one window, from a bundle or a gateway."""

    def __init__(self, asked: tuple[str, str] | None, bundle: Path | None, url: str, token_file: Path) -> None:
        from analytics.indicator import load_indicators

        self.known: dict[str, Indicator] = load_indicators()
        self.register: Workshop
        self.window: Window
        self._results: Callable[[Indicator], Result]
        self._pieces: Callable[[Indicator], list[Components]]
        self._close: Callable[[], None] | None = None
        if bundle is not None:
            self._open(bundle, asked)
        else:
            self._connect(asked, url, token_file)

    def __enter__(self) -> "_Source":
        return self

    def __exit__(self, *error: object) -> None:
        if self._close is not None:
            self._close()

    def _open(self, bundle: Path, asked: tuple[str, str] | None) -> None:
        from chejian.commands.indicators import replayed_in

        replayed, self.window = replayed_in(bundle, asked)
        self.register = replayed.register
        self._results = lambda item: replayed.result(item, self.register, self.window)
        self._pieces = lambda item: list(replayed.components(item, self.register, self.window))

    def _connect(self, asked: tuple[str, str] | None, url: str, token_file: Path) -> None:
        import msgspec

        from analytics.indicator import Components, Result
        from chejian.commands.files import read_file
        from chejian.commands.windows import parse_window
        from chejian.demo.client import GatewayClient
        from workshop.errors import ConfigError
        from workshop.register import Workshop

        if asked is None:
            raise ConfigError("--window FROM TO is needed to ask a gateway")
        client = GatewayClient(url, read_file(token_file).decode().strip())
        self._close = client.close
        self.register = msgspec.convert(client.get("/v1/workshop")["register"], Workshop)
        self.window = parse_window(asked, self.register)
        between = {"from_us": self.window.start_us, "to_us": self.window.end_us}

        def pieces(item: "Indicator") -> list[Components]:
            posted = client.get("/v1/components", indicator=item.id, **between)["rows"]
            return [msgspec.convert(row["components"], Components) for row in posted if row["version"] == item.version]

        self._results = lambda item: msgspec.convert(client.get(f"/v1/indicators/{item.id}", **between), Result)
        self._pieces = pieces

    def result(self, name: str) -> "Result":
        """The indicator's result in the window."""
        return self._results(self.known[name])

    def curve(self) -> list[tuple[int, int, bool]]:
        """The load curve; from a gateway as far as its analytics service has measured it."""
        from analytics.electricity import quarters
        from analytics.measured import gather

        item = self.known["peak_demand"]
        found, ends = [], dict[str, int]()
        for piece in sorted(self._pieces(item), key=lambda piece: (piece.equipment, piece.start_us, -piece.end_us)):
            if piece.start_us >= ends.get(piece.equipment, piece.start_us):  # the service posts the running hour more than once, longer each time
                found.append(piece)
                ends[piece.equipment] = piece.end_us
        return quarters(gather(item, found, self.register, self.window))
