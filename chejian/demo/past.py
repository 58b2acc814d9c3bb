"""The past of the demo's machines: made by the simulators and imported behind the live line, by processes that give way to it."""

import shutil
import sys
import threading
from pathlib import Path

import msgspec

from chejian.demo.children import Children
from chejian.demo.plan import Plan
from workshop.errors import NotConnected
from workshop.register import Workshop
from workshop.window import Clock

EDGE = "history"
"""The enrolled edge of provenance *imported* that brings it."""
GAUGE_S = 60
CYCLE_FACTOR = 60
"""The demo's cycles are seconds, so that people see parts fall; a past of minutes is a sixtieth of the rows."""
MAX_AGE_S = 150
"""Two readings in a row may be late."""
REASON = "before the retrofit: parts of minutes, and every value told once a minute; the imported history was recorded under it"
MOST_ATTEMPTS = 20
_NICE = "15"


def log_past_register(plan: Plan, clock: Clock) -> None:
    """Makes the register of the past the first revision in the gateway's control log, before the gateway starts with the present one.

    Windows of the past are then judged by the ideal cycles and ages under which their readings were recorded.
    """
    from chejian.commands.files import read_register
    from gateway.keys import open_archive
    from gateway.settings import load_gateway

    settings = load_gateway(plan.file("gateway.toml"))
    past = past_register(read_register(plan.file("workshop.toml")))
    Path(settings.data).mkdir(mode=0o700, parents=True, exist_ok=True)
    archive = open_archive(settings, clock, past)
    try:
        archive.revise_register(past, author="operator", reason=REASON)
    finally:
        archive.close()


def past_register(present: Workshop) -> Workshop:
    """The same equipment with cycles as long as in the history, and values that stay known between two of its readings."""
    return msgspec.structs.replace(present, equipment=tuple(
        msgspec.structs.replace(
            item, ideal_cycle_ms=None if item.ideal_cycle_ms is None else CYCLE_FACTOR * item.ideal_cycle_ms,
            signals=tuple(msgspec.structs.replace(signal, max_age_s=max(signal.max_age_s, MAX_AGE_S)) for signal in item.signals))
        for item in present.equipment))


class Past(threading.Thread):
    """Writes the history, then imports it; a stop ends either, and an import goes on where it was when it is started again.

    Args:
        days: whole local days before today.
        end_us: now, µs UTC, by the demo's clock.
    """

    def __init__(self, plan: Plan, children: Children, *, days: int, end_us: int) -> None:
        super().__init__(name="past", daemon=True)
        self._plan, self._children, self._days, self._end_us = plan, children, days, end_us
        self._stopped = threading.Event()
        self.state = f"making the history of {days} days / 正在生成 {days} 天历史"

    @property
    def folder(self) -> Path:
        """Where the history lies, as `chejian simulate history` writes it."""
        return self._plan.folder / "history"

    def run(self) -> None:
        """Both steps, one after the other."""
        plan = self._plan
        made = self._step("simulate-history", [
            "simulate", "history", str(plan.file("simulators.toml")), "--days", str(self._days), "--seed", str(plan.seed), "--out", str(self.folder),
            "--gauge-s", str(GAUGE_S), "--cycle-factor", str(CYCLE_FACTOR), "--repeat-s", str(GAUGE_S), "--end-us", str(self._end_us)])
        if not made:
            return
        self.state = f"importing {self._days} days / 正在导入 {self._days} 天历史"
        if self._step("import", [
            "import", str(self.folder), "--register", str(plan.file("workshop.toml")), "--url", plan.gateway_url, "--edge", EDGE,
            "--data", str(plan.folder / EDGE)]):
            self.state = f"{self._days} days of history imported / 已导入 {self._days} 天历史"

    def stop(self, patience_s: float = 10) -> None:
        """Ends what is under way; the gateway has whole batches of it, or none."""
        self._stopped.set()
        for name in ("simulate-history", "import"):
            self._children.stop(name, patience_s=patience_s)
        if self.is_alive():
            self.join(patience_s)

    def _step(self, name: str, arguments: list[str]) -> bool:
        if self._stopped.is_set():
            return False
        for _ in range(MOST_ATTEMPTS):
            child = self._children.start(name, arguments, program=_giving_way())
            while child.running() and not self._stopped.is_set():
                self._stopped.wait(0.2)
            if self._stopped.is_set():
                self.state = "history left: the demo ended first / 演示先结束,历史未导入完"
                return False
            code = child.process.returncode if child.process is not None else None
            if code == 0:
                return True
            # The gateway was away, restarting: what it has of the import it keeps, and the import goes on behind it.
            if code != NotConnected.exit_code:
                break
            self._stopped.wait(1.0)
        self.state = f"no history: {child.name} ended: {child.last_words()} (log: {child.log})"
        return False


def _giving_way() -> list[str]:
    """`chejian` behind everything that is live."""
    nice = shutil.which("nice")
    return [*([nice, "-n", _NICE] if nice else []), sys.executable, "-m", "chejian"]
