"""The demo's own copy of the pilot: configuration with free ports, in a folder that stays for a look."""

import shutil
import socket
from pathlib import Path
from typing import Any

import msgspec

from workshop.errors import ConfigError

FILES = ("workshop.toml", "edge-1.toml", "gateway.toml", "claims.toml", "simulators.toml")
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


def check_source(source: Path) -> None:
    """Reads the pilot's files as the processes will, so that a mistake is told before anything starts.

    Raises:
        ConfigError: no configuration there, or the first thing wrong in it.
    """
    from chejian.commands.files import read_file, read_register
    from edge.config import check_edge, load_edge
    from gateway.settings import load_gateway
    from simulators.settings import load_settings

    for file in FILES:
        if not (source / file).is_file():
            raise ConfigError(f"{source}: no {file} there; run the demo from a checkout or name the pilot's folder with --config")
    register = read_register(source / "workshop.toml")
    edge = source / "edge-1.toml"
    check_edge(load_edge(read_file(edge), str(edge)), register, str(edge))
    load_gateway(source / "gateway.toml")
    load_settings(source / "simulators.toml")


def make_plan(folder: Path, source: Path, seed: int | None, web_port: int | None) -> Plan:
    """Copies the pilot's configuration into the folder and gives it free ports.

    Args:
        web_port: port of the page; None: a free one.
    Raises:
        ConfigError: a file that is not TOML.
    """
    broker, hall, far, gateway_port, web = free_ports(5)
    ports = Ports(broker, hall, far, gateway_port, web_port or web)
    config = folder / "config"
    config.mkdir()
    for file in FILES:
        shutil.copy(source / file, config / file)
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
