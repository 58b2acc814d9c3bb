"""Bar of the evidence: a gateway restored from an hour-old backup in the middle of a run, judged by the bundle that comes out of it.

Gateway and edge are processes; their clock runs fast, so that an hour is six seconds.
"""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chejian.clock import ScaledClock, demo_clock
from chejian.demo.client import GatewayClient
from chejian.enrolment import enrol_folder
from evidence.trust import TrustFile, parse_trust, pin
from evidence.verdict import Outcome, Verdict
from evidence.verify import Verification, verify
from store.log import split_leaf
from tests.unit.gateway.plant import REGISTER, Process, admin_of, until
from workshop.batch import Provenance
from workshop.canonical import canonical_json
from workshop.errors import VerificationError
from workshop.window import HOUR_US, SECOND_US

SPEED = 600.0
EVERYTHING, NOTHING = 256 * 2**20, 1
SCRAP = '  { name = "scrap", role = "scrap_count", kind = "counter", unit = "{part}" },\n'
CLAIM = {"id": "defects", "title_zh": "不良品率", "title_en": "Defect rate", "indicator": "defect_rate", "at_most": "0.03"}


class Run:
    """A gateway and an edge at work, from some time before a window on."""

    def __init__(self, folder: Path, retention_bytes: int) -> None:
        self.folder, self.clock = folder, demo_clock(SPEED)
        clock: ScaledClock = self.clock
        register = REGISTER.replace('  { name = "count"', SCRAP + '  { name = "count"')
        self.gateway = Process(folder, ("--clock", clock.option()), register_text=register)
        (folder / "claims.toml").write_text("[[claims]]\n" + "".join(f'{key} = "{value}"\n' for key, value in CLAIM.items()))
        self.gateway.start()
        self.client = GatewayClient(self.gateway.url, admin_of(folder))
        enrol_folder(self.gateway.url, self.client.new_edge("edge-1", Provenance.SIMULATED), "edge-1", folder / "edge")
        self.trust: TrustFile = parse_trust(json.dumps(self.client.get("/v1/trust") | {"checkpoints": []}), "trust")
        self.edge = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.edge_process", self.gateway.url, str(folder / "edge"), clock.option(), str(retention_bytes)])
        self.start_us = until(self._heard_us, "the first reading") + 60 * SECOND_US + 1

    def wait(self, us: int) -> None:
        """Lets so much time pass, and waits until the gateway has what was read by then."""
        until_us = self.clock() + us
        until(lambda: self.clock() >= until_us and self._heard_us() >= until_us, "the edge has delivered")

    def _heard_us(self) -> int:
        rows = [row["source_time_us"] for row in self.client.get("/v1/latest")["readings"] if row["signal"] == "m-1/good"]
        time.sleep(0.02)
        return max(rows, default=0)

    def command(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "chejian", "gateway", *words, "--config", str(self.folder / "gateway.toml")], capture_output=True, text=True,
            timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def fall_back(self, *, declared: bool) -> None:
        """The gateway's disk is lost. The backup is restored as a new generation, or put in place in silence."""
        self.gateway.end(signal.SIGKILL)
        shutil.rmtree(self.folder / "data")
        if declared:
            options = []
            for log, note in self.checkpoints.items():
                (self.folder / f"{log}.note").write_text(note)
                options += ["--last-checkpoint", str(self.folder / f"{log}.note")]
            self.command("restore", str(self.folder / "backup"), *options)
        else:
            shutil.copytree(self.folder / "backup", self.folder / "data")
            (self.folder / "data/manifest.json").unlink()
        self.gateway.start()

    def through_a_restore(self, *, declared: bool) -> None:
        """Half an hour, a backup, an hour, the restore, half an hour; the edge ends when all is delivered."""
        self.wait(HOUR_US // 2)
        self.command("backup", str(self.folder / "backup"))
        self.backup_us = self.clock()
        self.wait(HOUR_US)
        self.checkpoints: dict[str, str] = self.client.get("/v1/checkpoint")
        self.fall_back(declared=declared)
        self.wait(HOUR_US // 2)
        self.edge.send_signal(signal.SIGTERM)
        assert self.edge.wait(60) == 0
        # The window ends with the last reading, however far a busy machine lets the edge fall behind its clock.
        self.end_us = until(self._heard_us, "the last reading") + 1

    def verified(self) -> Verification:
        """The bundle, and what it comes to for somebody who had pinned the checkpoints from before the loss."""
        window = {"from_us": self.start_us, "to_us": self.end_us}
        self.client.download("/v1/bundles", window, self.folder / "bundle.zip")
        live: list[dict[str, Any]] = self.client.get("/v1/verdicts", **window)
        found = verify(self.folder / "bundle.zip", pin(self.trust, self.checkpoints.values()))
        assert found.ok and found.predicate is not None
        assert canonical_json(live) == canonical_json(found.predicate.verdicts), "the gateway says what the bundle says"
        return found

    def close(self) -> None:
        """Ends whatever is left."""
        if self.edge.poll() is None:
            self.edge.kill()
        self.edge.wait(30)
        self.client.close()
        self.gateway.close()


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Run]:
    made = Run(tmp_path, request.param)
    yield made
    made.close()


def verdict(found: Verification) -> Verdict:
    return next(item for item in found.verdicts if item.claim == "defects")


@pytest.mark.long
@pytest.mark.parametrize("run", [EVERYTHING], indirect=True)
def test_after_everything_was_sent_again_verification_passes_and_nothing_is_lost(run: Run) -> None:
    run.through_a_restore(declared=True)
    found = run.verified()
    assert "generation 2: restored from a backup" in found.steps[3].text
    assert "that a pinned checkpoint has seen lay beyond a restore" in found.steps[4].text
    assert "lost in a restore" not in found.steps[5].text
    said = verdict(found)
    assert said.outcome is Outcome.CONFIRMED and "lost" not in said.reason
    assert said.counts["inspected"] == 2 * (run.end_us // SECOND_US - run.start_us // SECOND_US)


@pytest.mark.long
@pytest.mark.parametrize("run", [NOTHING], indirect=True)
def test_what_the_edge_no_longer_kept_is_listed_and_counts_as_missing(run: Run) -> None:
    run.through_a_restore(declared=True)
    found = run.verified()
    [entry] = run.client.get("/v1/entries", kind="gap")
    body = json.loads(split_leaf(bytes.fromhex(entry["leaf"]))[1])["body"]
    assert f"lost in a restore, as the edge states: batches {body['from_seq']} to {body['to_seq']} of edge-1" in found.steps[5].text
    assert 0.9 * HOUR_US < body["sealed_before_us"] - body["sealed_after_us"] < 2 * HOUR_US
    said = verdict(found)
    assert said.outcome is Outcome.UNDETERMINED and f"a restore of the gateway lost batches {body['from_seq']} to {body['to_seq']}" in said.reason
    assert said.coverage is not None and said.coverage < 1
    [gap] = run.client.get("/v1/gaps")
    assert (gap["edge"], gap["from_us"], gap["to_us"], gap["reason"]) == ("edge-1", body["sealed_after_us"], body["sealed_before_us"], "restore")
    assert "m-1/good" in gap["signals"] and "m-2/scrap" in gap["signals"]


@pytest.mark.long
@pytest.mark.parametrize("run", [EVERYTHING], indirect=True)
def test_a_restore_that_is_hidden_is_refused(run: Run) -> None:
    run.through_a_restore(declared=False)
    run.client.download("/v1/bundles", {"from_us": run.start_us, "to_us": run.end_us}, run.folder / "bundle.zip")
    assert verify(run.folder / "bundle.zip", run.trust).ok, "nobody who has kept no checkpoint can know"
    with pytest.raises(VerificationError) as refused:
        verify(run.folder / "bundle.zip", pin(run.trust, [run.checkpoints["data"]]))
    assert refused.value.step == 5
    older = msgspec.structs.replace(run.trust, checkpoints=(json.loads((run.folder / "backup/manifest.json").read_text())["checkpoints"][0],))
    assert verify(run.folder / "bundle.zip", older).ok, "a checkpoint from before the backup lies on both histories"
