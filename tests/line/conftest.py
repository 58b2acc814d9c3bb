"""One run of the whole line for many tests, and an account of it that shares no code with the demo's own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def chejian(*arguments: str, timeout: float = 240, **more: Any) -> subprocess.CompletedProcess[str]:
    """Runs the command as a user would."""
    command = [sys.executable, "-m", "chejian", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False, **more)


class Run:
    """A finished demo."""

    def __init__(self, folder: Path, out: dict[str, Any], output: str, code: int) -> None:
        self.folder, self.out, self.output, self.code = folder, out, output, code

    @property
    def bundle(self) -> Path:
        return Path(self.out["bundle"])

    @property
    def trust(self) -> Path:
        return Path(self.out["trust"])

    def indicator(self, name: str) -> dict[str, Any]:
        return next(item for item in self.out["indicators"] if item["id"] == name)

    def verdict(self, claim: str) -> dict[str, Any]:
        return next(item for item in self.out["verdicts"] if item["claim"] == claim)


def run_demo(folder: Path, seconds: int | None, disturb: Callable[[Path, int], None] | None = None, more: Sequence[str] = ("--no-web",)) -> Run:
    """Runs `chejian demo` to its end; `disturb` gets the run's folder and the demo's process id once the line runs.

    Args:
        seconds: None: no end of its own; the disturbance has to stop it.
    """
    out = folder / "out.json"
    command = [sys.executable, "-m", "chejian", "demo", *more, "--json", str(out), "--dir", str(folder)]
    if seconds is not None:
        command += ["--seconds", str(seconds)]
    with (folder / "demo.log").open("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "COLUMNS": "200"})
        try:
            if disturb is not None:
                disturb(_running(folder, process), process.pid)
            code = process.wait((seconds or 0) + 180)
        finally:
            if process.poll() is None:  # the disturbance failed: end the demo in order, so that its processes end too
                process.terminate()
                process.wait(60)
        log.seek(0)
        output = log.read()
    run = next(folder.glob("demo-*"), folder)
    assert out.exists(), f"the demo ended with {code} and wrote no figures:\n{output}"
    return Run(run, json.loads(out.read_text()), output, code)


def _running(folder: Path, process: subprocess.Popen[bytes]) -> Path:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if "run folder" in (folder / "demo.log").read_text():
            return next(folder.glob("demo-*"))
        time.sleep(0.1)
    raise AssertionError((folder / "demo.log").read_text())


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One undisturbed demo of a minute, as the README runs it unattended."""
    yield run_demo(tmp_path_factory.mktemp("plain"), 60)
