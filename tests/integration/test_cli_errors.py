"""Wrong configuration gives one line that says what, where and what to do; exit 2 or 3; never a traceback."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from store.signing import SigningKey
from workshop.batch import Provenance
from workshop.wire import EnrolAnswer

ROOT = Path(__file__).parents[2]


def chejian(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chejian", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    complaint = [line for line in done.stderr.splitlines() if line.startswith("chejian: ")]
    assert len(complaint) == 1, done.stderr
    for word in words:
        assert word in complaint[0], complaint[0]


@pytest.fixture
def pilot(tmp_path: Path) -> Path:
    """A copy of the pilot's configuration to spoil."""
    return Path(shutil.copytree(ROOT / "config" / "demo", tmp_path / "pilot"))


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


@pytest.fixture
def dead_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def spoil(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, f"{file} has no {old!r}"
    file.write_text(text.replace(old, new, 1))


def test_unknown_key_in_the_register(pilot: Path) -> None:
    spoil(pilot / "workshop.toml", "digital = true", "digitall = true")
    refused(chejian("register", "check", str(pilot / "workshop.toml")), 2, "workshop.toml", "digitall")


def test_duplicate_equipment(pilot: Path) -> None:
    spoil(pilot / "workshop.toml", 'id = "cnc-02"', 'id = "cnc-01"')
    refused(chejian("register", "check", str(pilot / "workshop.toml")), 2, "cnc-01", "twice")


def test_no_such_file() -> None:
    refused(chejian("register", "check", "nowhere.toml"), 2, "nowhere.toml")


def test_unknown_source(pilot: Path) -> None:
    spoil(pilot / "edge-1.toml", 'protocol = "opcua"', 'protocol = "opcuaa"')
    refused(chejian("edge", "check", str(pilot / "edge-1.toml")), 2, "edge-1.toml", "opcuaa", "mqtt", "opcua")


def test_unknown_key_of_a_source(pilot: Path) -> None:
    spoil(pilot / "edge-1.toml", 'protocol = "opcua"', 'protocol = "opcua"\npublishing_intervall_ms = 5')
    refused(chejian("edge", "check", str(pilot / "edge-1.toml")), 2, "edge-1.toml", "publishing_intervall_ms")


def test_signal_without_a_register_entry(pilot: Path) -> None:
    spoil(pilot / "workshop.toml", 'name = "spindle_load"', 'name = "spindle_lode"')
    refused(chejian("edge", "check", str(pilot / "edge-1.toml")), 2, "spindle_load", "register")


def test_equipment_without_a_register_entry(pilot: Path) -> None:
    spoil(pilot / "edge-1.toml", '"robot-01"', '"robot-09"')
    refused(chejian("edge", "check", str(pilot / "edge-1.toml")), 2, "robot-09")


def test_gateway_port_in_use(pilot: Path, tmp_path: Path, taken_port: int) -> None:
    spoil(pilot / "gateway.toml", "port = 8410", f"port = {taken_port}")
    refused(chejian("gateway", "run", str(pilot / "gateway.toml"), cwd=tmp_path), 3, str(taken_port))


def test_simulator_port_in_use(pilot: Path, taken_port: int) -> None:
    spoil(pilot / "simulators.toml", "127.0.0.1:4840", f"127.0.0.1:{taken_port}")
    refused(chejian("simulate", "run", str(pilot / "simulators.toml"), "--only", "cell"), 3, str(taken_port))


def test_no_broker_for_the_simulators(pilot: Path, dead_port: int) -> None:
    spoil(pilot / "simulators.toml", "port = 1883", f"port = {dead_port}")
    refused(chejian("simulate", "run", str(pilot / "simulators.toml"), "--only", "broker"), 3, str(dead_port))


def test_no_broker_and_no_machine_for_the_edge(pilot: Path, dead_port: int) -> None:
    text = (pilot / "edge-1.toml").read_text().replace("4840", str(dead_port)).replace("4841", str(dead_port)).replace("1883", str(dead_port))
    (pilot / "edge-1.toml").write_text(text)
    refused(chejian("edge", "check", str(pilot / "edge-1.toml")), 3, str(dead_port))


def test_an_edge_that_is_not_enrolled(pilot: Path) -> None:
    refused(chejian("edge", "run", str(pilot / "edge-1.toml")), 2, "enrol")


def test_trust_file_that_is_none(pilot: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "trust.json").write_text("[]")
    refused(chejian("evidence", "verify", str(tmp_path / "bundle"), "--trust", str(tmp_path / "trust.json")), 2, "trust.json")


def test_another_provenance_than_the_enrolled_one(pilot: Path) -> None:
    data = pilot / "run" / "edge-1"
    data.mkdir(parents=True)
    SigningKey.create().save(data / "key.pem")
    (data / "enrolment.json").write_bytes(msgspec.json.encode(EnrolAnswer("edge-1", Provenance.PLANT, "token", "origin", "key")))
    refused(chejian("edge", "run", str(pilot / "edge-1.toml")), 2, "edge-1.toml", "'simulated'", "enrolled as 'plant'", 'write provenance = "plant"')
    assert not (data / "journal.sqlite").exists()
