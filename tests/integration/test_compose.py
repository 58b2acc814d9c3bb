"""The compose file comes to life without containers: every service whose program is installed, by its exact command, and data arrives."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.servers import PROGRAM as VICTORIA
from tests.integration.test_edge_mqtt import MOSQUITTO

ROOT = Path(__file__).parents[2]


def namespaces() -> list[str]:
    """The command that gives a process mounts and a network of its own; skips where the machine does not allow that."""
    words = ["unshare", "--mount", "--net", *([] if os.getuid() == 0 else ["--map-root-user"])]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine allows no namespaces of one's own")
    return words


@pytest.mark.long
def test_the_services_of_the_compose_file_run_and_see_data(tmp_path: Path) -> None:
    if MOSQUITTO is None or VICTORIA is None:
        pytest.skip("mosquitto or victoria-metrics is not installed")
    (tmp_path / "stack").mkdir()
    done = subprocess.run(
        [*namespaces(), sys.executable, "-m", "tests.integration.compose_stack", str(tmp_path / "stack")], cwd=ROOT, capture_output=True, text=True,
        check=False, timeout=280,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["engines"] == ["duckdb", "victoriametrics"] and found["machines"] == 12 and found["rows"] > 0 and found["page"] == 200
    assert found["edges"] == {"analytics": "derived", "edge-1": "simulated"}
    assert {name: code for name, code in found["codes"].items() if code not in (0, -15)} == {}
