"""node-opcua, for tests against a server that is not asyncua: installs it from the registry into a folder, and starts a script with it."""

import asyncio
import shutil
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.test_face_node_opcua import run
from tests.integration.test_simulators import free_port

HERE = Path(__file__).parent


async def install(folder: Path, script: str) -> None:
    """Puts this script and node-opcua into the folder; skips the test where there is no npm, or no registry."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    shutil.copy(HERE / "node_opcua_server.package.json", folder / "package.json")
    shutil.copy(HERE / script, folder)
    try:
        code, _, said = await run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", folder=folder, seconds=120)
    except TimeoutError:
        code, said = 1, "no answer within two minutes"
    if code:
        pytest.skip(f"node-opcua cannot be installed: {said.strip().splitlines()[-1] if said.strip() else code}")


@asynccontextmanager
async def serving(folder: Path, script: str) -> AsyncIterator[tuple[Process, int]]:
    """The script at work: its process, whose input and output are ours, and its port."""
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        "node", script, str(port), str(folder / "state"), cwd=folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, limit=2**24,
    )
    assert server.stdout is not None
    try:
        async with asyncio.timeout(90):
            while (line := await server.stdout.readline()).strip() != b"ready":
                assert line, "the server did not start"
        yield server, port
    finally:
        server.kill()
        await server.wait()
