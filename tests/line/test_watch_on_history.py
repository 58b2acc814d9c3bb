"""From a simulated past to figures: history, import, gateway, service, alerts on record, lead times as a replay against the simulators' truth."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from analytics.maintenance.watch.settings import WatchSettings
from chejian.service import ServiceSettings, run
from simulators.history import history
from simulators.settings import FaultPlan, Settings, load_settings
from store.signing import SigningKey
from tests.unit.analytics.running import PATIENCE_S, Running, until
from workshop.batch import Provenance
from workshop.window import HOUR_US

CONFIG = Path(__file__).parents[2] / "config" / "demo"
END_US = 1_767_571_200_000_000
DAY_US = 24 * HOUR_US
DAYS = 9


def chejian(*words: str | Path) -> str:
    done = subprocess.run([sys.executable, "-m", "chejian", *map(str, words)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def workshop() -> Settings:
    """A lathe whose bearing wears for three days, and a robot whose power sensor drifts for ten hours."""
    demo = load_settings(CONFIG / "simulators.toml")
    two = [item for block in demo.blocks() for item in block.equipment if item.id in {"lathe-01", "robot-01"}]
    faults = [FaultPlan("bearing_wear", "lathe-01", 5 * 86_400, 3 * 86_400, 1.5), FaultPlan("sensor_drift", "robot-01", 6 * 86_400, 36_000, 1.5)]
    return msgspec.structs.replace(demo, server=[msgspec.structs.replace(demo.server[0], equipment=two)], broker=[], fault=faults)


@pytest.mark.long
async def test_faults_of_a_simulated_past_are_told_and_nothing_else(tmp_path: Path) -> None:
    history(workshop(), days=DAYS, out=tmp_path / "h", end_us=END_US, seed=3, gauge_s=60.0, cycle_factor=60.0, faults_per_day=0.0, workers=1)
    gateway = Running(tmp_path, CONFIG / "workshop.toml", lambda: END_US + DAY_US)
    gateway.start()
    try:
        token = ("--url", gateway.url, "--admin-token", gateway.admin_token)
        await asyncio.to_thread(chejian, "import", tmp_path / "h", "--register", CONFIG / "workshop.toml", "--data", tmp_path / "import", *token)
        key = SigningKey.create()
        settings = ServiceSettings(gateway.url, gateway.enrol("analytics", Provenance.DERIVED, key), tmp_path / "analytics", tick_s=0.2,
                                   watch=WatchSettings(learn_us=3 * DAY_US))
        stop = asyncio.Event()
        task = asyncio.create_task(run(settings, key=key, clock=lambda: END_US + DAY_US, stop=stop))
        await until(lambda: len(gateway.get("/v1/predictions")) >= 2, "both faults on record")
        stop.set()
        await asyncio.wait_for(task, PATIENCE_S)
        end_us = END_US // DAY_US * DAY_US
        said = await asyncio.to_thread(
            chejian, "maintenance", "lead-times", "--url", gateway.url, "--token-file", gateway.admin_token, "--failures",
            tmp_path / "h" / "truth" / "faults.jsonl", "--replay", "--from", str(end_us - DAYS * DAY_US), "--to", str(end_us), "--json")
    finally:
        gateway.close()
    found = json.loads(said)
    assert (found["kinds"]["all"]["recall"], found["kinds"]["all"]["precision"]) == (1.0, 1.0)
    assert found["kinds"]["bearing_wear"]["median_lead_h"] > 24
    assert found["shown_before_by_witness"] == 0
