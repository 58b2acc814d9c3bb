"""Bar of the faces: an OPC UA client that shares no code with our server's library finds, reads and subscribes to the machines, and may come in
only with the policies and users that the server offers."""

import asyncio
import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from simulators.settings import Equipment, Server, Settings
from tests.integration.test_simulators import free_port, running

HERE = Path(__file__).parent
POLICIES = ("None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")

pytestmark = pytest.mark.long


async def run(*command: str, folder: Path, seconds: float) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "HOME": str(folder)}
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with node-opcua installed from the registry."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(HERE / "node_opcua.package.json", folder / "package.json")
    shutil.copy(HERE / "node_opcua_client.js", folder)
    try:
        code, _, said = asyncio.run(run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", folder=folder, seconds=120))
    except TimeoutError:
        code, said = 1, "no answer within two minutes"
    if code:
        pytest.skip(f"node-opcua cannot be installed: {said.strip().splitlines()[-1] if said.strip() else code}")
    return folder


@pytest.fixture(scope="module")
def found(node_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the client found."""

    async def ask() -> Any:
        folder = tmp_path_factory.mktemp("cell")
        pki, port = folder / "pki", free_port()
        kinds = (("cnc-01", "machining_centre"), ("lathe-01", "lathe"))
        equipment = [Equipment(id, kind, 19000, period_ms=200, ideal_cycle_ms=700, stop_every_s=3.0) for id, kind in kinds]
        url = f"opc.tcp://127.0.0.1:{port}/chejian/"
        server = Server("cell", url, list(POLICIES), equipment, users={"operator": "user", "boss": "admin"}, pki=str(pki))
        pki.mkdir()
        for name in ("client", "stranger"):
            await setup_self_signed_certificate(
                pki / f"{name}.key.pem", pki / f"{name}.cert.der", f"urn:chejian:simulators:cell:{name}", socket.gethostname(),
                [ExtendedKeyUsageOID.CLIENT_AUTH], {},
            )
        async with running(Settings(5, server=[server]), folder / "truth"):
            code, out, err = await run("node", "node_opcua_client.js", url, str(pki), folder=node_folder, seconds=240)
        assert code == 0, err
        return json.loads(out.splitlines()[-1])

    return asyncio.run(ask())


def test_every_policy_and_user_comes_in_and_wrong_ones_do_not(found: Any) -> None:
    entry = found["entry"]
    cells = [("None", "None"), *((policy, mode) for policy in POLICIES[1:] for mode in ("Sign", "SignAndEncrypt"))]
    right = [f"{policy} {mode} {user}" for policy, mode in cells for user in ("anonymous", "user", "certificate")]
    assert {key: entry[key] for key in right} == dict.fromkeys(right, "ok")
    wrong = {key: said for key, said in entry.items() if key not in right}
    assert len(wrong) == 3 * len(cells) + 1
    assert {key: said for key, said in wrong.items() if said == "ok"} == {}
    assert all(said.startswith("Bad") for key, said in wrong.items() if key != "policy not offered"), wrong


@pytest.mark.parametrize("equipment", ["cnc-01", "lathe-01"])
def test_machine_tool_reads_by_standard_paths(found: Any, equipment: str) -> None:
    namespaces, machine = found["browsed"]["namespaces"], found["browsed"]["machines"][equipment]
    assert machine["type"] == f"ns={namespaces.index('http://opcfoundation.org/UA/MachineTool/')};i=13"
    assert machine["SerialNumber"] == f"SIM-{equipment.upper()}"
    assert machine["ProductInstanceUri"].endswith(machine["SerialNumber"].lower())
    assert machine["EURange"]["high"] == 200
    assert machine["OperationMode"] in range(6)
    assert machine["ItemState"] in range(4)
    machinery = namespaces.index("http://opcfoundation.org/UA/Machinery/")
    assert machine["ItemStateId"] in [f"ns={machinery};i={state}" for state in (5004, 5005, 5006, 5007)]
    assert machine["ProgramState"] in range(5)
    assert machine["Program"].startswith("O")
    assert (machine["Tools"], machine["Messages"]) == ("object", "object")


def test_subscription_and_condition_event(found: Any) -> None:
    browsed = found["browsed"]
    for machine in browsed["machines"].values():
        assert len(machine["Changes"]) == 3
        assert machine["Changes"][0] != machine["Changes"][1] != machine["Changes"][2]
    event = browsed["event"]
    assert event["EventType"] == f"ns={browsed['namespaces'].index('http://opcfoundation.org/UA/MachineTool/')};i=39"
    assert event["SourceName"] in browsed["machines"]
    assert (event["Severity"], event["Retain"], event["ActiveState.Id"]) == (700, True, True)
    assert event["ErrorCode"].isdigit()
