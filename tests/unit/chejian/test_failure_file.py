"""Failures that somebody else wrote down, and the settings of the watch: read, or refused with file and line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.maintenance.reckoning import Failure
from chejian.failure_file import parse_failures, read_failures, time_of
from chejian.service_watch import read_watch_settings
from workshop.errors import ConfigError

CSV = "equipment,what,from,to\ncnc-01,bearing_wear,2026-03-01T08:00:00+08:00,1772500000000000\n"


def test_csv_and_json_lines() -> None:
    assert parse_failures(CSV, "f") == [Failure("cnc-01", "bearing_wear", 1_772_323_200_000_000, 1_772_500_000_000_000)]
    line = '{"kind": "coolant_loss", "equipment": "cnc-02", "start_us": 5, "end_us": 9, "severity": 1.0, "signal": "", "is_fraud": false}\n'
    assert parse_failures(line + line.replace("false", "true"), "f") == [Failure("cnc-02", "coolant_loss", 5, 9)]


@pytest.mark.parametrize(("text", "words"), [
    ("", "columns equipment, what, from, to"), ("a,b\n1,2\n", "columns"), (CSV.replace("+08:00", ""), "line 2"),
    (CSV.replace("1772500000000000", "x"), "line 2"),
    (CSV.replace("1772500000000000", "7"), "line 2: 'from' must be before 'to'"), ("{}", "line 1"), ("{\n", "line 1"),
    ("equipment,what,from,to\ncnc-01\n", "line 2"),
])
def test_what_is_no_such_file_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_failures(text, "f.csv")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_failures(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_failures(tmp_path / "x.csv")


@given(st.one_of(st.text(), st.text().map(lambda rest: CSV + rest), st.text().map(lambda rest: "{" + rest)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_failures(text, "f")
    except ConfigError:
        return
    assert all(one.from_us < one.to_us for one in found)


@given(st.text())
def test_any_instant_is_a_number_or_refused(text: str) -> None:
    try:
        assert isinstance(time_of(text), int)
    except (ValueError, OverflowError):
        return


def test_settings_of_the_watch(tmp_path: Path) -> None:
    file = tmp_path / "watch.toml"
    file.write_text('learn_us = 1000\n[alarm_meanings]\n1021 = "tool_breakage"\n[limits]\nbearing_wear = 9.0\n', encoding="utf-8")
    found = read_watch_settings(file)
    assert (found.learn_us, found.alarm_meanings, found.limits.bearing_wear) == (1000, {1021: "tool_breakage"}, 9.0)
    assert read_watch_settings(None).alarm_meanings == {}
    wrong = {"x = 1": "the keys are", '[alarm_meanings]\n7 = "teapot"': "no kind 'teapot'", "[[": "watch.toml", 'learn_us = "a"': "learn_us"}
    for text, words in wrong.items():
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=words):
            read_watch_settings(file)
