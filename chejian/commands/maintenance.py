"""`chejian maintenance …`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from analytics.maintenance.evaluate import Progress
    from analytics.maintenance.report import Report
    from analytics.maintenance.table import Table
    from analytics.maintenance.task import Task

maintenance = typer.Typer(help="Predictive maintenance: models judged on machines they have never seen. 预测性维护。", no_args_is_help=True)

Data = Annotated[list[Path], typer.Option(help="A table: .csv .txt .tsv (also .gz), .xlsx or .parquet. Several for --task anomaly only.")]
TaskName = Annotated[str, typer.Option("--task", help="rul, regression, classification or anomaly.")]
Protocol = Annotated[str, typer.Option(help="leave-one-group-out, grouped-kfold, chronological, stratified-kfold or official-test.")]
Target = Annotated[str | None, typer.Option(help="Column to foretell. None for rul. A file without header has columns 0, 1, 2 …")]
Group = Annotated[str | None, typer.Option(help="Column of the unit that will be new in service: machine, tool, run.")]
Time = Annotated[str | None, typer.Option(help="Column of time or age: numbers or dates.")]
InputNames = Annotated[str | None, typer.Option("--inputs", help="Columns to read, with commas between; * stands for any characters. Default: all.")]
Exclude = Annotated[str | None, typer.Option(help="Columns to leave out, as --inputs.")]
Cap = Annotated[float | None, typer.Option(help="Largest remaining life that is told apart, in training and in the test.")]
Sep = Annotated[str | None, typer.Option(help="Character between fields, or tab or space. Default: found out.")]
Test = Annotated[Path | None, typer.Option(help="Test table of the official test.")]
TestRul = Annotated[Path | None, typer.Option("--test-rul", help="Remaining life after each test unit's last row, one number a line.")]
TrainRows = Annotated[int | None, typer.Option(help="Learn from so many first rows (chronological, anomaly).")]
TrainShare = Annotated[float | None, typer.Option(help="Learn from this share of the rows, the first ones (chronological, anomaly).")]
Seed = Annotated[int, typer.Option(help="Of every lot that is drawn.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON, whatever the exit code.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(maintenance, name="maintenance")


@maintenance.command("evaluate")
def evaluate_command(
    data: Data, task: TaskName, protocol: Protocol, target: Target = None, group: Group = None, time: Time = None, inputs: InputNames = None,
    exclude: Exclude = None, cap: Cap = None, sep: Sep = None, test: Test = None, test_rul: TestRul = None, train_rows: TrainRows = None,
    train_share: TrainShare = None, seed: Seed = 0, json: Json = False,
) -> None:
    """Judges what can be learned from a table: on unseen units, beside naive answers, with a search for leaks.

    Exit 0: deploy. Exit 1: do not deploy. Exit 2: the input is wrong.
    """
    import msgspec

    wanted = _task(task, protocol, target, group, time, inputs, exclude, cap, train_rows, train_share, seed)
    report = _evaluated(wanted, _tables(data, sep, wanted), test, test_rul, sep, quiet=json)
    if json:
        typer.echo(msgspec.json.encode(report).decode())
    else:
        print_report(report)
    if not report.deployable:
        raise typer.Exit(1)


@maintenance.command("train")
def train_command(
    data: Data, task: TaskName, protocol: Protocol,
    out: Annotated[Path, typer.Option(help="File to write the model to; its card is written beside it.")],
    target: Target = None, group: Group = None, time: Time = None, inputs: InputNames = None, exclude: Exclude = None, cap: Cap = None,
    sep: Sep = None, test: Test = None, test_rul: TestRul = None, train_rows: TrainRows = None, train_share: TrainShare = None, seed: Seed = 0,
    json: Json = False,
) -> None:
    """Evaluates, and only if the verdict is `deploy` learns from all rows and writes the model with its card.

    Exit 1: do not deploy, and no model is written.
    """
    import msgspec

    from analytics.maintenance.model import train
    from chejian.model_file import write_model

    wanted = _task(task, protocol, target, group, time, inputs, exclude, cap, train_rows, train_share, seed)
    tables = _tables(data, sep, wanted)
    report = _evaluated(wanted, tables, test, test_rul, sep, quiet=json)
    if report.deployable:
        model = train(wanted, tables, report)
        write_model(out, model)
    if json:
        typer.echo(msgspec.json.encode(report).decode())
    else:
        print_report(report)
        typer.echo(f"model: {out}, card: {out}.card.json" if report.deployable else "no model was written")
    if not report.deployable:
        raise typer.Exit(1)


@maintenance.command("predict")
def predict_command(
    model: Annotated[Path, typer.Argument(help="A file that `train` wrote.")], data: Data, sep: Sep = None,
    all_rows: Annotated[bool, typer.Option("--all-rows", help="Remaining life at every row, not only at each unit's last.")] = False,
    json: Json = False,
) -> None:
    """Answers for new rows, with 90 % intervals; `undetermined` where a row lies outside what the model has learned from."""
    import msgspec

    from analytics.maintenance.model import predict
    from chejian.model_file import read_model
    from chejian.tables import read_table
    from workshop.errors import ConfigError

    if len(data) > 1:
        raise ConfigError("predict takes one --data file")
    found = predict(read_model(model), read_table(data[0], sep), all_rows=all_rows)
    if json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    typer.echo("unit,time,answer,low,high,probability,determined")
    for one in found.answers:
        cells = (one.unit, one.time, one.answer, one.low, one.high, one.probability)
        typer.echo(",".join("" if cell is None else f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in cells) +
                   f",{'yes' if one.determined else 'no'}")
    for text in found.drift:
        typer.echo(f"drift: {text}", err=True)


def print_report(report: "Report") -> None:
    """Tables of figures, folds' count, warnings in words and the verdict."""
    from rich.console import Console
    from rich.table import Table as Grid

    console = Console()
    grid = Grid(title=f"{report.task}, {report.protocol}: {report.rows} rows, {report.units} units, {len(report.folds)} folds")
    grid.add_column("figure")
    grid.add_column("model", justify="right")
    grid.add_column("95 %", justify="right")
    for name in report.baselines:
        grid.add_column(name, justify="right")
    for name, value in report.metrics.items():
        low, high = report.intervals.get(name, (float("nan"), float("nan")))
        span = f"{low:.4g} … {high:.4g}" if name in report.intervals else ""
        grid.add_row(name, f"{value:.4g}", span, *(f"{figures[name]:.4g}" if name in figures else "" for figures in report.baselines.values()))
    console.print(grid)
    for warning in report.warnings:
        console.print(f"[yellow]{'leak' if warning.leak else 'note'}[/] {warning.kind}: ", end="")
        console.print(warning.text, markup=False, highlight=False, soft_wrap=True)
    console.print(f"[{'green' if report.deployable else 'red'}]{report.verdict}[/]")


def _task(
    task: str, protocol: str, target: str | None, group: str | None, time: str | None, inputs: str | None, exclude: str | None, cap: float | None,
    train_rows: int | None, train_share: float | None, seed: int,
) -> "Task":
    from analytics.maintenance.task import Task, check_task

    made = Task(task, protocol, target, group, time, _names(inputs), _names(exclude), cap, train_rows, train_share, seed)
    check_task(made)
    return made


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


def _tables(data: list[Path], sep: str | None, task: "Task") -> "list[Table]":
    from chejian.tables import read_table
    from workshop.errors import ConfigError

    if len(data) > 1 and task.task != "anomaly":
        raise ConfigError(f"--data was given {len(data)} times; several files are taken for --task anomaly only")
    return [read_table(path, sep) for path in data]


def _evaluated(task: "Task", tables: "list[Table]", test: Path | None, test_rul: Path | None, sep: str | None, *, quiet: bool) -> "Report":
    import warnings

    from analytics.maintenance.anomaly import evaluate_anomaly
    from analytics.maintenance.evaluate import evaluate
    from chejian.tables import read_table
    from workshop.errors import ConfigError

    if (test is not None or test_rul is not None) and task.protocol != "official-test":
        raise ConfigError("--test and --test-rul belong to --protocol official-test")
    other = read_table(test, sep) if test is not None else None
    life = None
    if test_rul is not None:
        lives = read_table(test_rul, sep)
        columns = [column for column in lives.columns.values() if column.dtype != object]
        if len(columns) != 1 or len(lives.columns) != 1:
            raise ConfigError(f"{test_rul}: one column of numbers is wanted, the life left to each test unit; there are {', '.join(lives.columns)}")
        life = columns[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the numerical libraries; what matters is in the report
        with _Bar(quiet) as progress:
            if task.task == "anomaly":
                return evaluate_anomaly(task, tables, progress=progress)
            return evaluate(task, tables[0], other, life, progress=progress)


class _Bar:
    """A progress bar on the terminal's error stream."""

    def __init__(self, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        self.progress = RichProgress(console=console, transient=True, disable=quiet or not console.is_terminal)

    def __enter__(self) -> "Progress":
        self.progress.start()
        bar = self.progress.add_task("reading", total=None)

        def show(what: str, step: int, steps: int) -> None:
            self.progress.update(bar, description=what, completed=step - 1, total=steps)

        return show

    def __exit__(self, *_: object) -> None:
        self.progress.stop()
