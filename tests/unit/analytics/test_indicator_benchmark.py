"""The benchmark of the indicators in a reduced form: it leaves no indicator out, and says which bar is missed."""

import msgspec
import pytest

from analytics.compute import measure_all
from analytics.indicator import load_indicators
from analytics.series import MACHINE
from analytics.tracks import Track
from benchmarks import indicators as benchmark
from benchmarks.year import moved
from workshop.window import HOUR_US, Window


def test_its_machines_have_a_signal_of_every_role_that_an_indicator_names() -> None:
    named = {role for item in load_indicators().values() for role in item.roles} - {MACHINE}
    assert named == {signal.role for signal in benchmark.SIGNALS}, "benchmarks/indicators.py: SIGNALS"
    machine = benchmark.workshop(1).equipment[0]
    assert [item.id for item in benchmark.measured() if not item.applies(machine)] == []


def test_every_indicator_is_measured() -> None:
    took, together = benchmark.hours((1, 2))
    assert set(took) == {item.id for item in benchmark.measured()}
    assert all(len(found) == 2 for found in took.values()) and len(together) == 2


def test_a_moved_piece_is_what_a_later_hour_would_be() -> None:
    """The year of the other benchmark: pieces of every kind of border, moved, adjoin and say the same of their own hour."""
    register = benchmark.workshop(1)
    block = benchmark.readings(register)
    window = Window(benchmark.START_US, benchmark.START_US + HOUR_US)
    later = msgspec.structs.replace(block, source_time_us=block.source_time_us + 24 * HOUR_US, received_time_us=block.received_time_us + 24 * HOUR_US)
    moved_window = Window(window.start_us + 24 * HOUR_US, window.end_us + 24 * HOUR_US)
    for item in benchmark.measured():
        [piece] = measure_all([item], register, block, window, dictionary=benchmark.DICTIONARY)
        [there] = measure_all([item], register, later, moved_window, dictionary=benchmark.DICTIONARY)
        found = moved(piece, 24 * HOUR_US)
        assert msgspec.structs.replace(found, boundary={}) == msgspec.structs.replace(there, boundary={}), item.id
        for name, border in there.boundary.items():
            other = found.boundary[name]
            if isinstance(border, Track) and isinstance(other, Track):  # other parts at the same times
                assert border.columns[0].tolist() == other.columns[0].tolist()
                assert (border.columns[1] != other.columns[1]).tolist() == (border.columns[1] > 0).tolist()
            else:
                assert border == other, (item.id, name)


@pytest.mark.parametrize(("together", "over"), [([0.02, 0.2, 2.0], []), ([0.02, 0.31, 3.1], [0]), ([0.02, 0.2, 3.1], [1])])
def test_bars_are_judged(together: list[float], over: list[int]) -> None:
    bars = benchmark.judged(together, (10, 100, 1000))
    assert [place for place, (_, figure, bar) in enumerate(bars) if figure >= bar] == over


def test_a_missed_bar_ends_with_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["indicators", "--sizes", "1", "2"])
    monkeypatch.setattr(benchmark, "BARS_SIZE", 1)
    monkeypatch.setattr(benchmark, "HOUR_S", 0.0)
    assert benchmark.main() == 1
    assert "MISSED one new hour of 1 machines, all indicators at once" in capsys.readouterr().out
