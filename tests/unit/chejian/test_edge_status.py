"""`chejian edge status`: what is shown of a status file, and what is said when there is none; the token that is read again."""

import json
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from chejian.clock import system_clock_state
from chejian.commands.edge_status import lines
from chejian.enrolment import ANSWER, TokenFile
from edge.liveness import EquipmentLife, SignalLife, Silence
from edge.mqtt_topics import Unmatched
from edge.rates import RateMeter, Rates
from edge.status import EdgeStatus, SourceStatus, UplinkState, write_status
from store.journal import JournalStatus
from workshop.batch import Provenance
from workshop.wire import EnrolAnswer

ROOT = Path(__file__).parents[3]
JOURNAL = JournalStatus(
    1, 12, 9, 250, 3, 5 * 2**20, 4, 1, pending_bytes=200_000, oldest_us=1_000_000, max_bytes=2**32, free_bytes=10 * 2**30, dropped_rows=7,
    stored_rows=500, acknowledged_rows=200, commits=5,
)


def status_of(time_us: int) -> EdgeStatus:
    return EdgeStatus(
        77, "edge-1", time_us, ["cell"],
        {"cell": SourceStatus(True, readings=500), "far": SourceStatus(error="port closed", problems={"a/b": "gone"})},
        {"cnc-01": True}, JOURNAL, UplinkState("waiting", "503 busy", 4, 2), 0, 1, 0, 0, "disk full", rates=Rates(20_000.4, 200_000.0, 5.0, 2**20),
        clock_offset_us=-250_000, clock_round_us=4000,
    )


def test_depth_age_rates_gaps_and_clock_are_shown() -> None:
    shown = dict(lines(status_of(91_000_000)))
    text = json.dumps(shown, ensure_ascii=False)
    for said in (
        "3 batches, 195.3 KiB, and 250 readings", "90 s", "stored 20000/s, delivered 200000/s, 1.0 MiB/s, 5.0 commits/s",
        "4 declared", "7 readings dropped",
        "250 ms behind the gateway's (± 2 ms)", "waiting: 503 busy; batch 9 of 12", "port closed; 0 readings; 1 signals give nothing", "disk full",
        "5.0 MiB of 4.0 GiB; 10.0 GiB free",
    ):
        assert said in text


def test_who_is_silent_and_why_is_shown() -> None:
    fresh, old = SignalLife(90_000_000), SignalLife(60_000_000, Silence.NO_CHANGE)
    status = status_of(91_000_000)
    status.equipment = {
        "cnc-01": EquipmentLife(True, 90_000_000, True, {"load": fresh, "program": old}),
        "cnc-02": EquipmentLife(False, 60_000_000, False, {"load": SignalLife(60_000_000, Silence.PLANNED)}),
        "cnc-03": EquipmentLife(False, 0, None, {"load": SignalLife(0, Silence.NO_LINK)}),
    }
    shown = dict(lines(status))
    assert shown["cnc-01 设备"] == "link up 在线; seen 1 s ago; 1 of 2 signals fresh; no change: program"
    assert shown["cnc-02 设备"] == "planned stop 计划停机; seen 31 s ago; 0 of 1 signals fresh; planned stop: load"
    assert shown["cnc-03 设备"] == "no link 离线; nothing heard yet; 0 of 1 signals fresh; no link: load"
    status.equipment = {f"m-{n}": EquipmentLife(n > 0, 90_000_000, True, {"load": fresh}) for n in range(50)}
    assert [name for name, _ in lines(status) if name.startswith(("m-", "other"))] == ["m-0 设备", "other 其余设备"]


def test_what_belongs_to_no_machine_is_shown_and_is_no_control_character() -> None:
    status = status_of(91_000_000)
    assert not [name for name, _ in lines(status) if name.startswith("unmatched")]
    status.sources["cell"].unmatched = Unmatched(9, {"a/b": 4, "a/\x1b[2J": 3, "c": 1, "d": 1})
    shown = dict(lines(status))["unmatched 无归属"]
    assert shown.startswith("cell: 9 messages of no machine or signal that this source reads: a/b (4), a/?[2J (3), c (1) …; ")
    assert "chejian edge discover" in shown, "and what to do"


def test_rates_are_those_of_the_last_seconds() -> None:
    meter = RateMeter()
    assert meter.note(0.0, JOURNAL, 0) == Rates()
    later = msgspec.structs.replace(JOURNAL, stored_rows=1500, commits=25)
    assert meter.note(10.0, later, 5000) == Rates(100.0, 0.0, 2.0, 500.0)
    assert meter.note(25.0, later, 5000) == Rates(), "what was is forgotten"


def test_the_command(tmp_path: Path) -> None:
    config = tmp_path / "edge-1.toml"
    config.write_text((ROOT / "config" / "demo" / "edge-1.toml").read_text().replace('data = "run/edge-1"', 'data = "data"'))
    (tmp_path / "data").mkdir()

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "chejian", "edge", "status", str(config), *more]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    missing = run()
    assert missing.returncode == 3 and "has this edge ever run" in missing.stderr
    write_status(tmp_path / "data" / "status.json", status_of(time.time_ns() // 1000 - 60_000_000))
    shown = run()
    assert shown.returncode == 0 and "s old: is it running" in shown.stdout and "port closed" in shown.stdout
    assert json.loads(run("--json").stdout)["journal"]["pending_batches"] == 3
    # A power failure may leave an empty file behind; that is said in words.
    (tmp_path / "data" / "status.json").write_bytes(b"")
    empty = run()
    assert empty.returncode == 2 and "is not a status" in empty.stderr and "Traceback" not in empty.stderr


def test_a_new_token_is_seen_and_a_half_written_one_is_not(tmp_path: Path) -> None:
    answer = EnrolAnswer("edge-1", Provenance.PLANT, "old", "origin", "key")
    (tmp_path / ANSWER).write_bytes(msgspec.json.encode(answer))
    token = TokenFile(tmp_path, answer)
    assert token() == "old"
    (tmp_path / ANSWER).rename(tmp_path / "away")
    assert token() == "old"
    (tmp_path / ANSWER).write_bytes(b'{"edge": "edge-1", "tok')
    assert token() == "old"
    (tmp_path / ANSWER).unlink()
    (tmp_path / ANSWER).write_bytes(msgspec.json.encode(msgspec.structs.replace(answer, token="new")))
    assert token() == "new"
    assert isinstance(system_clock_state().synchronised, bool)
