"""`chejian demo` from start to verified bundle."""

import json
import signal
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from chejian.clock import demo_clock
from chejian.demo.line import Line, unique_folder
from chejian.demo.oracle import Balance, balance
from chejian.demo.plan import CONFIG, check_source, make_plan
from chejian.demo.show import indicator_table, verdict_lines, verdict_table
from workshop.batch import Provenance, decode_header
from workshop.errors import ChejianError, ConfigError, NotConnected
from workshop.part import decode_part

INDICATORS = (
    "networking_rate_all", "networking_rate_digital", "key_process_nc_rate", "defect_rate", "availability", "effectiveness", "quality_ratio", "oee",
    "energy_per_good_part",
)


class Options(msgspec.Struct, frozen=True):
    """What `chejian demo` was asked for."""

    seconds: int | None
    json_file: Path | None
    web: bool
    speed: float
    seed: int | None
    as_of: str | None
    folder: Path | None
    config: Path | None
    language: str
    broker: str = "auto"
    port: int | None = None
    history_days: int = 0


def demo(options: Options, console: Console) -> int:
    """Runs the demo; the exit code is 0 when the bundle verifies and every reading is accounted for, whatever the verdicts say."""
    _check(options)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = unique_folder(options.folder or Path("run"), stamp).resolve()
    plan = make_plan(folder, options.config or CONFIG, options.seed, options.port)
    clock = demo_clock(options.speed)
    line = Line(plan, clock, language=options.language, broker=options.broker, say=lambda text: console.print(text, style="yellow"),
                history_days=options.history_days)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with console.status("starting broker, simulators, edge, gateway and analytics / 正在启动 …"):
            line.start(web=options.web)
        console.print(f"run folder 运行目录: {folder}")
        if options.web:
            console.print(f"page 页面: {plan.web_url}")
        _watch(line, options, console, stop)
        with console.status("stopping the machines, sealing, exporting and verifying / 正在导出并验证证据 …"):
            return _close(line, options, console)
    finally:
        line.close()


def _check(options: Options) -> None:
    """Refuses what would only be found at the end of the run."""
    if options.as_of is not None:
        try:
            date.fromisoformat(options.as_of)
        except ValueError as error:
            raise ConfigError(f"--as-of '{options.as_of}': must be a date, YYYY-MM-DD") from error
    if options.json_file is not None:
        try:
            options.json_file.open("a").close()
        except OSError as error:
            raise ConfigError(f"--json {options.json_file}: cannot be written ({error.strerror})") from error
    check_source(options.config or CONFIG)


def _watch(line: Line, options: Options, console: Console, stop: threading.Event) -> None:
    """Shows indicators and verdicts until the time is up or somebody stops the demo."""
    started = time.monotonic()
    until = started + options.seconds if options.seconds is not None else float("inf")
    live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
    if live is not None:
        live.start()
    past = ""
    try:
        while not stop.is_set() and time.monotonic() < until:
            if line.past is not None and line.past.state != past:
                past = line.past.state
                (live.console if live is not None else console).print(past, markup=False, highlight=False)
            passed = int(time.monotonic() - started)
            left = f" of {options.seconds}" if options.seconds is not None else ", Ctrl-C to end and export the evidence"
            try:
                definitions, results, verdicts = _figures(line, line.clock(), options)
            except ChejianError as error:  # the gateway may be restarting; the line goes on without us
                note = Text(f"{passed} s{left}: {error}")
                definitions, results, verdicts = {}, [], []
            else:
                note = Text(f"{passed} s{left}")
            if live is not None:
                table = indicator_table(definitions, results, options.language, narrow=console.width < 110)
                live.update(Group(note, *([table, verdict_table(verdicts, options.language)] if results else [])), refresh=True)
            elif passed % 10 < 2:
                console.print(note)
            stop.wait(min(2.0, max(0.05, until - time.monotonic())))
    finally:
        if live is not None:
            live.stop()


def _figures(line: Line, until_us: int, options: Options) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    client = line.viewer
    if client is None:
        raise NotConnected("the gateway has not been enrolled with yet")
    window = {"from_us": line.window_from_us, "to_us": until_us}
    definitions = {item["id"]: item for item in client.get("/v1/indicators")}
    results = [client.get(f"/v1/indicators/{name}", **window) for name in INDICATORS]
    as_of = {"as_of": options.as_of} if options.as_of else {}
    return definitions, results, client.get("/v1/verdicts", **window, **as_of)


def _close(line: Line, options: Options, console: Console) -> int:
    end_us = line.finish()
    evaluator, viewer, folder = line.evaluator, line.viewer, line.plan.folder
    if evaluator is None or viewer is None:
        raise NotConnected("the gateway has not been enrolled with yet")
    window = {"from_us": line.window_from_us, "to_us": end_us}
    as_of = {"as_of": options.as_of} if options.as_of else {}
    bundle, trust = folder / "bundle.zip", folder / "trust.json"
    evaluator.download("/v1/bundles", {**window, **as_of}, bundle)
    # An evaluator's question would itself become a control entry, and pin a log that is longer than the bundle.
    _pin(trust, viewer.get("/v1/checkpoint"))
    definitions, results, _ = _figures(line, end_us, options)
    line.children.stop("web", patience_s=5)
    line.children.stop("gateway", patience_s=10)
    account, gaps = _account(folder)
    from chejian.commands.evidence import print_verification, run_verification

    verification = run_verification(bundle, trust)
    verdicts = [msgspec.to_builtins(verdict) for verdict in verification.verdicts]
    console.print(indicator_table(definitions, results, options.language, narrow=console.width < 110))
    console.print(verdict_lines(verdicts, options.language))
    print_verification(verification, console)
    console.print(account.in_words(), style="" if account.holds else "red")
    console.print(f"bundle 证据包: {bundle}\ntrust file 信任文件: {trust}", soft_wrap=True)
    console.print(f"verify it anywhere 随处核验: chejian evidence verify {bundle} --trust {trust}", soft_wrap=True)
    if options.json_file is not None:
        out = {
            "readings": {"emitted": account.emitted, "stored": account.stored, "in_gaps": account.in_gaps},
            "gaps": gaps,
            "indicators": [_indicator(result) for result in results],
            "verdicts": verdicts,
            "bundle": str(bundle),
            "trust": str(trust),
        }
        options.json_file.write_text(json.dumps(out, ensure_ascii=False, indent=2) + "\n")
    return 0 if verification.ok and account.holds else 1


def _number(text: Any) -> float | None:
    return None if text is None else float(text)


def _indicator(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": result["indicator"], "version": result["version"], "value": _number(result["value"]), "unit": result["unit"],
        "interval": None if result.get("low") is None else [_number(result["low"]), _number(result["high"])],
        "coverage": _number(result["coverage"]), "counts": result["counts"],
    }


def _pin(trust: Path, checkpoints: dict[str, str]) -> None:
    """Adds the checkpoints that the gateway showed to the evaluator's trust file: from now on the log may not become shorter."""
    from evidence.trust import encode_trust, parse_trust, pin

    trust.write_bytes(encode_trust(pin(parse_trust(trust.read_bytes(), str(trust)), (checkpoints["data"], checkpoints["control"]))))


def _account(folder: Path) -> tuple[Balance, list[dict[str, Any]]]:
    """Compares what the simulators offered with what the gateway's journal holds."""
    from simulators.truth import read_truth
    from store.archive import Archive
    from store.signing import SigningKey

    truth = read_truth(sorted((folder / "truth").glob("*.jsonl")))
    origin = json.loads((folder / "trust.json").read_text())["origin"]
    key = SigningKey.load(folder / "gateway" / "key.pem")
    archive = Archive.open(folder / "gateway" / "archive.sqlite", key=key, origin=origin, clock=lambda: 0)
    try:
        gaps = [gap for _, gap in archive.gaps()]
        signals = {f"{equipment}/{name}" for equipment, name in zip(truth.equipment, truth.name, strict=True)}

        def blocks() -> Any:
            for stored in archive.batches(0, archive.data_size):
                header = decode_header(stored.batch.header)
                if header.provenance is Provenance.IMPORTED:  # the past was never offered to the edge
                    continue
                for entry, part in zip(header.parts, stored.batch.parts, strict=True):
                    if part is not None:
                        yield decode_part(entry.equipment, part)

        account = balance(((f"{row[0]}/{row[1]}", row[2], row[3]) for row in truth.rows()), blocks(), gaps, signals)
    finally:
        archive.close()
    flat = [{"signal": signal, "from_us": gap.from_us, "to_us": gap.to_us, "reason": gap.reason} for gap in gaps for signal in gap.signals]
    return account, flat
