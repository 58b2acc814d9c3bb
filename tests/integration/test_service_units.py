"""deploy/systemd: the units are valid and shut in, and their commands run as written, with folders of a test in the place of the system's."""

import configparser
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.unit.gateway.plant import free_port

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
CHEJIAN = str(Path(sys.executable).with_name("chejian"))
LINE = ROOT / "config/demo"


def unit_of(name: str, instance: str = "") -> configparser.ConfigParser:
    """The unit with %i filled in; of a key that stands twice, the last."""
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((ROOT / "deploy/systemd" / name).read_text().replace("%i", instance))
    return unit


def analyze() -> str:
    """systemd-analyze, or a skip."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    return program


def test_there_is_a_unit_for_gateway_and_edge() -> None:
    assert [file.name for file in UNITS] == ["chejian-edge@.service", "chejian-gateway.service"]


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.name)
def test_a_unit_is_valid_and_leaves_little_open(file: Path, tmp_path: Path) -> None:
    program = analyze()
    # verify looks for the program itself; the one that is installed here takes its place.
    text = file.read_text().replace("/opt/chejian/bin/chejian", CHEJIAN).replace("Documentation=file:/opt/chejian", f"Documentation=file:{ROOT}")
    copy = tmp_path / file.name.replace("@.", "@edge-1.")
    copy.write_text(text)
    checked = subprocess.run([program, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False, timeout=60)
    assert (checked.returncode, [line for line in checked.stderr.splitlines() if copy.name in line]) == (0, []), checked.stderr
    # Of 0 (shut in) to 10 (open): 2.0 is what systemd calls OK.
    rated = subprocess.run(
        [program, "security", "--offline=yes", "--threshold=20", str(copy)], capture_output=True, text=True, check=False, timeout=60)
    assert rated.returncode == 0, rated.stdout[-3000:] + rated.stderr


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.name)
def test_a_unit_runs_as_nobody_special_and_says_what_it_may_write(file: Path) -> None:
    service = unit_of(file.name, "edge-1")["Service"]
    assert service["User"] == "chejian" and service["ProtectSystem"] == "strict" and service["CapabilityBoundingSet"] == ""
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}" and service["UMask"] == "0077"
    # Wrong input ends with 2 and is not tried again for ever.
    assert service["Restart"] == "on-failure" and service["RestartPreventExitStatus"] == "2"


class Service:
    """A unit's command as a local process, with /etc/chejian and /var/lib in a folder of the test."""

    def __init__(self, unit: configparser.ConfigParser, folder: Path) -> None:
        service = unit["Service"]
        words = [word.replace("/etc/chejian", str(folder / "etc")) for word in shlex.split(service["ExecStart"])]
        assert words[0] == "/opt/chejian/bin/chejian"
        self.state = folder / service["WorkingDirectory"].lstrip("/")
        self.state.mkdir(parents=True, exist_ok=True)
        environment = dict(word.partition("=")[::2] for word in shlex.split(service["Environment"]))
        self.log = folder / f"{service['StateDirectory']}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [CHEJIAN, *words[1:]], cwd=self.state, env={"PATH": "/usr/bin:/bin", **environment}, stdout=log, stderr=log, umask=0o077)
        self.patience_s = float(service["TimeoutStopSec"])

    def stop(self) -> int:
        """As systemd does it: SIGTERM, and no more patience than the unit gives."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(self.patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def lines(self) -> list[dict[str, object]]:
        """What it logged: every line is JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line]


def prepared(folder: Path) -> int:
    """The pilot's files under etc/, with a free port and without sources that are not there."""
    port = free_port()
    etc = folder / "etc"
    etc.mkdir()
    for name in ("workshop.toml", "claims.toml"):
        shutil.copyfile(LINE / name, etc / name)
    gateway = re.sub(r"(?m)^port = \d+", f"port = {port}", (LINE / "gateway.toml").read_text())
    (etc / "gateway.toml").write_text(re.sub(r'(?m)^data = "[^"]*"', 'data = "data"', gateway))
    edge = (LINE / "edge-1.toml").read_text().replace("127.0.0.1:8410", f"127.0.0.1:{port}")
    (etc / "edge-1.toml").write_text(re.sub(r'(?m)^data = "[^"]*"', f'data = "{folder}/var/lib/chejian-edge-1"', edge))
    return port


def test_the_commands_of_the_units_run_and_stop_as_written(tmp_path: Path) -> None:
    port = prepared(tmp_path)
    url = f"http://127.0.0.1:{port}"
    gateway = Service(unit_of("chejian-gateway.service"), tmp_path)
    edge = None
    try:
        until(lambda: answers(f"{url}/readyz"), gateway)
        token = (gateway.state / "data/admin.token").read_text().strip()
        assert (gateway.state / "data/admin.token").stat().st_mode & 0o777 == 0o600
        headers = {"Authorization": f"Bearer {token}"}
        invited = httpx.post(f"{url}/v1/edges", json={"edge": "edge-1", "provenance": "simulated"}, headers=headers, timeout=20).json()["token"]
        (tmp_path / "edge.token").write_text(invited)
        unit = unit_of("chejian-edge@.service", "edge-1")
        place = tmp_path / unit["Service"]["WorkingDirectory"].lstrip("/")
        place.mkdir(parents=True)
        enrolled = subprocess.run(
            [CHEJIAN, "edge", "enrol", str(tmp_path / "etc/edge-1.toml"), "--token-file", str(tmp_path / "edge.token")], cwd=place,
            capture_output=True, text=True, check=False, timeout=60)
        assert enrolled.returncode == 0, enrolled.stdout + enrolled.stderr
        edge = Service(unit, tmp_path)
        # No machine is there: what the edge says of its links is what arrives.
        until(lambda: httpx.get(f"{url}/v1/count", headers=headers, timeout=20).json()["rows"] > 0, edge)
    finally:
        codes = [one.stop() for one in (edge, gateway) if one is not None]
    assert codes == [0, 0]
    for service in (edge, gateway):
        assert service.lines() and all({"event", "level", "timestamp"} <= set(line) for line in service.lines())
    assert sorted(file.name for file in (tmp_path / "etc").iterdir()) == ["claims.toml", "edge-1.toml", "gateway.toml", "workshop.toml"]


def answers(url: str) -> bool:
    """Whether there is a 200."""
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def until(seen: Callable[[], bool], service: Service) -> None:
    """Polls, as long as the process lives."""
    deadline = time.monotonic() + 60
    while not seen():
        assert service.process.poll() is None and time.monotonic() < deadline, service.log.read_text()[-3000:]
        time.sleep(0.2)
