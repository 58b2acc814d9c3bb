"""A run obeys a command that another process wrote to its folder, and says so in its truth."""

import asyncio
import json
import socket
from pathlib import Path

from simulators.clock import Clock
from simulators.control import start_fault
from simulators.run import run
from simulators.settings import Equipment, Server, Settings


def told(path: Path) -> list[dict[str, object]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [entry for entry in map(json.loads, lines) if str(entry.get("event", "")).startswith("fault")]


async def test_fault_by_command(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop, ready = asyncio.Event(), asyncio.Event()
    settings = Settings(1, server=[Server("cell", f"opc.tcp://127.0.0.1:{port}/", "None", [Equipment("cnc-01", "machining_centre", 19000)])])
    running = asyncio.create_task(
        run(settings, clock=Clock(), truth_dir=tmp_path, ready=lambda _: ready.set(), stop=stop, pause=asyncio.Event()))
    await asyncio.wait_for(ready.wait(), 20)
    start_fault(tmp_path, "spindle_overheating", "cnc-01", for_s=0.5, severity=2.0)
    async with asyncio.timeout(20):
        while len(told(tmp_path / "truth-all.jsonl")) < 2:  # noqa: ASYNC110 – a file tells nobody that it grew
            await asyncio.sleep(0.05)
    stop.set()
    await running
    began, ended = told(tmp_path / "truth-all.jsonl")
    assert (began["event"], ended["event"]) == ("fault_started", "fault_ended")
    assert (began["kind"], began["e"], began["severity"]) == ("spindle_overheating", "cnc-01", 2.0)
    assert int(str(ended["t"])) - int(str(began["t"])) == 500_000
