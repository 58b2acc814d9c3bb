"""The demo's MQTT broker: mosquitto where it is installed, else amqtt in this process."""

import asyncio
import os
import shutil
import socket
import threading
from pathlib import Path

from chejian.demo.children import Children, wait_for
from chejian.demo.plan import Plan
from workshop.errors import NotConnected

AMQTT_NOTE = (
    "no mosquitto found: using amqtt in this process, which does not keep messages for an edge that is restarted (not at-least-once); "
    "install mosquitto for that"
)


def find_mosquitto() -> str | None:
    """The mosquitto program, or None; Debian keeps it where an ordinary user's PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


def answers(port: int) -> bool:
    """Whether somebody listens on this loopback port."""
    with socket.socket() as sock:
        sock.settimeout(0.5)
        return sock.connect_ex(("127.0.0.1", port)) == 0


def start_mosquitto(program: str, plan: Plan, children: Children) -> None:
    """Starts mosquitto on loopback with a queue for the edge that has no end, and waits until it listens."""
    folder = plan.folder / "broker"
    folder.mkdir(exist_ok=True)
    config = plan.file("mosquitto.conf")
    # Anonymous on loopback only: a demo on one machine. deploy/mosquitto has the configuration for more than one.
    config.write_text(
        f"listener {plan.ports.broker} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
        "max_queued_messages 0\nmax_queued_bytes 268435456\nmax_inflight_messages 200\n"
    )
    # Started as root, mosquitto would become its own user: it could not write in our folder, and the kernel would forget to stop it with us.
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        with config.open("a") as file:
            file.write("user root\n")
    child = children.start("broker", ["-c", str(config)], program=[program])
    wait_for("mosquitto", lambda: answers(plan.ports.broker), child, patience_s=15)


class InProcessBroker:
    """amqtt in a thread of this process; its queue does not outlive a restart of the edge."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port, self.folder = port, folder
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._failed: str | None = None
        self._thread = threading.Thread(target=self._run, name="amqtt", daemon=True)

    def start(self) -> None:
        """Starts the broker and waits until it listens."""
        self._thread.start()
        wait_for("amqtt", lambda: answers(self.port) or self._failed is not None, None, patience_s=15)
        if self._failed:
            raise NotConnected(f"amqtt on port {self.port}: {self._failed}")

    def stop(self) -> None:
        """Stops the broker."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(5)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._failed = str(error)

    async def _serve(self) -> None:
        from amqtt.broker import Broker

        settings = {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        broker = Broker(settings)
        await broker.start()
        await self._stop.wait()
        await broker.shutdown()
