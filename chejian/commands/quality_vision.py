"""`chejian quality vision …`: a learned check of the inspection station's pictures, beside the station's own verdict."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chejian.commands.quality import quality

if TYPE_CHECKING:
    from analytics.maintenance.report import Report
    from analytics.maintenance.table import Table
    from analytics.maintenance.task import Task

vision = typer.Typer(help="A learned check of pictures, judged by later pictures. 图像检测:以后来的图像评判。", no_args_is_help=True)

Data = Annotated[Path, typer.Option(help="A table in order of time, columns image and verdict (OK, or anything else for defective); group if any.")]
Images = Annotated[Path | None, typer.Option(help="Folder of the pictures; the table's own unless said otherwise.")]
Grouped = Annotated[bool, typer.Option("--grouped", help="Judge by groups never seen (column group) instead of by the later pictures.")]
Seed = Annotated[int, typer.Option(help="Of every lot that is drawn.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON, whatever the exit code.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    quality.add_typer(vision, name="vision")


@vision.command("evaluate")
def evaluate_command(data: Data, images: Images = None, grouped: Grouped = False, seed: Seed = 0, json: Json = False) -> None:
    """Learns from the earlier pictures and judges by the later ones, beside naive answers. Exit 0: deploy. Exit 1: do not deploy."""
    _show(_judged(_task(grouped, seed), _table(data, images)), json=json)


@vision.command("train")
def train_command(
    data: Data, out: Annotated[Path, typer.Option(help="File to write the model to; its card is written beside it.")], images: Images = None,
    grouped: Grouped = False, seed: Seed = 0, json: Json = False,
) -> None:
    """Evaluates, and only if the verdict is `deploy` learns from all pictures and writes the model.

    Exit 1: do not deploy, and no model is written.
    """
    from analytics.maintenance.model import train
    from chejian.model_file import write_model

    task, table = _task(grouped, seed), _table(data, images)
    report = _judged(task, table)
    if report.deployable:
        write_model(out, train(task, [table], report))
    _show(report, json=json)


@vision.command("score")
def score_command(
    model: Annotated[Path, typer.Argument(help="A file that `train` wrote.")], data: Data, images: Images = None, json: Json = False,
) -> None:
    """Derived defect records of pictures, beside the station's own verdict: for people to look at, and never part of a claim."""
    import msgspec

    from analytics.maintenance.model import predict
    from chejian.model_file import read_model
    from chejian.picture_table import IMAGE, VERDICT, picture_table, station_verdicts
    from workshop.errors import ConfigError

    learned = read_model(model)
    if learned.card.task.target != VERDICT or "rest_scale" not in learned.card.numeric:
        raise ConfigError(f"{model}: was not learned from pictures; `chejian quality vision train` writes such models")
    table = picture_table(data, images, judged=False)
    found = predict(learned, table, all_rows=True)
    records = [
        {"image": name, "provenance": "derived", "verdict": one.answer, "probability": one.probability, "determined": one.determined, "station": own,
         "agrees": None if own is None or not one.determined else own == one.answer}
        for name, one, own in zip(table.columns[IMAGE].tolist(), found.answers, station_verdicts(data), strict=True)
    ]
    if json:
        typer.echo(msgspec.json.encode({"model_digest": learned.card.model_digest, "records": records, "drift": found.drift}).decode())
        return
    typer.echo("image,provenance,verdict,probability,determined,station,agrees")
    for record in records:
        typer.echo(",".join(_cell(value) for value in record.values()))
    for text in found.drift:
        typer.echo(f"drift: {text}", err=True)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _task(grouped: bool, seed: int) -> "Task":
    from analytics.maintenance.task import Task
    from chejian.picture_table import GROUP, IMAGE, VERDICT

    protocol = "grouped-kfold" if grouped else "chronological"
    return Task("classification", protocol, VERDICT, GROUP if grouped else None, exclude=(IMAGE,), seed=seed)


def _table(data: Path, images: Path | None) -> "Table":
    from chejian.picture_table import picture_table

    return picture_table(data, images)


def _judged(task: "Task", table: "Table") -> "Report":
    import warnings

    import msgspec

    from analytics.maintenance.evaluate import evaluate
    from chejian.picture_table import GROUP

    if task.group is None and GROUP in table.columns:
        table = msgspec.structs.replace(table, columns={name: column for name, column in table.columns.items() if name != GROUP})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the numerical libraries; what matters is in the report
        # Every column is computed from the picture alone: one that gives the verdict by itself is a plain defect, not a leak.
        return evaluate(task, table, innocent=frozenset({"target-column"}))


def _show(report: "Report", *, json: bool) -> None:
    import msgspec

    from chejian.commands.maintenance import print_report

    if json:
        typer.echo(msgspec.json.encode(report).decode())
    else:
        print_report(report)
    if not report.deployable:
        raise typer.Exit(1)
