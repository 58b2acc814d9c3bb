"""config/interop: one register, one edge file, the simulated cell: what is mapped is there, by every protocol."""

import re
import socket
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("pymodbus", reason="pymodbus is not installed: the extra [edge] brings it")

from edge.check import check
from edge.config import check_edge, load_edge, source_context
from simulators.settings import load_settings
from tests.integration.test_simulators import Mosquitto, eventually, free_port, mosquitto, running
from tests.unit.edge.rig import now_us
from workshop.register_file import parse_register

__all__ = ["mosquitto"]
CELL = Path(__file__).parents[2] / "config" / "interop"


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_every_machine_signal_of_the_register_is_mapped_once() -> None:
    register = parse_register((CELL / "workshop.toml").read_text(), "workshop.toml")
    settings = load_edge((CELL / "edge-1.toml").read_text(), "edge-1.toml")
    check_edge(settings, register, "edge-1.toml")
    mapped = [signal.id for block in settings.source for signal in source_context(settings, block, register, "edge-1.toml", clock=lambda: 0).signals]
    assert len(mapped) == len(set(mapped))
    assert set(mapped) == {name for name, _, signal in register.signals() if signal.origin == "machine"}
    assert {block.protocol for block in settings.source} == {"opcua", "sparkplug", "modbus", "mtconnect"}


async def test_the_older_machines_and_the_robots_give_every_signal(mosquitto: Mosquitto, tmp_path: Path) -> None:
    ports = {"1883": mosquitto.port, "5020": free_port(), "5000": free_port()}

    def moved(name: str) -> str:
        return re.sub(rf"\b({'|'.join(ports)})\b", lambda found: str(ports[found[0]]), (CELL / name).read_text())

    register = parse_register((CELL / "workshop.toml").read_text(), "workshop.toml")
    settings = load_edge(moved("edge-1.toml"), "edge-1.toml")
    # OPC UA has tests of its own; its server alone needs longer to start than all of this.
    settings = msgspec.structs.replace(settings, source=tuple(block for block in settings.source if block.protocol != "opcua"))
    (tmp_path / "simulators.toml").write_text(moved("simulators.toml"))
    cell = load_settings(tmp_path / "simulators.toml")
    nodes = [msgspec.structs.replace(node, state=str(tmp_path / "state")) for node in cell.edge_node]
    cell = msgspec.structs.replace(cell, server=[], load=[], edge_node=nodes)
    async with running(cell, tmp_path / "truth"):
        # Ready is said when the first of them is.
        await eventually(lambda: all(answers(ports[name]) for name in ("5020", "5000")), 20)
        rows = await check(settings, register, now_us, patience_s=15)
    assert len(rows) == 39 and [row for row in rows if row.cause or row.quality != "good"] == []
