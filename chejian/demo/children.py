"""Child processes of the demo: started, watched, restarted when they die, stopped in order."""

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from workshop.errors import NotConnected

RESTART_DELAY_S = 0.3
MOST_RESTARTS = 50


class Child:
    """One process with its log file.

    Args:
        restart: start it again when it ends by itself, as a service manager would; `kill -9` included.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, *, restart: bool) -> None:
        self.name, self.command, self.log, self.restart = name, list(command), log, restart
        self.restarts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.stopping = False

    def start(self) -> None:
        """Starts the process; its output goes to the end of the log file."""
        # setpriv (util-linux) becomes the program: if the demo itself is killed, the kernel tells the child to stop.
        keeper = shutil.which("setpriv")
        command = [keeper, "--pdeathsig", "TERM", *self.command] if keeper else self.command
        with self.log.open("ab") as log:
            # An own session: a Ctrl-C at the terminal reaches the demo alone, which then stops its children in the right order.
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

    def running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def given_up(self) -> bool:
        """Whether it has ended and will not be started again: by order, by its nature, or because its input is wrong (exit 2)."""
        code = self.process.poll() if self.process is not None else None
        return code is not None and (self.stopping or not self.restart or code == 2 or self.restarts >= MOST_RESTARTS)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal if the process lives."""
        if self.process is not None and self.running():
            self.process.send_signal(number)

    def last_words(self) -> str:
        """The last line of the log that says something, for messages."""
        try:
            lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        except OSError:
            return ""
        return lines[-1][-300:] if lines else ""


class Children:
    """All child processes of one demo; a thread restarts those that die."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._children: dict[str, Child] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="children", daemon=True)
        (folder / "logs").mkdir(parents=True, exist_ok=True)

    def start(self, name: str, arguments: Sequence[str], *, restart: bool = False, program: Sequence[str] | None = None) -> Child:
        """Starts `chejian ARGUMENTS…` (or another program) as the child of this name."""
        command = [*(program or [sys.executable, "-m", "chejian"]), *arguments]
        child = Child(name, command, self.folder / "logs" / f"{name}.log", restart=restart)
        with self._lock:
            child.start()
            self._children[name] = child
            self._write_pids()
        if not self._watcher.is_alive() and not self._closing.is_set():
            self._watcher.start()
        return child

    def get(self, name: str) -> Child:
        """The child of this name."""
        return self._children[name]

    def stop(self, name: str, *, patience_s: float) -> None:
        """SIGTERM, then after the patience SIGKILL. Does nothing for a child that was never started or has ended."""
        child = self._children.get(name)
        if child is None:
            return
        child.stopping = True
        with self._lock:  # a restart under way finishes first, so that the signal reaches the newest process
            child.send(signal.SIGTERM)
            process = child.process
        if process is None:
            return
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def stop_all(self, *, patience_s: float = 5) -> None:
        """Stops whatever still runs, newest first."""
        self._closing.set()
        for child in self._children.values():
            child.stopping = True
        for name in reversed(list(self._children)):
            self.stop(name, patience_s=patience_s)

    def _watch(self) -> None:
        while not self._closing.wait(0.05):
            for child in list(self._children.values()):
                if child.running() or child.given_up():
                    continue
                if self._closing.wait(RESTART_DELAY_S):
                    return
                with self._lock:
                    if not child.stopping:
                        child.restarts += 1
                        child.start()
                        self._write_pids()

    def _write_pids(self) -> None:
        pids = {name: child.process.pid for name, child in self._children.items() if child.process is not None}
        scratch = self.folder / "pids.json.new"
        scratch.write_bytes(msgspec.json.encode(pids))
        scratch.replace(self.folder / "pids.json")


def wait_for(what: str, ready: Callable[[], bool], child: Child | None, *, patience_s: float) -> None:
    """Waits until `ready()`; gives up when the patience or the child has ended.

    Raises:
        NotConnected: with the last words of the child's log.
    """
    deadline = time.monotonic() + patience_s
    while not ready():
        ended = child is not None and child.given_up()
        if ended or time.monotonic() > deadline:
            said = f": {child.last_words()} (log: {child.log})" if child is not None else ""
            raise NotConnected(f"{what} {'ended' if ended else f'was not ready within {patience_s:.0f} s'}{said}")
        time.sleep(0.05)
