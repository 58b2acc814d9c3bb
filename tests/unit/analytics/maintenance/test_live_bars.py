"""The watch on the simulators' history: the benchmark in a reduced form."""

import pytest

from analytics.maintenance.reckoning import worth_of
from benchmarks.maintenance_live import DAY_US, DAYS, SOUND_DAYS, missed, on_record, run, table


@pytest.mark.long
def test_two_unseen_workshops_meet_the_bars() -> None:
    alerts, failures, parts = [], [], []
    closed_us = 0
    for seed in (41, 42):
        one = run(seed)
        closed_us = one.start_us + (SOUND_DAYS + DAYS) * DAY_US
        alerts += [type(a)(f"{seed}/{a.equipment}", a.what, a.time_us) for a in on_record(one.findings)]
        failures += [type(f)(f"{seed}/{f.equipment}", f.what, f.from_us, f.to_us) for f in one.failures]
        parts += one.breakages_parts
        assert len(one.watches) == 13
    worth = worth_of(alerts, failures, 2 * 13 * DAYS / 30, open_ended_us=closed_us)
    assert worth["all"].failures > 60
    # Of half a dozen breakages one may fall into the rest of a cycle, and then the history shows no alarm.
    few = worth.pop("tool_breakage")
    assert few.found >= few.failures - 1
    assert missed(worth, parts) == [], table(worth)


def test_a_sound_robot_of_the_simulators_is_left_alone() -> None:
    one = run(43, per_day=0.0, classes=("robot",), gauge_s=60.0)
    assert [finding.document() for finding in one.findings] == []
    assert all(watch.state.ready for watch in one.watches.values())
