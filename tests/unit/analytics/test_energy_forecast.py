"""Load forecasts: stamps rebuilt or refused in words, leaks named, figures by hand, and the public steel plant's load."""

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.energy.forecast import Run, run_forecast
from analytics.energy.leaks import leaks
from analytics.energy.scores import baselines, errors, issues, scale_of
from analytics.energy.stamps import Grid, rebuild
from analytics.energy.table import parse_step, parse_table
from workshop.errors import ConfigError

STEEL = Path(__file__).parents[4] / "shared" / "data" / "steel_energy" / "steel_energy_jan_sep.csv"
FIRST = datetime(2018, 1, 1)
HOUR = timedelta(hours=1)
DAY_S = 86_400


def ends(rows: int, step: timedelta = HOUR) -> list[datetime]:
    return [FIRST + step * (row + 1) for row in range(rows)]


def grid_of(texts: list[str], step: timedelta = HOUR, value: NDArray[np.float64] | None = None) -> Grid:
    return rebuild(texts, step, np.arange(len(texts), dtype=np.float64) if value is None else value, "load.csv")


def assert_whole(grid: Grid, rows: int) -> None:
    assert grid.start_s == (FIRST - datetime(1970, 1, 1)).total_seconds()
    assert grid.row.tolist() == list(range(rows))


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%Y/%m/%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S+08:00"])
def test_a_midnight_that_carries_the_day_that_it_closes_moves_to_the_next_day(form: str) -> None:
    stamps = ends(72)
    texts = [(stamp - timedelta(days=1) if stamp.hour == 0 else stamp).strftime(form) for stamp in stamps]
    grid = grid_of(texts)
    assert_whole(grid, 72)
    assert "3 rows stamped 00:00" in grid.warnings[0]


def test_hour_24_closes_its_day() -> None:
    texts = [(stamp - HOUR).strftime("%Y-%m-%d 24:00") if stamp.hour == 0 else stamp.strftime("%Y-%m-%d %H:%M") for stamp in ends(72)]
    assert_whole(grid_of(texts), 72)


def test_whole_stamps_stay_as_they_are() -> None:
    starts = grid_of([(stamp - HOUR).strftime("%Y-%m-%d %H:%M") for stamp in ends(72)])
    assert_whole(starts, 72)
    assert starts.warnings == []
    assert_whole(grid_of([stamp.strftime("%Y-%m-%d %H:%M") for stamp in ends(72)]), 72)


def test_holes_repetition_and_disorder_are_mended_and_said() -> None:
    rows = [row for row in range(72) if row not in (30, 31)]
    value = np.array([*rows, 5], np.float64)
    texts = [(FIRST + HOUR * row).strftime("%Y-%m-%d %H:%M") for row in [*rows, 5]]
    grid = grid_of(texts, value=value)
    load = grid.take(value)
    assert np.flatnonzero(np.isnan(load)).tolist() == [30, 31]
    assert load[29] == 29
    assert [text.split(" ", 1)[1][:14] for text in grid.warnings] == ["rows come twic", "were not in or", "of 72 interval"]


def test_summer_time_is_rebuilt_by_the_order_of_the_rows() -> None:
    local = [stamp - HOUR + (HOUR if 20 <= row < 50 else timedelta()) for row, stamp in enumerate(ends(96))]
    grid = grid_of([stamp.strftime("%Y-%m-%d %H:%M") for stamp in local])
    assert_whole(grid, 96)
    assert "30 stamps changed" in grid.warnings[0]


def test_a_row_in_between_with_another_value_is_refused_and_not_pushed_aside() -> None:
    texts = [(FIRST + timedelta(minutes=15) * row).strftime("%Y-%m-%d %H:%M") for row in [*range(50), 20, *range(50, 300)]]
    with pytest.raises(ConfigError, match="another value for a time"):
        grid_of(texts, timedelta(minutes=15))


def test_shuffled_rows_are_sorted() -> None:
    value = np.random.default_rng(1).permutation(96).astype(np.float64)
    grid = grid_of([(FIRST + HOUR * row).strftime("%Y-%m-%d %H:%M") for row in value.tolist()], value=value)
    assert grid.take(value).tolist() == list(range(96))
    assert grid.warnings == ["rows were not in order of time: sorted by their stamps"]


@pytest.mark.parametrize("form", ["%Y-%m-%d %I:%M %p", "%d/%m/%Y %I:%M:%S %p", "%Y/%m/%d 上午 %I:%M", "%Y年%m月%d日 %H时%M分"])
def test_twelve_hour_clocks_and_chinese_dates(form: str) -> None:
    texts = [stamp.strftime(form.replace("上午", "上午" if stamp.hour < 12 else "下午")) for stamp in ends(72)]
    grid = grid_of(texts)
    assert_whole(grid, 72)


@pytest.mark.parametrize(("zone", "words"), [("Z", "offset from UTC, Z"), ("+08:00", "offset from UTC, +08:00"), (" +0800", "+0800"), ("-05", "-05")])
def test_an_offset_from_utc_is_said(zone: str, words: str) -> None:
    grid = grid_of([f"{stamp - HOUR:%Y-%m-%d %H:%M:%S}{zone}" for stamp in ends(72)])
    assert_whole(grid, 72)
    assert words in grid.warnings[0]


def test_summer_time_with_its_offsets_is_one_clock() -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin = datetime(2018, 3, 24, tzinfo=ZoneInfo("UTC"))
    texts = [(begin + HOUR * row).astimezone(zone).isoformat() for row in range(70)]
    grid = grid_of(texts)
    assert grid.row.tolist() == list(range(70))
    assert grid.start_s == begin.timestamp() + 3600
    assert grid.warnings == ["stamps carry changing offsets from UTC: all put into that of the first row, +01:00"]
    with pytest.raises(ConfigError, match=r"row 12: .* does not say its offset"):
        grid_of([text if row != 10 else text[:19] for row, text in enumerate(texts)])


@pytest.mark.parametrize(("factor", "unit"), [(1, "s"), (1000, "ms"), (1_000_000, "µs")])
def test_epochs_are_read_as_utc(factor: int, unit: str) -> None:
    grid = grid_of([str(int((stamp - HOUR - datetime(1970, 1, 1)).total_seconds()) * factor) for stamp in ends(72)])
    assert_whole(grid, 72)
    assert f"read as {unit} since 1970" in grid.warnings[0]


def test_jitter_is_rounded_where_every_row_keeps_an_interval_of_its_own() -> None:
    dice = np.random.default_rng(4)
    jitter = dice.integers(-40, 400, 200)
    stamps = [FIRST + HOUR * row + timedelta(seconds=int(jitter[row])) for row in range(200) if row != 77]
    stamps[0] = FIRST + timedelta(seconds=3)
    grid = grid_of([f"{stamp:%Y-%m-%d %H:%M:%S}.250" for stamp in stamps])
    assert grid.start_s % 3600 == 0
    assert np.flatnonzero(grid.row < 0).tolist() == [77]
    assert "beside steps of 3600 s" in grid.warnings[0]
    crowded = [stamps[0], stamps[0] + timedelta(seconds=2), *stamps[1:]]
    with pytest.raises(ConfigError, match=r"row 3|mostly"):
        grid_of([f"{stamp:%Y-%m-%d %H:%M:%S}" for stamp in crowded])


def test_reversed_rows_are_sorted_and_their_midnights_stay() -> None:
    value = np.arange(96, dtype=np.float64)[::-1]
    grid = grid_of([f"{FIRST + HOUR * row:%Y-%m-%d %H:%M}" for row in range(95, -1, -1)], value=value)
    assert grid.take(value).tolist() == list(range(96))
    assert grid.warnings == ["rows were not in order of time: sorted by their stamps"]


def test_numbers_with_grouped_thousands_and_files_in_utf_16() -> None:
    table = parse_table('when\tkWh\n1\t1,234.5\n2\t12\n3\t1 234\n4\tNaN\n'.encode("utf-16"), "load.csv", "when", "kWh")
    assert table.value[:3].tolist() == [1234.5, 12.0, 1234.0]
    table = parse_table(b"when;kWh\n1;1.234,5\n2;1.234\n3;0,5\n", "load.csv", "when", "kWh")
    assert table.value.tolist() == [1234.5, 1234.0, 0.5]
    for cell in ('"1,23"', "1_000", "12 34"):
        with pytest.raises(ConfigError, match="no finite number"):
            parse_table(f"when,kWh\n1,{cell}\n".encode(), "load.csv", "when", "kWh")


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["yesterday", "today"], "row 2: 'yesterday' is no time"),
        (["2018-01-01 00:00", "2018-01-01 01:00", "soon"], "row 4: 'soon'"),
        ([f"2018-01-0{day} 00:00" for day in range(1, 8)], "rows are mostly 86400 s apart, --step says 3600 s"),
        (["2018-01-01 08:00"] * 40 + ["2018-01-01 09:00", "2018-01-01 10:00"], "row 3 gives another value for a time that another row has"),
        ([f"2018-01-01 {hour:02}:00" for hour in [0, 1, 2, 3, 4, 2, 3, 4, 5, 4, 5, 6]], "contradict each other: row 7"),
    ],
)
def test_stamps_that_cannot_be_rebuilt_are_refused_in_words(texts: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        grid_of(texts)


def test_a_table_says_what_is_wrong_with_it() -> None:
    good = b"\xef\xbb\xbfwhen;kWh;name\n2018-01-01 00:00;1.234,5;a\n2018-01-01 01:00;;b\n"
    table = parse_table(good, "load.csv", "when", "kWh")
    assert table.value[0] == 1234.5
    assert np.isnan(table.value[1])
    assert table.others == {}
    for data, words in (
        (b"a,b\n1,2\n", "--time 'when' names no single column; there are a, b"), (b"when,kWh\nx,1,2\n", "row 2 has 3 cells"),
        (b"when,kWh\nx,two\n", "row 2: kWh 'two' is no finite number"), (b"when,kWh\nx,inf\n", "no finite"), (b"when,kWh\n", "no rows"),
    ):
        with pytest.raises(ConfigError, match=words):
            parse_table(data, "load.csv", "when", "kWh")
    for text in ("7min", "15", "0h"):
        with pytest.raises(ConfigError, match=f"--step '{text}'"):
            parse_step(text)


def test_leaks_are_named_and_honest_columns_are_not() -> None:
    dice = np.random.default_rng(5)
    load = dice.uniform(10, 100, 2000)
    factor = dice.uniform(50, 99, 2000)
    others = {
        "co2": np.round(load * 0.001, 2), "reactive": load * np.sqrt(1 - (factor / 100) ** 2) / (factor / 100), "factor": factor,
        "next": np.append(load[1:], 0.0), "temperature": dice.normal(20, 5, 2000), "constant": np.ones(2000),
    }
    found = leaks(load, others)
    assert len(found) == 3
    assert "'co2' leaks" in found[0]
    assert "'next' leaks: it holds the value of the next step" in found[1]
    assert "'reactive' and 'factor' leak" in found[2]


def test_naive_forecasts_know_only_what_was_known_at_issue() -> None:
    value = np.arange(400, dtype=np.float64)
    asked = issues(300, 348, 48)
    found = baselines(value, asked, 24)
    assert set(found["persistence"]) == {299.0}
    assert (found["daily_naive"][0], found["daily_naive"][24]) == (276.0, 276.0)  # the second day ahead repeats the last day known
    assert found["weekly_naive"][0] == 300 - 168
    every = issues(300, 310, 1)
    assert baselines(value, every, 24)["persistence"].tolist() == list(range(299, 309))
    assert errors(np.array([1.0, np.nan, 3.0]), np.array([2.0, 5.0, 3.0])) == errors(np.array([0.0, 0.0]), np.array([1.0, 0.0]))
    assert scale_of(value, 24) == 168
    assert scale_of(np.ones(400), 24) is None


def curve(days: int) -> bytes:
    """An hourly load with shifts on weekdays, noise, and midnights stamped with the day that they close."""
    dice = np.random.default_rng(3)
    lines = ["when,kW"]
    for stamp in ends(days * 24):
        begin = stamp - HOUR
        load = 5 + (40 * (8 <= begin.hour < 20) * (begin.weekday() < 5)) + dice.normal(0, 3)
        lines.append(f"{begin:%Y-%m-%d} {stamp:%H:%M},{load:.2f}")
    return "\n".join(lines).encode()


def forecast(data: bytes, horizon: int, until: str) -> Run:
    return run_forecast(parse_table(data, "load.csv", "when", "kW"), HOUR, horizon, date.fromisoformat(until), "load.csv")


def test_a_forecast_beats_the_naive_ones_is_repeatable_and_holds_its_interval() -> None:
    run = forecast(curve(90), 24, "2018-03-01")
    report = run.report
    assert run.train_steps == 60 * 24  # that day included
    assert all(found is not None and report.rmse < found.rmse for found in report.baselines.values())
    assert 0.8 <= report.interval.coverage <= 0.99
    assert report.mase is not None
    assert report.mase < 1
    again = forecast(curve(90), 24, "2018-03-01")
    assert again.report == report
    assert bool((run.low <= run.forecast).all() and (run.forecast <= run.high).all())


def test_what_comes_later_does_not_change_a_forecast() -> None:
    data = curve(90).splitlines()
    whole, short = forecast(b"\n".join(data), 24, "2018-03-01"), forecast(b"\n".join(data[: 1 + 70 * 24]), 24, "2018-03-01")
    assert np.array_equal(whole.forecast[: len(short.forecast)], short.forecast)
    assert np.array_equal(whole.low[: len(short.low)], short.low)


def test_too_little_data_is_refused_in_words() -> None:
    for until, words in (("2018-01-05", "too few to learn from"), ("2018-03-31", "nothing after 2018-03-31")):
        with pytest.raises(ConfigError, match=words):
            forecast(curve(60), 24, until)
    with pytest.raises(ConfigError, match="--horizon 1000"):
        forecast(curve(60), 1000, "2018-02-01")


@pytest.mark.skipif(not STEEL.exists(), reason="no ../shared/data/steel_energy here")
@pytest.mark.parametrize(("horizon", "naive"), [(96, "weekly_naive"), (1, "persistence")])
def test_the_steel_plant_is_forecast_a_fifth_better_than_by_its_naive_forecast(horizon: int, naive: str) -> None:
    table = parse_table(STEEL.read_bytes(), STEEL.name, "date", "Usage_kWh")
    run = run_forecast(table, parse_step("15min"), horizon, date(2018, 7, 31), STEEL.name)
    beside = run.report.baselines[naive]
    assert beside is not None
    assert len(run.target) == 61 * 96
    assert run.report.rmse <= 0.8 * beside.rmse
    assert 0.85 <= run.report.interval.coverage <= 0.95
    assert "273 rows stamped 00:00" in run.report.warnings[0]
    assert sum("leak" in text for text in run.report.warnings) == 3


@pytest.mark.parametrize("level", [20.0, 0.0])
def test_a_history_of_three_weeks_and_a_load_that_never_changes_are_forecast(level: float) -> None:
    """Columns of the load three and four weeks ago are then empty; an empty column once ended the run with an error of scikit-learn."""
    step = timedelta(minutes=15)
    rows = [f"{FIRST + step * row},{50 + level * np.sin(row * np.pi / 48) + level * (row % 11) / 50:.3f}" for row in range(24 * 96)]
    table = parse_table(("time,kW\n" + "\n".join(rows)).encode(), "load.csv", "time", "kW")
    report = run_forecast(table, step, 1, date(2018, 1, 22), "load.csv").report
    assert report.rmse < 0.25 * level + 1e-6
    assert 0 <= report.interval.coverage <= 1
    assert (report.mase is None) == (level == 0)


def test_a_training_period_without_values_is_refused() -> None:
    rows = [f"{FIRST + HOUR * row},{'' if row < 22 * 24 else row}" for row in range(24 * 24)]
    table = parse_table(("time,kW\n" + "\n".join(rows)).encode(), "load.csv", "time", "kW")
    with pytest.raises(ConfigError, match="values in the older part of the training data"):
        run_forecast(table, HOUR, 1, date(2018, 1, 23), "load.csv")


def test_hours_and_minutes_in_chinese() -> None:
    assert_whole(grid_of([(stamp - HOUR).strftime("%Y年%m月%d日 %H时%M分") for stamp in ends(72)]), 72)
