"""The compose file comes to life without containers: every service whose program is installed, by its exact command, and data arrives."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.servers import PROGRAM as VICTORIA
from tests.integration.compose_stack import ABSENT, SERVICES
from tests.integration.mqtt_plant import MOSQUITTO

ROOT = Path(__file__).parents[2]


def namespaces() -> list[str]:
    """The command that gives a process mounts and a network of its own; skips where the machine does not allow that."""
    words = ["unshare", "--mount", "--net", *([] if os.getuid() == 0 else ["--map-root-user"])]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine allows no namespaces of one's own")
    return words


@pytest.mark.long
def test_the_services_of_the_compose_file_run_and_see_data(tmp_path: Path) -> None:
    if MOSQUITTO is None or VICTORIA is None or shutil.which("mosquitto_sub") is None:
        pytest.skip("mosquitto, mosquitto-clients or victoria-metrics is not installed")
    (tmp_path / "stack").mkdir()
    done = subprocess.run(
        [*namespaces(), sys.executable, "-m", "tests.integration.compose_stack", str(tmp_path / "stack")], cwd=ROOT, capture_output=True, text=True,
        check=False, timeout=280,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    found = json.loads(done.stdout.splitlines()[-1])
    line, a, b = (found[name] for name in ("line", "a", "b"))
    assert line["engines"] == ["duckdb", "victoriametrics"] and len(line["machines"]) == 12 and line["rows"] > 0 and found["page"] == 200
    assert line["edges"] == {"analytics": "derived", "edge-1": "simulated"}
    # The profile cluster: each gateway has the edge that was assigned to it, its machines, and a log of its own.
    assert (a["edges"], b["edges"]) == ({"edge-a": "simulated"}, {"edge-b": "simulated"}) and a["rows"] > 0 and b["rows"] > 0
    assert a["machines"] and b["machines"] and not set(a["machines"]) & set(b["machines"])
    assert set(a["machines"]) | set(b["machines"]) == set(line["machines"]) and len({line["log"], a["log"], b["log"]}) == 3
    assert set(SERVICES) - set(found["run"]) == set(ABSENT)
    assert set(found["secrets"].values()) == {"0o600"}
    assert {name: code for name, code in found["codes"].items() if code not in (0, -15)} == {}
