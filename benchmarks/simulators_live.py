"""`python -m benchmarks.simulators_live [--seconds 30]`: what the demo's machines cost while they run in real time, as a share of one core.

Everything as in the demo, and a main meter as thirteenth machine: OPC UA servers, a bad link, MQTT clients, truth on disk. The broker (mosquitto, or
amqtt where none is installed) and an OPC UA client that subscribes to every variable of the first server are processes of their own and not counted.
Aim: under 25 %. Exit code 1 if it is missed.
"""

import argparse
import asyncio
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from simulators.clock import Clock
from simulators.run import run
from simulators.settings import Broker, Equipment, Server, load_settings

CONFIG = Path(__file__).resolve().parents[1] / "config" / "demo" / "simulators.toml"
_AMQTT = """
import asyncio, sys
from amqtt.broker import Broker
async def main():
    await Broker({"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}},
                  "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}}).start()
    await asyncio.Event().wait()
asyncio.run(main())
"""
_CLIENT = """
import asyncio, sys
from asyncua import Client, ua
class Sink:
    def datachange_notification(self, node, value, data): pass
async def main():
    async with Client(sys.argv[1]) as client:
        folders = await client.nodes.objects.get_children()
        nodes = [node for folder in folders for node in await folder.get_variables() if folder.nodeid.NamespaceIndex and node.nodeid.NamespaceIndex]
        subscription = await client.create_subscription(200, Sink())
        await subscription.subscribe_data_change(nodes)
        print(len(nodes), flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def measure(seconds: float, broker_port: int, truth: Path) -> tuple[float, int, int]:
    """CPU seconds per second after all is up, the number of machines, and of variables that are subscribed to."""
    settings = load_settings(CONFIG)
    servers: list[Server] = [msgspec.structs.replace(block, url=f"opc.tcp://127.0.0.1:{free_port()}/chejian/") for block in settings.server]
    main_meter = Equipment(id="meter-01", kind="main_meter", rated_power_w=250_000)
    servers[0] = msgspec.structs.replace(servers[0], equipment=[*servers[0].equipment, main_meter])
    brokers: list[Broker] = [msgspec.structs.replace(block, port=broker_port) for block in settings.broker]
    settings = msgspec.structs.replace(settings, server=servers, broker=brokers)
    stop, up = asyncio.Event(), []
    running = asyncio.create_task(run(settings, clock=Clock(), truth_dir=truth, ready=up.append, stop=stop, pause=asyncio.Event()))
    while len(up) < len(settings.blocks()) and not running.done():  # noqa: ASYNC110 – the run tells a function, not an event
        await asyncio.sleep(0.1)
    # The second server has the bad link: a client of it would be cut off.
    client = await asyncio.create_subprocess_exec(sys.executable, "-c", _CLIENT, servers[0].url, stdout=asyncio.subprocess.PIPE)
    assert client.stdout is not None
    variables = int(await client.stdout.readline() or b"0")
    before, start_s = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await asyncio.sleep(0.0 if running.done() else seconds)
    after, took_s = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - start_s
    client.terminate()
    await client.wait()
    stop.set()
    await running
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used_s / took_s, sum(len(block.equipment) for block in settings.blocks()), variables


def main() -> int:
    """Run it once and print one line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    port = free_port()
    mosquitto = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    command = [mosquitto, "-p", str(port)] if mosquitto else [sys.executable, "-c", _AMQTT, str(port)]
    broker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10.0
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
                break
            except OSError:
                time.sleep(0.1)
        with tempfile.TemporaryDirectory() as folder:
            share, machines, variables = asyncio.run(measure(arguments.seconds, port, Path(folder)))
    finally:
        broker.terminate()
        broker.wait(10)
    print(f"{machines} machines live for {arguments.seconds:.0f} s, {variables} variables subscribed: {share:.1%} of one core")
    return 0 if share < 0.25 and variables else 1


if __name__ == "__main__":
    sys.exit(main())
