"""The extras install what they need and nothing more: the edge on a small box, the evaluator's part alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.edge_memory import measure

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.long


def install(folder: Path, extra: str) -> Path:
    """A new virtual environment with one extra of this checkout; the path of its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    python = folder / "bin" / "python"
    source = ROOT if not extra else f"{ROOT}[{extra}]"
    subprocess.run([python, "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), str(source)], check=True, timeout=280)
    return python


def packages(python: Path) -> set[str]:
    done = subprocess.run([python, "-m", "pip", "list", "--format", "freeze"], check=True, capture_output=True, text=True, timeout=60)
    return {line.partition("==")[0].lower().replace("_", "-") for line in done.stdout.splitlines()}


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [python, "-m", "chejian", *arguments]
    return subprocess.run(command, cwd=python.parent, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_the_base_install_is_the_command_alone(tmp_path: Path) -> None:
    python = install(tmp_path / "base", "")
    assert not packages(python) & {"numpy", "asyncua", "duckdb", "fastapi", "scikit-learn", "nicegui"}
    assert run(python, "--help").returncode == 0
    missing = run(python, "evidence", "verify", str(ROOT))
    assert missing.returncode == 2
    assert "chejian[evidence]" in missing.stderr and "Traceback" not in missing.stderr


def test_the_edge_is_small(tmp_path: Path) -> None:
    python = install(tmp_path / "edge", "edge")
    assert not packages(python) & {"scikit-learn", "scipy", "duckdb", "pyarrow", "fastapi", "nicegui", "influxdb-client"}
    assert run(python, "edge", "--help").returncode == 0
    checked = run(python, "edge", "run", str(ROOT / "config" / "demo" / "edge-1.toml"))
    assert checked.returncode == 2 and "enrol" in checked.stderr, checked.stderr
    if shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        pytest.skip("mosquitto is not installed: the edge's memory is not measured")
    (tmp_path / "demo").mkdir()
    found = measure(tmp_path / "demo", seconds=15, python=str(python))
    assert found["sources"] == 3 and found["readings"] > 1000, found
    assert found["most_mb"] < 120, found


def test_an_evaluator_installs_evidence_alone(tmp_path: Path) -> None:
    python = install(tmp_path / "evidence", "evidence")
    assert not packages(python) & {"scikit-learn", "duckdb", "pyarrow", "fastapi", "nicegui", "asyncua", "paho-mqtt"}
    assert run(python, "policy", "list").returncode == 0
    (tmp_path / "no-bundle").mkdir()
    refused = run(python, "evidence", "verify", str(tmp_path / "no-bundle"))
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "(1)" in refused.stdout and "Traceback" not in refused.stderr
