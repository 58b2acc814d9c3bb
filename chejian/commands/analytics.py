"""`chejian analytics …`."""

from pathlib import Path
from typing import Annotated

import typer

analytics = typer.Typer(help="The analytics service: components hour by hour, scores, alerts. 分析服务。", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(analytics, name="analytics")


@analytics.command("run")
def run(
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    data: Annotated[Path, typer.Option(help="Folder with this service's key, enrolment and journal.")] = Path("run/analytics"),
    edge: Annotated[str, typer.Option(help="The edge id under which the service is enrolled.")] = "analytics",
    tick_s: Annotated[float, typer.Option(min=0.5, help="Seconds between two rounds.")] = 30.0,
    fit_s: Annotated[int, typer.Option(min=10, help="Seconds of a machine's first data on which its detector is fitted.")] = 8 * 3600,
    watch: Annotated[Path | None, typer.Option(help="TOML file of how machines are watched, such as meanings of alarms; see the how-to.")] = None,
    no_watch: Annotated[bool, typer.Option("--no-watch", help="Watch no machines: neither alerts nor health.")] = False,
    clock: Annotated[str | None, typer.Option(help="ANCHOR_US,REAL_US,SPEED: a scaled clock shared with other processes.")] = None,
) -> None:
    """Runs until SIGTERM or Ctrl-C, as a client of the gateway's API."""
    from chejian.clock import clock_from
    from chejian.enrolment import load_enrolment
    from chejian.process import run_until_signal, start_logs
    from chejian.service import ServiceSettings
    from chejian.service import run as run_service
    from chejian.service_watch import read_watch_settings

    start_logs()
    now = clock_from(clock)
    enrolment, key = load_enrolment(data, edge)
    settings = ServiceSettings(
        url=url, token=enrolment.token, data=data, edge=edge, tick_s=tick_s, fit_s=fit_s, watch=None if no_watch else read_watch_settings(watch))
    run_until_signal(lambda stop, _: run_service(settings, key=key, clock=now, stop=stop))
