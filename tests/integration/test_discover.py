"""What discover proposes for the simulated machining centre and robot is accepted by register and edge as it stands, and gives readings."""

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.config import load_edge
from edge.opcua.own import make_own
from edge.opcua.trust import accept as accept_certificate
from simulators.settings import Equipment, Server, Settings
from tests.integration.test_simulators import free_port, running
from tests.unit.edge.rig import HEAD, NO_GATEWAY, Record, now_us, running_edge, until
from workshop.register_file import parse_register

ROOT = Path(__file__).parents[2]
AT_LEAST = {
    "mill-01": {
        "item_state", "operation_mode", "program", "produced_count", "good_count", "scrap_count", "spindle_load", "feed_override", "active_power",
        "alarm",
    },
    "arm-01": {"item_state", "operation_mode", "program", "cycle_count", "active_power", "alarm", "motor_temperature", "operational_mode"},
}


async def chejian(*words: str, folder: Path) -> tuple[int, str, str]:
    """Calls the command; exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chejian", *words, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def plant(folder: Path) -> Path:
    """A folder with the demo's register and an edge's file without a source."""
    shutil.copy(ROOT / "config" / "demo" / "workshop.toml", folder)
    (folder / "edge.toml").write_text(HEAD.replace("{gateway}", NO_GATEWAY).replace("{drain_s}", "0"))
    return folder


async def accept(folder: Path, url: str, *more: str) -> str:
    """Discovers, and takes the proposal as it stands; what discover said."""
    code, said, wrong = await chejian("edge", "discover", url, "edge.toml", "--listen-s", "1.5", *more, folder=folder)
    assert code == 0, said + wrong
    for command, file in (("register revise", "workshop.toml"), ("edge apply", "edge.toml")):
        code, out, err = await chejian(*command.split(), file, f"proposal/{file}.diff", folder=folder)
        assert code == 0, out + err
    return said


async def collect(folder: Path, wanted: dict[str, set[str]]) -> dict[str, dict[str, Any]]:
    """Runs the edge with the files as they are now; equipment → role → first value, as the journal has it."""
    register = parse_register((folder / "workshop.toml").read_bytes(), "workshop.toml")
    settings = load_edge((folder / "edge.toml").read_bytes(), str(folder / "edge.toml"))
    journal = folder / "journal"
    journal.mkdir()
    count = sum(len(roles) for roles in wanted.values())
    async with running_edge(journal, settings, register, str(folder / "edge.toml")) as edge:
        await until(lambda: (status := edge.status()) and sum(one.readings for one in status.sources.values()) > 3 * count, "readings")
        status = edge.status()
        assert status is not None
        assert {name: one.problems for name, one in status.sources.items() if one.problems} == {}
    roles = {name: (item.id, signal.role) for name, item, signal in register.signals()}
    found: dict[str, dict[str, Any]] = {}
    for reading in Record(journal).readings:
        equipment, role = roles[reading.signal]
        found.setdefault(equipment, {}).setdefault(role, reading.value)
    return found


async def test_a_machining_centre_and_a_robot(tmp_path: Path) -> None:
    folder = plant(tmp_path)
    url = f"opc.tcp://127.0.0.1:{free_port()}/chejian/"
    equipment = [
        Equipment("mill-01", "machining_centre", 19000, period_ms=200, ideal_cycle_ms=700),
        Equipment("arm-01", "robot", 4500, period_ms=200, ideal_cycle_ms=600, companion=True),
        Equipment("cnc-02", "machining_centre", 19000, period_ms=200, ideal_cycle_ms=700),
    ]
    security: list[Any] = ["Basic256Sha256"]
    block = Server("cell", url, security, equipment, pki=str(tmp_path / "pki"), anonymous=True, users={"operator": "user"})
    async with running(Settings(5, server=[block]), tmp_path / "truth"):
        before = (folder / "workshop.toml").read_bytes()
        pki = folder / "run" / "pki"
        make_own(pki, "edge-1", "box.example", now_us)
        code, _, said = await chejian("edge", "discover", url, "edge.toml", "--security", "Basic256Sha256", folder=folder)
        assert code == 2 and "BadCertificateUntrusted" in said
        accept_certificate(pki, said.partition("SHA-256 ")[2][:16])
        assert (folder / "workshop.toml").read_bytes() == before, "discover changes nothing"
        said = await accept(folder, url, "--security", "Basic256Sha256")
        assert "cnc-02 (machining_centre, in the register)" in said and "mill-01 (machining_centre, not in the register yet)" in said
        assert (folder / "workshop.toml.before").read_bytes() == before
        found = await collect(folder, AT_LEAST)
    for equipment_id, roles in AT_LEAST.items():
        assert roles <= set(found[equipment_id]), roles - set(found[equipment_id])
    assert {"spindle_load", "item_state", "program"} <= set(found["cnc-02"])
    assert found["mill-01"]["item_state"] in (0, 1, 2, 3) and found["mill-01"]["program"].startswith("O")


@pytest.mark.parametrize(("url", "code", "said"), [
    ("opc.tcp://127.0.0.1:9/", 3, "is the server running"), pytest.param("http://127.0.0.1/", 2, "write opc.tcp://", marks=pytest.mark.long),
    pytest.param("opc.tcp://[", 2, "opc.tcp://[", marks=pytest.mark.long),
])
async def test_what_cannot_be_looked_at(tmp_path: Path, url: str, code: int, said: str) -> None:
    got, _, wrong = await chejian("edge", "discover", url, "edge.toml", "--security", "None", folder=plant(tmp_path))
    assert got == code and said in wrong and "Traceback" not in wrong
