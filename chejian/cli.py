"""The command `chejian`: one way in; every part is imported only when its command is called."""

import os
import sys
from functools import cache
from typing import Annotated

import typer

from chejian import __version__

app = typer.Typer(
    name="chejian",
    help="车间 · factory IoT line: from machine to a verdict that anyone can check offline. 从设备到可离线核验的结论。",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

EXTRAS = {
    "asyncua": "edge", "paho": "edge", "google": "edge", "pymodbus": "edge", "jmespath": "edge", "httpx": "edge", "fastapi": "gateway",
    "uvicorn": "gateway", "duckdb": "gateway", "pyarrow": "gateway",
    "prometheus_client": "gateway", "nicegui": "web", "sklearn": "analytics", "skops": "analytics",
    "openpyxl": "analytics", "PIL": "analytics", "threadpoolctl": "analytics", "numpy": "evidence", "scipy": "evidence", "zstandard": "evidence",
    "cryptography": "evidence", "rfc8785": "evidence", "securesystemslib": "evidence", "amqtt": "simulators", "tomli_w": "all",
}


def language_of(option: str | None) -> str:
    """"zh" or "en": what --lang says, else the environment's LANG, else English."""
    wanted = option or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "zh" if wanted.lower().startswith("zh") else "en"


def _version(value: bool) -> None:
    if value:
        typer.echo(f"chejian {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")] = False,
) -> None:
    """Options of every command."""


@cache
def register_commands() -> None:
    """Adds the commands of every part, once."""
    from chejian.commands import (
        analytics,
        compare,
        declare,
        demo,
        doctor,
        edge,
        edge_certificates,
        edge_discovery,
        edge_keeping,
        edge_status,
        energy,
        evidence,
        evidence_challenge,
        evidence_report,
        evidence_trust,
        evidence_witness,
        gateway,
        gateway_keeping,
        gateway_looking,
        import_export,
        indicators,
        losses,
        maintenance,
        maintenance_alerts,
        policy,
        quality,
        quality_lot,
        quality_vision,
        register,
        simulate,
        trace,
    )

    groups = (
        demo, simulate, edge, edge_certificates, edge_discovery, edge_keeping, edge_status, gateway, gateway_keeping, gateway_looking, register,
        analytics, indicators, declare, losses, compare, energy, maintenance, maintenance_alerts, policy, evidence, evidence_challenge,
        evidence_report, evidence_trust, evidence_witness, import_export, doctor, trace, quality, quality_lot, quality_vision,
    )
    for module in groups:
        module.add_to(app)


def main() -> None:
    """Runs the command; our own errors become one line and their exit code, never a traceback."""
    from workshop.errors import ChejianError

    register_commands()
    try:
        app()
    except ChejianError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("stopped", 130)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRAS:
            raise
        _fail(f"this command needs '{missing}', which is not installed; install it with: pip install 'chejian[{EXTRAS[missing]}]'", 2)
    except Exception as error:
        # The simulators share nothing with us, their errors neither; but they carry an exit code and one line, too.
        code = getattr(error, "exit_code", None)
        if not isinstance(code, int):
            raise
        _fail(str(error), code)


def _fail(text: str, code: int) -> None:
    print(f"chejian: {text}", file=sys.stderr)
    sys.exit(code)
