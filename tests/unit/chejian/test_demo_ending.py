"""The demo ends while the bad link is up and stays so."""

from pathlib import Path

import pytest

from chejian.demo.ending import holds
from simulators.settings import Link

LINK = Link(period_s=20, down_s=4, first_s=10, jitter_s=0.25)
READING = '{"t":1000000,"e":"cnc-05","v":{"power":1.0,"event":2}}\n'
STARTED, DOWN, UP = (
    f'{{"event":"{name}","t":{second}000000,"e":"cnc-05"}}\n' for name, second in (("started", 100), ("link_down", 110), ("link_up", 114))
)


@pytest.mark.parametrize(("record", "now_s", "held"), [
    (STARTED, 104, True), (STARTED, 105, False), (STARTED + DOWN, 112, False), (STARTED + DOWN + READING, 300, False),
    (STARTED + DOWN + UP + READING, 115, True), (STARTED + DOWN + UP, 124, True), (STARTED + DOWN + UP, 125, False),
    (STARTED + DOWN + UP[:-4], 115, False), ("", 5, True),
])
def test_it_holds_between_two_outages(tmp_path: Path, record: str, now_s: int, held: bool) -> None:
    truth = tmp_path / "truth.jsonl"
    truth.write_text(record)
    assert holds(LINK, truth, now_s * 10**6) is held
    assert holds(None, truth, now_s * 10**6)


def test_the_margin_is_real_time(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    truth.write_text(STARTED + DOWN + UP)
    assert [holds(LINK, truth, 120 * 10**6, speed) for speed in (1.0, 3.0)] == [True, False]


def test_without_a_record_nobody_waits(tmp_path: Path) -> None:
    assert holds(LINK, tmp_path / "none.jsonl", 5)
