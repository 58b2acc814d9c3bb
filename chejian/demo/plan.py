"""The demo's own copy of the pilot: configuration with free ports, in a folder that stays for a look."""

import shutil
import socket
from pathlib import Path
from typing import Any

import msgspec

from workshop.errors import ConfigError

CONFIG = Path(__file__).resolve().parents[2] / "config" / "demo"


class Ports(msgspec.Struct, frozen=True):
    """TCP ports of one demo, on loopback."""

    broker: int
    hall: int
    """OPC UA server of the machines with a good link."""
    far: int
    """OPC UA address of the machine with the bad link, as the edge sees it: the link's own port."""
    gateway: int
    web: int


class Plan(msgspec.Struct, frozen=True):
    """Where everything of one demo lies."""

    folder: Path
    ports: Ports
    seed: int

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.gateway}"

    @property
    def web_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.web}"

    def file(self, name: str) -> Path:
        """A configuration file of this demo."""
        return self.folder / "config" / name


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on now; all are held open together, so that they differ."""
    held = []
    try:
        for _ in range(count):
            held.append(sock := socket.socket())
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in held]
    finally:
        for sock in held:
            sock.close()


def free_port_near(wanted: int) -> int:
    """The wanted port if it is free, else any."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", wanted))
        except OSError:
            return free_ports(1)[0]
    return wanted


def make_plan(folder: Path, source: Path | None, seed: int | None) -> Plan:
    """Copies the pilot's configuration into the folder and gives it free ports.

    Raises:
        ConfigError: no configuration there, or a file that is not TOML.
    """
    source = source or CONFIG
    if not (source / "workshop.toml").is_file():
        raise ConfigError(f"{source}: no workshop.toml there; run the demo from a checkout or name the folder with --config")
    broker, hall, far = free_ports(3)
    ports = Ports(broker, hall, far, free_port_near(8410), free_port_near(8420))
    config = folder / "config"
    shutil.copytree(source, config, dirs_exist_ok=True)
    simulators = _load(config / "simulators.toml")
    plan = Plan(folder, ports, seed if seed is not None else int(simulators.get("seed", 1)))
    simulators["seed"] = plan.seed
    _set_simulators(simulators, ports)
    _store(config / "simulators.toml", simulators)
    edge = _load(config / "edge-1.toml")
    _set_edge(edge, plan)
    _store(config / "edge-1.toml", edge)
    gateway = _load(config / "gateway.toml")
    gateway.update(port=ports.gateway, listen="127.0.0.1", data=str(folder / "gateway"))
    _store(config / "gateway.toml", gateway)
    return plan


def _set_simulators(simulators: dict[str, Any], ports: Ports) -> None:
    for server in simulators.get("server", []):
        server["url"] = f"opc.tcp://127.0.0.1:{ports.far if 'link' in server else ports.hall}/chejian/"
    for broker in simulators.get("broker", []):
        broker.update(host="127.0.0.1", port=ports.broker)


def _set_edge(edge: dict[str, Any], plan: Plan) -> None:
    edge["data"] = str(plan.folder / "edge-1")
    edge.setdefault("gateway", {})["url"] = plan.gateway_url
    for source in edge.get("source", []):
        if source.get("protocol") == "opcua":
            far = any(item.get("id") == "cnc-05" for item in source.get("equipment", []))
            source["url"] = f"opc.tcp://127.0.0.1:{plan.ports.far if far else plan.ports.hall}/chejian/"
        elif source.get("protocol") == "mqtt":
            source.update(host="127.0.0.1", port=plan.ports.broker)


def _load(path: Path) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = msgspec.toml.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return loaded


def _store(path: Path, value: dict[str, Any]) -> None:
    note = b"# Written by `chejian demo` from the pilot's file of the same name, with this run's ports and folders.\n"
    path.write_bytes(note + msgspec.toml.encode(value))
