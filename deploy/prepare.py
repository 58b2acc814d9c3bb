"""What the container stack needs once, before its services start: `prepare.py config`, then `prepare.py enrol`.

config: copies the pilot's configuration into a volume, with the names of the services instead of loopback addresses.
enrol:  with the administrator's token that the gateway made at its first start, enrols the edge and the analytics service and makes a viewer's token.
Both may run again: what is there stays as it is.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec

PILOT = Path("/app/config/demo")
CONFIG = Path("/config")
DATA = Path("/data")
GATEWAY_URL = "http://gateway:8410"


def prepare_config(pilot: Path, config: Path) -> None:
    """Writes workshop.toml, claims.toml, simulators.toml, edge-1.toml and gateway.toml for the stack."""
    for name in ("workshop.toml", "claims.toml"):
        shutil.copyfile(pilot / name, config / name)
    simulators = _load(pilot / "simulators.toml")
    for server in simulators.get("server", []):
        server["url"] = server["url"].replace("127.0.0.1", "0.0.0.0")  # noqa: S104 – the stack's own network
    for broker in simulators.get("broker", []):
        broker["host"] = "broker"
    _store(config / "simulators.toml", simulators)
    edge = _load(pilot / "edge-1.toml")
    edge["data"] = str(DATA / "edge-1")
    edge.setdefault("gateway", {})["url"] = GATEWAY_URL
    for source in edge.get("source", []):
        if "url" in source:
            source["url"] = source["url"].replace("127.0.0.1", "simulators")
        else:
            source["host"] = "broker"
    _store(config / "edge-1.toml", edge)
    gateway = _load(pilot / "gateway.toml")
    gateway.update(data=str(DATA / "gateway"), listen="0.0.0.0", port=8410)  # noqa: S104 – published on the host's loopback only
    _store(config / "gateway.toml", gateway)


def enrol(data: Path, url: str) -> None:
    """Enrols edge-1 (simulated) and analytics (derived) unless they are, and makes the page's token unless there is one."""
    from chejian.demo.client import GatewayClient
    from chejian.enrolment import enrol_folder
    from workshop.batch import Provenance

    admin = GatewayClient(url, (data / "gateway" / "admin.token").read_text().strip())
    for edge, provenance in (("edge-1", Provenance.SIMULATED), ("analytics", Provenance.DERIVED)):
        if not (data / edge / "enrolment.json").exists():
            enrol_folder(url, admin.new_edge(edge, provenance), edge, data / edge)
    token = data / "web" / "viewer.token"
    if not token.exists():
        token.parent.mkdir(exist_ok=True)
        token.touch(0o600)
        token.write_text(admin.new_token("viewer", "overview page"))
    admin.close()


def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = msgspec.toml.decode(path.read_bytes())
    return loaded


def _store(path: Path, value: dict[str, Any]) -> None:
    path.write_bytes(b"# Written by deploy/prepare.py from the pilot's file of the same name.\n" + msgspec.toml.encode(value))


if __name__ == "__main__":
    if sys.argv[1:] == ["config"]:
        prepare_config(PILOT, CONFIG)
    elif sys.argv[1:] == ["enrol"]:
        enrol(DATA, GATEWAY_URL)
    else:
        sys.exit("prepare.py: say 'config' or 'enrol'")
