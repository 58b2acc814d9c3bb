"""What the container stack needs once, before its services start: `python -m deploy.prepare config`, `influx`, `enrol`; `enrol-cluster`.

config: copies the pilot's configuration into a volume, with the names of the services instead of loopback addresses, and makes what is secret:
        certificate, passwords and rights of the broker, and the first passwords of InfluxDB and Grafana, each in a volume of its own.
influx: a token of InfluxDB for the gateway, which may read and write one bucket, and one for Grafana, which may only read it.
enrol:  with the administrator's token that the gateway made at its first start, enrols the edge and the analytics service and makes a viewer's token.
All may run again: what is there stays as it is.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec

from deploy.stack_secrets import make_secrets

PILOT = Path("/app/config/demo")
CONFIG, DATA, SECRETS = Path("/config"), Path("/data"), Path("/secrets")
GATEWAY_URL = "http://gateway:8410"
INFLUX_URL, ORG, BUCKET = "http://influxdb:8086", "works", "chejian"
SITES = {"a": 8411, "b": 8412}
"""Gateways of the profile cluster and their ports; each has an edge of its own."""


def prepare_config(pilot: Path, config: Path) -> None:
    """Writes workshop.toml, claims.toml, simulators.toml and the files of gateways and edges for the stack."""
    for name in ("workshop.toml", "claims.toml"):
        shutil.copyfile(pilot / name, config / name)
    simulators = _load(pilot / "simulators.toml")
    for server in simulators.get("server", []):
        server["url"] = server["url"].replace("127.0.0.1", "0.0.0.0")  # noqa: S104 – the stack's own network
    for broker in simulators.get("broker", []):
        broker["host"] = "broker"
    _store(config / "simulators.toml", simulators)
    _store(config / "edge-1.toml", _edge(pilot, "edge-1", GATEWAY_URL, ("opcua", "mqtt")))
    gateway = _load(pilot / "gateway.toml")
    gateway.update(data=str(DATA / "gateway"), listen="0.0.0.0", port=8410)  # noqa: S104 – published on the host's loopback only
    # Answers come from DuckDB; InfluxDB is fed beside it, for Grafana and whoever else reads it.
    gateway["second_engine"] = {"name": "influxdb", "url": INFLUX_URL, "org": ORG, "bucket": BUCKET, "token_file": "/secrets/influx.token"}
    _store(config / "gateway.toml", gateway)
    for (site, port), protocol in zip(SITES.items(), ("opcua", "mqtt"), strict=True):
        _store(config / f"edge-{site}.toml", _edge(pilot, f"edge-{site}", f"http://gateway-{site}:{port}", (protocol,)))
        engine = {
            "name": "victoriametrics", "insert_url": "http://vminsert:8480/insert/0/influx", "select_url": "http://vmselect:8481/select/0/prometheus",
            "measurement": f"gateway-{site}", "finer_times": "cut", "retention_days": 3650,
        }
        gateway = _load(pilot / "gateway.toml") | {"data": str(DATA / f"gateway-{site}"), "listen": "0.0.0.0", "port": port, "engine": engine}  # noqa: S104
        _store(config / f"gateway-{site}.toml", gateway)


def _edge(pilot: Path, edge: str, url: str, protocols: tuple[str, ...]) -> dict[str, Any]:
    settings = _load(pilot / "edge-1.toml")
    settings.update(edge=edge, data=str(DATA / edge))
    settings.setdefault("gateway", {})["url"] = url
    settings["source"] = [source for source in settings["source"] if source["protocol"] in protocols]
    for source in settings["source"]:
        if "url" in source:
            source["url"] = source["url"].replace("127.0.0.1", "simulators")
        else:
            source |= {"host": "broker", "port": 8883, "user": "edge", "password_file": "/secrets/broker.password"}
            source["tls"] = {"ca": "/secrets/broker.crt"}
    return settings


def prepare_influx(secrets: Path, url: str) -> None:
    """Tokens for one bucket: the gateway reads and writes, Grafana reads."""
    from chejian.influx_setup import set_up

    admin = (secrets / "influx" / "admin.token").read_text().strip()
    set_up(url, ORG, BUCKET, admin, secrets / "gateway" / "influx.token")
    set_up(url, ORG, BUCKET, admin, secrets / "grafana" / "influx.token", rights=("read",))
    (secrets / "grafana" / "influx.token").chmod(0o644)  # Grafana is another user; the volume is mounted nowhere else


def enrol(data: Path, url: str, edge: str = "edge-1", gateway: str = "gateway") -> None:
    """Enrols an edge (simulated) and analytics (derived) unless they are, and makes the page's token unless there is one."""
    from chejian.demo.client import GatewayClient
    from chejian.enrolment import enrol_folder
    from workshop.batch import Provenance

    admin = GatewayClient(url, (data / gateway / "admin.token").read_text().strip())
    wanted = [(edge, Provenance.SIMULATED)] + ([("analytics", Provenance.DERIVED)] if gateway == "gateway" else [])
    for name, provenance in wanted:
        if not (data / name / "enrolment.json").exists():
            enrol_folder(url, admin.new_edge(name, provenance), name, data / name)
    token = data / "web" / "viewer.token"
    if gateway == "gateway" and not token.exists():
        token.parent.mkdir(exist_ok=True)
        token.touch(0o600)
        token.write_text(admin.new_token("viewer", "overview page"))
    admin.close()


def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = msgspec.toml.decode(path.read_bytes())
    return loaded


def _store(path: Path, value: dict[str, Any]) -> None:
    path.write_bytes(b"# Written by deploy/prepare.py from the pilot's file of the same kind.\n" + msgspec.toml.encode(value))


if __name__ == "__main__":
    if sys.argv[1:] == ["config"]:
        prepare_config(PILOT, CONFIG)
        make_secrets(SECRETS)
    elif sys.argv[1:] == ["influx"]:
        prepare_influx(SECRETS, INFLUX_URL)
    elif sys.argv[1:] == ["enrol"]:
        enrol(DATA, GATEWAY_URL)
    elif sys.argv[1:] == ["enrol-cluster"]:
        for site, port in SITES.items():
            enrol(DATA, f"http://gateway-{site}:{port}", f"edge-{site}", f"gateway-{site}")
    else:
        sys.exit("prepare.py: say 'config', 'influx', 'enrol' or 'enrol-cluster'")
