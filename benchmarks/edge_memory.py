"""Memory of an edge that reads the demo's machines: OPC UA and MQTT, as a process of its own, sealing and trying to deliver.

    python -m benchmarks.edge_memory [--seconds 60] [--python PATH] [--secure]

The simulators of config/demo and mosquitto are processes of their own. `--python` is the interpreter of another environment, such as one in which
only the extra `edge` is installed. `--secure` reads the OPC UA servers by Basic256Sha256. There is no gateway: the journal fills.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from store.signing import SigningKey, encode_signature
from workshop.batch import Provenance
from workshop.wire import EnrolAnswer

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "config" / "demo"


def measure(folder: Path, *, seconds: float, python: str = sys.executable, secure: bool = False) -> dict[str, Any]:
    """Runs simulators, broker and edge in this folder; resident memory in MB by the kernel's account, at the end and at most, and readings."""
    ports = [_free_port() for _ in range(3)]
    old = ("4840", "4841", "1883")
    for name in ("simulators.toml", "edge-1.toml", "workshop.toml"):
        text = (DEMO / name).read_text()
        for before, after in zip(old, ports, strict=True):
            text = text.replace(f":{before}/", f":{after}/").replace(f"port = {before}", f"port = {after}")
        if secure and name != "workshop.toml":
            text = text.replace('security = "None"', 'security = ["Basic256Sha256"]' if name == "simulators.toml" else 'security = "Basic256Sha256"')
        if secure and name == "simulators.toml":
            for server in ("cell", "cnc-05"):
                text = text.replace(f'name = "{server}"\nurl', f'name = "{server}"\npki = "pki-{server}"\nurl')
        (folder / name).write_text(text)
    data = folder / "run" / "edge-1"
    _enrol(data)
    elsewhere = {**os.environ, "PYTHONPATH": str(ROOT)}
    with contextlib.ExitStack() as stack:
        stack.enter_context(_broker(folder, ports[2]))
        stack.enter_context(_process([sys.executable, "-m", "simulators", "simulators.toml", "--truth", "truth"], folder, elsewhere))
        for port in ports:
            _wait(lambda port=port: _listens(port), "a simulator")
        if secure:
            for server in ("cell", "cnc-05"):
                (data / "pki" / "trusted").mkdir(parents=True, exist_ok=True)
                shutil.copy(folder / f"pki-{server}" / "server.cert.der", data / "pki" / "trusted" / f"{server}.der")
            subprocess.run([sys.executable, "-m", "chejian", "edge", "certificate", "edge-1.toml"], cwd=folder, env=elsewhere, check=True)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} if python != sys.executable else elsewhere
        edge = stack.enter_context(_process([python, "-m", "chejian", "edge", "run", "edge-1.toml"], folder, environment))
        _wait(lambda: len(_status(data).get("ready", [])) == 3, "the edge's sources", edge)
        first = _memory(edge.pid)
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at and edge.poll() is None:
            time.sleep(0.5)
        last, status = _memory(edge.pid), _status(data)
    readings = sum(source["readings"] for source in status["sources"].values())
    return {"connected_mb": first["VmRSS"], "end_mb": last["VmRSS"], "most_mb": last["VmHWM"], "readings": readings, "sources": len(status["ready"])}


def _enrol(data: Path) -> None:
    """An enrolment that no gateway has made: what is measured does not depend on one."""
    data.mkdir(parents=True)
    SigningKey.create().save(data / "key.pem")
    answer = EnrolAnswer("edge-1", Provenance.SIMULATED, "token", "demo", encode_signature(bytes(32)))
    (data / "enrolment.json").write_bytes(msgspec.json.encode(answer))


@contextlib.contextmanager
def _broker(folder: Path, port: int) -> Iterator[None]:
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("mosquitto is not installed")
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
    with _process([program, "-c", "mosquitto.conf"], folder, dict(os.environ)):
        _wait(lambda: _listens(port), "mosquitto")
        yield


@contextlib.contextmanager
def _process(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / f"{Path(command[0]).name}-{len(list(folder.glob('*.log')))}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(condition: Any, what: str, process: "subprocess.Popen[bytes] | None" = None, patience_s: float = 90.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise SystemExit(f"not there after {patience_s:.0f} s, or ended: {what}")
        time.sleep(0.1)


def _status(data: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((data / "status.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def _memory(pid: int) -> dict[str, float]:
    """VmRSS and VmHWM of a process, MB (10^6 bytes)."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return {name: int(lines[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM")}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--secure", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), seconds=arguments.seconds, python=arguments.python, secure=arguments.secure)
    print(f"{found['readings']} readings from {found['sources']} sources")
    after = f"{found['end_mb']:.0f} MB after {arguments.seconds:.0f} s; at most {found['most_mb']:.0f} MB"
    print(f"resident: {found['connected_mb']:.0f} MB when connected, {after}")


if __name__ == "__main__":
    main()
