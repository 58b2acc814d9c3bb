"""Tool wear: the life left holds the truth, changes are seen, and the next change is proposed before the low end."""

import numpy as np
import pytest

from analytics.maintenance.watch.cells import Column
from analytics.maintenance.watch.tools import Tools
from workshop.window import HOUR_US, SECOND_US

PART_US = 150 * SECOND_US


def made(parts: int, *, seed: int, first: int = 0, spread: float = 0.3) -> tuple[dict[str, Column], np.ndarray]:
    """So many parts with one tool that is changed when worn; the wear of a part depends on the order. Also the true wear after each part."""
    dice = np.random.default_rng(seed)
    rate = np.repeat(0.005 * dice.uniform(1 - spread, 1 + spread, parts // 15 + 1), 15)[:parts]
    wear = np.cumsum(rate)
    shown = wear - rate - np.floor(np.maximum(wear - rate, 0))
    time = (np.arange(parts, dtype=np.int64) + 1 + first) * PART_US
    columns = {
        "tool_number": Column(time[:1], np.array([3.0]), False), "tool_wear": Column(time, np.round(shown, 3), False),
        "produced_count": Column(time, np.arange(parts, dtype=np.float64) + 1_000, False),
    }
    return columns, wear


def test_most_tools_end_within_their_interval() -> None:
    inside = 0
    for seed in range(40):
        columns, wear = made(900, seed=seed)
        seen = 650 + 3 * seed
        tools = Tools()
        tools.take({role: Column(one.time_us[:seen], one.value[:seen], False) for role, one in columns.items()})
        (left,) = tools.left(int(columns["tool_wear"].time_us[seen - 1]), [])
        truth = int(np.argmax(np.floor(wear) > np.floor(wear[seen - 2]))) - (seen - 2)
        inside += left.parts[1] <= truth <= left.parts[2]
        assert left.tool == 3
        assert left.lives == int(np.floor(wear[seen - 2])) - 1
        assert left.hours[0] == pytest.approx(left.parts[0] * 150 / 3600, rel=0.05)
    assert inside >= 34


def test_the_change_is_proposed_for_the_last_stop_before_the_low_end() -> None:
    columns, _ = made(700, seed=1)
    tools = Tools()
    tools.take(columns)
    now_us = int(columns["tool_wear"].time_us[-1])
    (left,) = tools.left(now_us, [])
    low_us = now_us + round(left.hours[1] * HOUR_US)
    stops = [now_us + 1, low_us - 10, low_us + 10]
    assert tools.left(now_us, stops)[0].change_at_us == low_us - 10
    assert tools.left(now_us, [low_us + 10])[0].change_at_us == low_us + 10


def test_a_machine_that_does_not_name_its_tools_has_none() -> None:
    columns, _ = made(100, seed=1)
    tools = Tools()
    tools.take({"produced_count": columns["produced_count"]})
    assert tools.left(0, []) == []
