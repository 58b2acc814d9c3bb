"""Promises 1 to 4 under kill -9: the demo's account still balances after edge and gateway were killed and restarted."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from chejian.demo.broker import find_mosquitto
from tests.line.account import check_account, imported_in
from tests.line.conftest import Run, run_demo

pytestmark = [
    pytest.mark.line,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed: amqtt keeps nothing for an edge that is restarted"),
]
MARGIN_US = 3_000_000


def kill(folder: Path, name: str) -> None:
    """kill -9 of one process of the demo; waits until the demo has put another in its place."""
    old = json.loads((folder / "pids.json").read_text())[name]
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while json.loads((folder / "pids.json").read_text())[name] == old:
        assert time.monotonic() < deadline, f"{name} was not restarted"
        time.sleep(0.05)


def disturbed(folder: Path, seconds: int, victims: list[str], seed: int) -> Run:
    rng = random.Random(seed)

    def disturb(run: Path, _: int) -> None:
        for victim in victims:
            time.sleep(rng.uniform(4, 8))
            kill(run, victim)

    return run_demo(folder, seconds, disturb, more=("--no-web", "--history-days", "2"))


def check(run: Run) -> None:
    about = json.loads((run.folder / "history" / "history.json").read_text())
    assert sum(part["rows"] for part in imported_in(run.folder)) == about["readings"], "the import did not go on after the kill"
    counts = check_account(run.folder)
    assert run.code == 0, run.output
    assert run.out["readings"] == counts


def test_edge_and_gateway_are_killed(tmp_path: Path) -> None:
    run = disturbed(tmp_path, 40, ["edge", "gateway"], 1)
    check(run)
    killed = [gap for gap in run.out["gaps"] if not gap["signal"].startswith("cnc-05/")]
    assert killed, "a killed edge leaves a gap at the OPC UA machines"
    # The outage of the other machines is the restart itself: the demo starts the edge again after 0.3 s.
    assert max(gap["to_us"] - gap["from_us"] for gap in killed) <= 300_000 + MARGIN_US


@pytest.mark.long
def test_ten_kills(tmp_path: Path) -> None:
    run = disturbed(tmp_path, 110, ["edge", "gateway"] * 5, 2)
    check(run)
