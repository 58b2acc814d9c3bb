"""The line of the demo: every process started in order, and stopped in the order in which nothing is lost."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from chejian.clock import ScaledClock
from chejian.demo.broker import AMQTT_NOTE, InProcessBroker, find_mosquitto, start_mosquitto
from chejian.demo.children import Children, wait_for
from chejian.demo.client import GatewayClient
from chejian.demo.ending import holds
from chejian.demo.past import EDGE as PAST_EDGE
from chejian.demo.past import Past, log_past_register
from chejian.demo.plan import Plan
from chejian.enrolment import enrol_folder
from simulators.settings import load_settings
from workshop.batch import Provenance
from workshop.errors import ConfigError, NotConnected

HALL, FAR, FLOOR = "cell", "cnc-05", "broker"  # the names of servers and broker set in simulators.toml
MAX_UNFINISHED_S = 20.0


class Line:
    """All processes of one demo.

    Args:
        broker: auto, mosquitto or amqtt.
        say: takes one line of progress for the person who watches.
        history_days: so many days of history are made and imported once the line runs.
    """

    def __init__(
        self, plan: Plan, clock: ScaledClock, *, language: str, broker: str, say: Callable[[str], None], history_days: int = 0,
    ) -> None:
        self.plan, self.clock, self.language, self.wanted_broker, self.say = plan, clock, language, broker, say
        self.children = Children(plan.folder)
        self.broker: InProcessBroker | None = None
        self.viewer: GatewayClient | None = None
        self.evaluator: GatewayClient | None = None
        self.viewer_token = ""
        self.window_from_us = 0
        self.past: Past | None = None
        self._history_days = history_days

    def start(self, *, web: bool) -> None:
        """Starts everything and returns when readings of every connected machine arrive.

        Raises:
            NotConnected: something did not come up; the message ends with its own last words.
        """
        plan, clock = self.plan, ("--clock", self.clock.option())
        program = find_mosquitto() if self.wanted_broker != "amqtt" else None
        if program is None and self.wanted_broker == "mosquitto":
            raise ConfigError("--broker mosquitto: it is not installed; install it (apt-get install mosquitto) or leave the option away")
        if self._history_days:
            log_past_register(plan, self.clock)
        gateway = self.children.start("gateway", ["gateway", "run", str(plan.file("gateway.toml")), *clock], restart=True)
        for name in (HALL, FAR):
            self._simulate(name)
        if program is not None:
            start_mosquitto(program, plan, self.children)
        else:
            self.say(AMQTT_NOTE)
            self.broker = InProcessBroker(plan.ports.broker, plan.folder)
            self.broker.start()
        admin = GatewayClient(plan.gateway_url)
        secret = plan.folder / "gateway" / "admin.token"
        wait_for("the gateway", lambda: secret.exists() and admin.ready(), gateway, patience_s=60)
        admin.close()
        self._enrol()
        if web:
            self.children.start("web", [
                "gateway", "web", "--url", plan.gateway_url, "--token-file", str(plan.folder / "viewer.token"), "--port", str(plan.ports.web), *clock,
                "--lang", self.language, "--window-from-us", str(self.clock())], restart=True)
        for name in (HALL, FAR):
            wait_for(f"simulator {name}", lambda name=name: self._simulator_ready(name), self.children.get(f"simulate-{name}"), patience_s=60)  # type: ignore[misc]
        edge = self.children.start("edge", ["edge", "run", str(plan.file("edge-1.toml")), *clock], restart=True)
        # Publishers start when the edge has subscribed: the truth of MQTT begins with the first message.
        wait_for("the edge", self._subscribed, edge, patience_s=60)
        self._simulate(FLOOR)
        folder = str(plan.folder / "analytics")
        # No watch: it would learn from the imported past, whose cycles are minutes, and take the live line's seconds for faults.
        self.children.start("analytics", [
            "analytics", "run", "--url", plan.gateway_url, "--data", folder, *clock, "--tick-s", "2", "--fit-s", "20", "--no-watch"], restart=True)
        wait_for("readings of every machine", self._everything_reads, edge, patience_s=60)
        self.window_from_us = self.clock()
        if self._history_days:
            self.past = Past(plan, self.children, days=self._history_days, end_us=self.window_from_us)
            self.past.start()

    def _simulate(self, name: str) -> None:
        plan = self.plan
        self.children.start(f"simulate-{name}", [
            "simulate", "run", str(plan.file("simulators.toml")), "--only", name, "--truth", str(plan.folder / "truth"),
            "--clock", self.clock.option(), "--seed", str(plan.seed)])

    def _simulator_ready(self, name: str) -> bool:
        return f"ready {name}" in self.children.get(f"simulate-{name}").log.read_text(errors="replace")

    def _enrol(self) -> None:
        plan = self.plan
        token = (plan.folder / "gateway" / "admin.token").read_text().strip()
        admin = GatewayClient(plan.gateway_url, token)
        edges = [("edge-1", Provenance.SIMULATED), ("analytics", Provenance.DERIVED)]
        if self._history_days:
            edges.append((PAST_EDGE, Provenance.IMPORTED))
        for edge, provenance in edges:
            enrol_folder(plan.gateway_url, admin.new_edge(edge, provenance), edge, plan.folder / edge)
        self.viewer_token = admin.new_token("viewer", "overview page")
        secret = plan.folder / "viewer.token"
        secret.touch(0o600)
        secret.write_text(self.viewer_token)
        self.viewer = GatewayClient(plan.gateway_url, self.viewer_token)
        self.evaluator = GatewayClient(plan.gateway_url, admin.new_token("evaluator", "demo evaluator"))
        (plan.folder / "trust.json").write_text(json.dumps(admin.get("/v1/trust"), ensure_ascii=False, indent=2))
        admin.close()

    def edge_status(self) -> dict[str, Any]:
        """The edge's own status file; empty before its first."""
        try:
            status: dict[str, Any] = json.loads((self.plan.folder / "edge-1" / "status.json").read_text())
        except (OSError, ValueError):
            return {}
        return status

    def edge_ready(self) -> list[str]:
        """Names of the edge's sources that are connected."""
        return list(self.edge_status().get("ready", []))

    def _subscribed(self) -> bool:
        sources = msgspec.toml.decode(self.plan.file("edge-1.toml").read_bytes())["source"]
        brokers = {source["name"] for source in sources if source["protocol"] == "mqtt"}
        return brokers <= set(self.edge_ready())

    def _everything_reads(self) -> bool:
        if self.viewer is None:
            return False
        try:
            live = self.viewer.get("/v1/latest")["readings"]
            register = self.viewer.get("/v1/workshop")
        except (NotConnected, ConfigError):
            return False
        heard = {reading["signal"].partition("/")[0] for reading in live if not reading["signal"].endswith("/link_state")}
        return {item["id"] for item in register["register"]["equipment"] if item["signals"]} <= heard

    def finish(self) -> int:
        """Stops the machines' offer, lets everything that is under way arrive, and stops edge and analytics.

        Returns:
            the end of the window, µs: when the machines stopped offering.
        """
        if self.past is not None:
            self.past.stop()
        self._await_the_link()
        # Simulators pause first: what they offered before is still published, and nothing new is offered.
        for name in (HALL, FAR, FLOOR):
            self.children.get(f"simulate-{name}").send(signal.SIGUSR1)
        end_us = self.clock()
        time.sleep(2.0)  # a publishing interval, a keep-alive and one commit of the edge, with room
        # The edge first: what it declares about machines that are silent now ends with it.
        for name in ("edge", "analytics"):
            self.children.stop(name, patience_s=MAX_UNFINISHED_S)
        for name in (HALL, FAR, FLOOR):
            self.children.stop(f"simulate-{name}", patience_s=5)
        return end_us

    def _await_the_link(self) -> None:
        """Waits for a time when the bad link is up and stays so; no longer than one of its periods."""
        link = next((server.link for server in load_settings(self.plan.file("simulators.toml")).server if server.name == FAR), None)
        deadline = time.monotonic() + (link.period_s if link is not None else 0.0)
        while not holds(link, self.plan.folder / "truth" / f"truth-{FAR}.jsonl", self.clock(), self.clock.speed) and time.monotonic() < deadline:
            time.sleep(0.1)

    def close(self) -> None:
        """Stops whatever is left."""
        for client in (self.viewer, self.evaluator):
            if client is not None:
                client.close()
        self.children.stop_all()
        if self.broker is not None:
            self.broker.stop()


def unique_folder(parent: Path, stamp: str) -> Path:
    """A new folder for one run."""
    for number in range(100):
        folder = parent / (f"demo-{stamp}" if number == 0 else f"demo-{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise ConfigError(f"{folder}: cannot be made ({error.strerror}); name another with --dir") from error
        return folder
    raise ConfigError(f"{parent}: too many runs there; remove some")
