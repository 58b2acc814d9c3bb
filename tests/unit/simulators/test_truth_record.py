"""The record of truth comes back bit by bit."""

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.errors import SimulatorError
from simulators.truth import TruthWriter, read_truth

VALUES = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters(codec="utf-8")))


def bits(value: object) -> object:
    return struct.pack("<d", value) if isinstance(value, float) else value


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**53), st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, min_size=1)), max_size=20))
def test_readings_come_back_bit_by_bit(tmp_path_factory: pytest.TempPathFactory, scans: list[tuple[int, dict[str, int | float | str]]]) -> None:
    folder = tmp_path_factory.mktemp("truth")
    writer = TruthWriter(folder, "x")
    for time_us, values in scans:
        writer.reading("cnc-01", time_us, values)
    writer.close()
    truth = read_truth([folder / "truth-x.jsonl"])
    expected = [("cnc-01", name, time_us, type(value), bits(value)) for time_us, values in scans for name, value in values.items()]
    assert [(e, n, t, type(v), bits(v)) for e, n, t, v in truth.rows()] == expected
    assert len(truth) == len(expected)


def test_events_are_kept_apart(tmp_path: Path) -> None:
    writer = TruthWriter(tmp_path, "cell")
    writer.event("link_down", 5, "cnc-05")
    writer.reading("cnc-05", 6, {"item_state": 3})
    writer.event("paused", 7)
    writer.event("part", 8, "cnc-05", serial="x-1", good=True)
    writer.flush()
    truth = read_truth([tmp_path / "truth-cell.jsonl"])
    writer.close()
    assert list(truth.rows()) == [("cnc-05", "item_state", 6, 3)]
    assert truth.events == [
        {"event": "link_down", "t": 5, "e": "cnc-05"},
        {"event": "paused", "t": 7},
        {"event": "part", "t": 8, "e": "cnc-05", "serial": "x-1", "good": True},
    ]


def test_a_restarted_process_begins_a_new_file_and_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    first = TruthWriter(tmp_path, "cell")
    first.reading("cnc-01", 1, {"power": 1.5})
    first.close()
    with (tmp_path / "truth-cell.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"t":2,"e":"cnc-01","v":{"pow')
    second = TruthWriter(tmp_path, "cell")
    second.reading("cnc-01", 3, {"power": 2.5})
    second.close()
    truth = read_truth(sorted(tmp_path.glob("truth-*.jsonl")))
    assert sorted(truth.rows()) == [("cnc-01", "power", 1, 1.5), ("cnc-01", "power", 3, 2.5)]


def test_an_edited_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "truth-x.jsonl"
    path.write_text('{"t":1,"e":"a","v":{"x":1}}\nnonsense\n{"t":2,"e":"a","v":{"x":1}}\n', encoding="utf-8")
    with pytest.raises(SimulatorError, match="line 2"):
        read_truth([path])
    with pytest.raises(SimulatorError, match="cannot be read"):
        read_truth([tmp_path / "absent.jsonl"])


def test_a_value_that_is_not_a_number_is_a_mistake_of_ours(tmp_path: Path) -> None:
    writer = TruthWriter(tmp_path, "x")
    with pytest.raises(ValueError, match="JSON compliant"):
        writer.reading("cnc-01", 1, {"power": float("nan")})
    writer.close()


def test_without_a_folder_nothing_is_kept_and_an_impossible_folder_is_refused(tmp_path: Path) -> None:
    writer = TruthWriter(None, "x")
    writer.reading("cnc-01", 1, {"power": 1.0})
    writer.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(SimulatorError, match="cannot be written"):
        TruthWriter(tmp_path / "file", "x")
