"""Runs docker-compose.yml without containers: `unshare --mount --net python -m tests.integration.compose_stack FOLDER`. Prints what came as JSON.

Every service runs its exact command and health check from the file, in a root of its own: this machine's file system with the service's volumes over
it and the names of the services in /etc/hosts, all in one network of their own. VictoriaMetrics stands in where InfluxDB is not installed.
"""

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import yaml

from deploy.prepare import SITES

REPO = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((REPO / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
"""All of them, the profile cluster included."""
STAND_INS = {"influxdb": (8086, "/var/lib/influxdb2"), "vminsert": (8480, "/tmp/cluster")}  # noqa: S108 - in the stack's own root
"""Where one VictoriaMetrics listens and keeps its data in the place of InfluxDB, and of the cluster of four."""
ABSENT = ("influx-tokens", "grafana", "vmstorage-1", "vmstorage-2", "vmselect")
"""Services whose program is nobody's package here, or which set up such a one."""
OURS = "chejian:0.1.0"
PATIENCE_S = 120.0
MACHINES = 12
_LIBC = ctypes.CDLL(None, use_errno=True)
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18


def mount(source: str, target: Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    if _LIBC.mount(source.encode(), str(target).encode(), kind.encode(), flags, data.encode()):
        raise OSError(ctypes.get_errno(), f"mount {source} on {target}")


def start_network() -> None:
    """The loopback of a new network namespace is down."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 1 | 64))  # SIOCSIFFLAGS: up, running


class Stack:
    """The services that are started, and the root that they share."""

    def __init__(self, folder: Path) -> None:
        mount("none", Path("/"), "", _REC | _PRIVATE)
        mount("none", folder, "tmpfs")
        self.folder, self.root = folder, folder / "root"
        for name in ("upper", "work", "root", "volumes", "logs"):
            (folder / name).mkdir()
        mount("overlay", self.root, "overlay", 0, f"lowerdir=/,upperdir={folder / 'upper'},workdir={folder / 'work'}")
        for name in ("proc", "dev"):
            mount(f"/{name}", self.root / name, "", _BIND | _REC)
        (self.root / "tmp").mkdir(exist_ok=True)
        hosts = "".join(f"127.0.0.1 {name}\n" for name in ("localhost", *COMPOSE["services"]))
        (self.root / "etc/hosts").write_text(hosts)
        # As the Dockerfile copies it.
        shutil.copytree(REPO / "config", self.root / "app/config")
        shutil.copytree(REPO / "deploy", self.root / "app/deploy")
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def command(self, name: str) -> list[str]:
        """The service's command, and for an image of ours its entry point."""
        service = SERVICES[name]
        entry = service.get("entrypoint", ["chejian"] if service["image"] == OURS else [])
        return [*entry, *service.get("command", [])]

    def start(self, name: str, words: list[str]) -> subprocess.Popen[bytes]:
        """Starts words within the volumes of a service."""
        service = SERVICES[name]
        places = []
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            where = REPO / source if source.startswith(".") else self.folder / "volumes" / source
            inside = self.root / target.lstrip("/")
            if not source.startswith("."):
                where.mkdir(exist_ok=True)
                where.chmod(0o777)
            if where.is_dir():
                inside.mkdir(parents=True, exist_ok=True)
            else:
                inside.parent.mkdir(parents=True, exist_ok=True)
                inside.touch()
            places.append((str(where), inside))

        def enter() -> None:
            if _LIBC.unshare(0x20000):  # CLONE_NEWNS
                raise OSError(ctypes.get_errno(), "unshare")
            for source, inside in places:
                mount(source, inside, "", _BIND)
            os.chroot(self.root)
            os.chdir("/app")
            os.setsid()

        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONPATH": str(REPO),
                       "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8", "HOME": "/tmp"}  # noqa: S108
        with (self.folder / "logs" / name).open("ab") as log:
            return subprocess.Popen(words, stdout=log, stderr=log, env=environment, preexec_fn=enter)  # noqa: PLW1509 - no threads here

    def up(self, name: str) -> None:
        """Starts a service when what it depends on is there."""
        if name in self.running or name in ABSENT:
            return
        for other, how in SERVICES[name].get("depends_on", {}).items():
            self.up(other)
            if how["condition"] == "service_healthy" and other not in ABSENT:
                self.healthy(other)
        self.running[name] = self.start(name, victoria(*STAND_INS[name]) if name in STAND_INS else self.command(name))
        if SERVICES[name].get("restart") == "no":
            assert self.running[name].wait(PATIENCE_S) == 0, self.log(name)

    def healthy(self, name: str) -> None:
        """Waits for the service's own health check."""
        test = SERVICES[name]["healthcheck"]["test"][1:] if name not in STAND_INS else looks(STAND_INS[name][0])
        deadline = time.monotonic() + PATIENCE_S
        while self.start(name, [word.replace("$$", "$") for word in test]).wait(20) != 0:
            assert self.running[name].poll() is None and time.monotonic() < deadline, self.log(name)
            time.sleep(0.3)

    def log(self, name: str) -> str:
        """The end of a service's log."""
        return f"{name}: " + (self.folder / "logs" / name).read_text(errors="replace")[-3000:]

    def down(self) -> dict[str, int]:
        """Stops everything in the reverse order; the exit codes."""
        codes = {}
        for name, process in reversed(self.running.items()):
            process.send_signal(signal.SIGTERM)
            try:
                codes[name] = process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        return codes


def victoria(port: int, folder: str) -> list[str]:
    """VictoriaMetrics where another database would be."""
    flags = [f"-storageDataPath={folder}", f"-httpListenAddr=:{port}", "-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms"]
    return ["victoria-metrics", *flags]


def looks(port: int) -> list[str]:
    """A health check of VictoriaMetrics."""
    return ["python", "-c", f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/health', timeout=3)"]


def stand_in(stack: Stack) -> None:
    """The prepared gateways write to VictoriaMetrics: the first as its second engine, those of the cluster as their only one."""
    config = stack.folder / "volumes" / "config"

    def change(name: str, key: str, engine: dict[str, Any]) -> None:
        settings = msgspec.toml.decode((config / name).read_bytes())
        settings[key] = engine
        (config / name).write_bytes(msgspec.toml.encode(settings))

    change("gateway.toml", "second_engine", {"name": "victoriametrics", "url": "http://influxdb:8086", "finer_times": "cut", "trail_s": 0})
    for site in SITES:
        engine = {"name": "victoriametrics", "url": "http://vminsert:8480", "measurement": f"gateway-{site}", "finer_times": "cut"}
        change(f"gateway-{site}.toml", "engine", engine)


def client_of(stack: Stack, gateway: str, port: int) -> httpx.Client:
    """A client with the token that this gateway's administrator finds in its volume."""
    token = (stack.folder / "volumes" / f"{gateway}-data" / "admin.token").read_text().strip()
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}, timeout=20)


def watch(stack: Stack, gateway: str, port: int, edge: str, machines: int) -> dict[str, Any]:
    """Waits until data of so many machines has arrived in every engine of a gateway, and says what there is."""
    deadline = time.monotonic() + PATIENCE_S
    with client_of(stack, gateway, port) as client:
        while True:
            engines, latest = client.get("/v1/engines").json(), client.get("/v1/latest").json()["readings"]
            there = {one["signal"].partition("/")[0] for one in latest if one["quality"] == 0}
            if all(row["batches"] > 2 for row in engines) and len(there) >= machines:
                break
            assert time.monotonic() < deadline, f"{gateway} {engines} {sorted(there)} {stack.log(edge)}"
            time.sleep(0.5)
        edges = {row["edge"]: row["provenance"] for row in client.get("/v1/edges").json()}
        rows, log = client.get("/v1/count").json()["rows"], client.get("/v1/checkpoint").json()["data"].partition("\n")[0]
    return {"engines": [row["name"] for row in engines], "machines": sorted(there), "edges": edges, "rows": rows, "log": log}


def secrets(stack: Stack) -> dict[str, str]:
    """Rights of the files that hold secrets."""
    volumes = stack.folder / "volumes"
    names = ["gateway-data/admin.token", "gateway-data/key.pem", "gateway-a-data/admin.token", "gateway-b-data/admin.token",
             "web-secret/viewer.token", "edge-data/enrolment.json", "edge-a-data/enrolment.json", "edge-b-data/enrolment.json"]
    return {name: oct((volumes / name).stat().st_mode & 0o777) for name in names}


def main() -> None:
    """Brings the stack up, looks, and takes it down."""
    start_network()
    stack = Stack(Path(sys.argv[1]))
    try:
        stack.up("prepare")
        stand_in(stack)
        wanted = [name for name in SERVICES if name not in ABSENT]
        for name in wanted:
            stack.up(name)
        for name in wanted:
            if "healthcheck" in SERVICES[name]:
                stack.healthy(name)
        found: dict[str, Any] = {"line": watch(stack, "gateway", 8410, "edge", MACHINES)}
        for site, port in SITES.items():
            found[site] = watch(stack, f"gateway-{site}", port, f"edge-{site}", 1)
        found |= {"page": httpx.get("http://127.0.0.1:8420/en", timeout=20).status_code, "secrets": secrets(stack), "run": sorted(stack.running)}
    finally:
        codes = stack.down()
    sys.stdout.write(json.dumps(found | {"codes": codes}) + "\n")


if __name__ == "__main__":
    main()
