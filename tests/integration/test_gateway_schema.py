"""The API against its own OpenAPI document, by schemathesis with all its checks: no 5xx, nothing undocumented, no way in without a token."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.gateway.plant import Sender, admin_of, gateway_in_thread, ramp, until

TABLE = '{ map = [{ measurement = "m", field = "v", signal = "m-1/gauge" }] }'
PROGRAM = Path(sys.executable).with_name("schemathesis")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway_in_thread(folder, line_protocol=TABLE, failed_logins=10**9) as url, httpx.Client(base_url=url) as client:
        sender = Sender()
        sender.enrol(client, admin_of(folder))
        sender.post(client, sender.seal(ramp("m-1/gauge", 0, 100)))
        until(lambda: client.get("/readyz").json()["indexed_batches"] == 1, "indexed")
        yield url, admin_of(folder)
        assert "chejian_errors_total 0.0" in client.get("/metrics").text


def check(gateway: tuple[str, str], folder: Path, *options: str) -> None:
    """Runs schemathesis as the administrator; /v1/live is left out, because its answer has no end."""
    if not PROGRAM.exists():
        pytest.skip("schemathesis is not installed")
    url, token = gateway
    command = [
        str(PROGRAM), "--config-file", str(Path(__file__).with_name("schemathesis.toml")), "run", f"{url}/openapi.json",
        "--header", f"Authorization: Bearer {token}", "--checks", "all", "--exclude-path", "/v1/live", "--no-color", "--seed", "1",
        "--generation-database", "none", *options,
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_the_edges_of_every_parameter(gateway: tuple[str, str], tmp_path: Path) -> None:
    check(gateway, tmp_path, "--phases", "coverage")


@pytest.mark.long
def test_generated_calls_and_chains_of_them(gateway: tuple[str, str], tmp_path: Path) -> None:
    check(gateway, tmp_path, "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "60")
