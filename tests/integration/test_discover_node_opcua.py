"""discover against a server that is not asyncua, with the OPC Foundation's own node sets: discover, trust, accept, run; every policy and user."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.node_opcua import install, serving
from tests.integration.test_discover import accept, chejian, collect, plant

SCRIPT = "node_opcua_server.js"
POLICIES = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A running node-opcua server."""
    folder = tmp_path_factory.mktemp("node")
    await install(folder, SCRIPT)
    async with serving(folder, SCRIPT) as (_, port):
        yield f"opc.tcp://127.0.0.1:{port}/"


async def test_another_server_is_found_trusted_and_read(url: str, tmp_path: Path) -> None:
    folder = plant(tmp_path)
    code, _, said = await chejian("edge", "discover", url, "edge.toml", "--security", "Basic256Sha256", folder=folder)
    assert code == 2 and "chejian edge certificate" in said
    assert (await chejian("edge", "certificate", "edge.toml", "--request", folder=folder))[0] == 0
    code, _, said = await chejian("edge", "discover", url, "edge.toml", "--security", "Basic256Sha256", folder=folder)
    assert code == 2 and "BadCertificateUntrusted" in said and "'CN=node-opcua'" in said
    assert "CN=node-opcua" in (await chejian("edge", "trust", "edge.toml", folder=folder))[1]
    assert (await chejian("edge", "trust", "edge.toml", said.partition("SHA-256 ")[2][:16], folder=folder))[0] == 0
    await accept(folder, url, "--security", "Basic256Sha256")
    wanted = {
        "mill-09": {
            "item_state", "operation_mode", "program", "produced_count", "good_count", "scrap_count", "spindle_load", "feed_override", "active_power",
            "alarm",
        },
        "arm-09": {"operational_mode", "emergency_stop", "program", "active_power", "alarm", "produced_count"},
    }
    found = await collect(folder, wanted)
    again = await chejian("edge", "discover", url, "edge.toml", folder=folder)
    assert again[0] == 0 and "nothing new" in again[1], again
    assert {name: roles - set(found[name]) for name, roles in wanted.items()} == {"mill-09": set(), "arm-09": set()}
    assert (found["mill-09"]["item_state"], found["mill-09"]["spindle_load"], found["mill-09"]["feed_override"]) == (3, 42.5, 95.0)
    text = (folder / "edge.toml").read_text()
    (folder / "password").write_text("geheim")
    user = 'user = "operator"\npassword_file = "password"'
    for policy in POLICIES:
        for more in ("", user):
            secured = text.replace('security = "Basic256Sha256"', f'security = "{policy}"\n{more}')
            (folder / "edge.toml").write_text(secured)
            code, out, err = await chejian("edge", "check", "edge.toml", folder=folder)
            assert code == 0, (policy, more, out, err)
    (folder / "password").write_text("wrong")
    code, out, err = await chejian("edge", "check", "edge.toml", folder=folder)
    assert code == 3
    assert "BadIdentityTokenRejected" in out + err or "BadUserAccessDenied" in out + err
