"""`chejian quality lot`: what a random sample says of a lot that is finite."""

from typing import Annotated

import typer

from chejian.commands.quality import quality

MOST = 100_000
"""Larger lots take long in exact integers, and differ little from a rate: see Clopper-Pearson in `chejian indicators explain`."""


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    quality.command("lot")(lot_command)


def lot_command(
    lot: Annotated[int, typer.Option(min=1, max=MOST, help="Parts in the lot.")],
    sampled: Annotated[int | None, typer.Option(min=1, help="Parts that were drawn at random and inspected.")] = None,
    found: Annotated[int, typer.Option(min=0, help="Defective parts among them.")] = 0,
    find: Annotated[int | None, typer.Option(min=1, help="How large must a sample be to hold one of so many defective parts?")] = None,
    lang: Annotated[str | None, typer.Option(help="zh or en; default: LANG.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """How many of a finite lot are defective, from a random sample of it; or how large a sample must be. 有限批的抽样推断(超几何分布)。

    With --sampled: 95 % bounds on the number in the lot, two-sided and the upper one-sided. With --find: the smallest sample that finds one, with
    95 %.
    Exact (hypergeometric), and only as good as the draw: parts that somebody picked are no random sample.
    """
    import msgspec

    from analytics.statistics import lot_interval, most_in_lot, sample_for_lot
    from chejian.cli import language_of
    from workshop.errors import ConfigError

    if (sampled is None) == (find is None):
        raise ConfigError("quality lot: give --sampled (and --found) for what a sample says, or --find for how large it must be; one of the two")
    if find is not None:
        if find > lot:
            raise ConfigError(f"--find {find}: more than the lot of {lot}")
        answer = {"lot": lot, "defective": find, "sample": sample_for_lot(find, lot)}
        words = "批量{lot},其中不合格{defective}件:以95 %把握至少抽到一件,须随机抽{sample}件", (
            "lot of {lot} with {defective} defective: a random sample of {sample} holds one of them with 95 %")
    else:
        if sampled is None or not found <= sampled <= lot:
            raise ConfigError(f"--found {found} --sampled {sampled} --lot {lot}: each must be at most the next")
        low, high = lot_interval(found, sampled, lot)
        answer = {"lot": lot, "sampled": sampled, "found": found, "low": low, "high": high, "at_most": most_in_lot(found, sampled, lot)}
        words = "批量{lot},随机抽检{sampled}件,不合格{found}件:全批不合格数95 %区间 {low} … {high};单侧95 %上限 {at_most}", (
            "{found} of {sampled} drawn from a lot of {lot}: {low} … {high} in the lot (two-sided 95 %), at most {at_most} (one-sided 95 %)")
    typer.echo(msgspec.json.encode(answer).decode() if json else words[language_of(lang) != "zh"].format(**answer))
