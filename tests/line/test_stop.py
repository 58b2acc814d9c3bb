"""Ctrl-C ends the demo in order, and the demo without mosquitto says what its broker does not promise."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.line.account import check_account
from tests.line.conftest import run_demo

pytestmark = pytest.mark.line


def test_ctrl_c_loses_nothing(tmp_path: Path) -> None:
    def interrupt(folder: Path, demo: int) -> None:
        time.sleep(15)
        os.kill(demo, signal.SIGINT)

    run = run_demo(tmp_path, None, interrupt)
    counts = check_account(run.folder)
    assert run.code == 0, run.output
    assert run.out["readings"] == counts
    assert counts["emitted"] > 1_000
    assert "the evidence holds" in run.output


@pytest.mark.long
def test_amqtt_carries_an_undisturbed_demo(tmp_path: Path) -> None:
    run = run_demo(tmp_path, 20, more=["--no-web", "--broker", "amqtt", "--history-days", "0"])
    counts = check_account(run.folder)
    assert run.code == 0, run.output
    assert run.out["readings"] == counts
    assert "not at-least-once" in run.output


@pytest.mark.long
def test_a_faster_clock(tmp_path: Path) -> None:
    run = run_demo(tmp_path, 20, more=["--no-web", "--speed", "3", "--seed", "7", "--history-days", "2"])
    counts = check_account(run.folder)
    assert run.code == 0, run.output
    assert run.out["readings"] == counts
