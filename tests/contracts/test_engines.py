"""The contract of the time-series engines, run over every file in store/engines; long because it is one contract, kept in one place."""

import itertools
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from store.engine import EXACT, engine_names, load_engine
from tests.contracts.benches import Bench, Direct, OnServer, ThroughGateway
from tests.contracts.cluster import Cluster
from tests.contracts.servers import Victoria, influx_options, victoria
from tests.unit.gateway.plant import START_US, gateway_in_thread, reading
from workshop.block import block_of, empty_block
from workshop.errors import ConfigError, Rejected
from workshop.reading import Quality, Reading, Value
from workshop.window import Window

EVERYTHING = Window(START_US - 10**12, START_US + 10**12)
NUMBERS = itertools.count(int(time.time()))
SIGNALS = ["m-1/gauge", "m-1/count", "m-1/text", "m-2/gauge"]


__all__ = ["Victoria", "victoria"]


@pytest.fixture(params=[*engine_names(), "victoriametrics-cluster"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Every engine that there is, empty."""
    match request.param:
        case "duckdb":
            direct = Direct("duckdb", {"path": str(tmp_path / "engine.duckdb")})
            yield direct
            direct.engine.close()
        case "gateway":
            with gateway_in_thread(tmp_path) as url:
                through = ThroughGateway(url, tmp_path)
                yield through
                through.engine.close()
                through.close()
        case "victoriametrics":
            server = request.getfixturevalue("victoria")
            on_server = OnServer("victoriametrics", victoria_options(tmp_path, {"url": server.url}), server.flush)
            yield on_server
            on_server.engine.close()
        case "victoriametrics-cluster":
            cluster = Cluster()
            on_cluster = OnServer("victoriametrics", victoria_options(tmp_path, cluster.addresses), cluster.flush)
            yield on_cluster
            on_cluster.engine.close()
        case "influxdb":
            options = influx_options(f"t{next(NUMBERS)}", tmp_path)
            influx = Direct("influxdb", options)
            yield influx
            influx.engine.close()
        case name:
            pytest.fail(f"store/engines/{name}.py: say here how an empty one is opened")


def victoria_options(folder: Path, addresses: Mapping[str, object]) -> dict[str, object]:
    """A measurement of its own for every test, small batches, compressed; no trailing cursor, because nobody kills the server here."""
    own: dict[str, object] = {"measurement": f"t{next(NUMBERS)}", "cursor_path": str(folder / "engine.cursor")}
    return {**addresses, **own, "batch_lines": 3, "gzip": True, "trail_s": 0.0}


def exact(readings: Sequence[Reading]) -> list[tuple[object, ...]]:
    """Readings such that only equal bits are equal."""
    def bits(value: Value) -> tuple[str, object]:
        return ("f", struct.pack(">d", value)) if isinstance(value, float) else (type(value).__name__, value)

    return [(r.signal, r.source_time_us, r.received_time_us, bits(r.value), r.quality, r.status) for r in readings]


def test_values_quality_and_times_come_back_exactly(bench: Bench) -> None:
    capabilities = bench.engine.capabilities
    step = capabilities.resolution_us
    floats = [0.1, 0.0, -273.15, 20.0, 3120.52, -0.001]
    if capabilities.significant_digits == EXACT:
        floats += [-0.0, 5e-324, 1.7976931348623157e308, 1 / 3, 1e16]
    rows = [reading("m-1/gauge", number * step, value) for number, value in enumerate(floats)]
    rows += [reading("m-1/gauge", 50 * step, None, status="BadNoCommunication"), reading("m-1/gauge", 51 * step, None)]
    rows += [reading("m-1/gauge", 52 * step, 1.5, quality=Quality.UNCERTAIN, status="UncertainLastUsableValue", delay_us=-7)]
    whole = [0, 1, -1, 2**53 - 1, 1_795_299_260_123_456] + ([2**53 + 1, 2**63 - 1, -(2**63)] if capabilities.integers_beyond_2_53 else [])
    rows += [reading("m-1/count", number * step, value) for number, value in enumerate(whole)]
    if capabilities.text:
        texts = ["", "O1234", "主轴", "a\nb\"'\\", "\r\\r\r\n\\\\n%0A", "\n", "😀" * 100]
        rows += [reading("m-1/text", number * step, value) for number, value in enumerate(texts)]
    bench.fill(block_of(rows))
    assert exact(bench.engine.read(SIGNALS, EVERYTHING).readings()) == exact(rows)
    bench.reopen()
    assert exact(bench.engine.read(SIGNALS, EVERYTHING).readings()) == exact(rows)


def test_windows_are_half_open(bench: Bench) -> None:
    step = bench.engine.capabilities.resolution_us
    bench.fill(block_of(reading("m-1/gauge", number * step, float(number)) for number in range(10)))

    def found(first: int, end: int) -> list[Value]:
        return [r.value for r in bench.engine.read(["m-1/gauge"], Window(START_US + first * step, START_US + end * step)).readings()]

    assert found(3, 6) == [3.0, 4.0, 5.0]
    assert found(3, 4) == [3.0]
    assert found(3, 3) == []
    assert found(-5, 1) == [0.0]
    assert found(9, 50) == [9.0]


def test_late_rows_are_read_in_order_of_time_and_equal_times_in_order_of_arrival(bench: Bench) -> None:
    step = bench.engine.capabilities.resolution_us
    bench.fill(block_of([reading("m-1/gauge", 5 * step, 5.0), reading("m-2/gauge", 1 * step, 21.0)]))
    bench.fill(block_of([reading("m-1/gauge", 1 * step, 1.0), reading("m-1/gauge", 5 * step, 5.5)]))
    bench.fill(block_of([reading("m-1/gauge", 3 * step, 3.0)]))
    values = [r.value for r in bench.engine.read(["m-2/gauge", "m-1/gauge"], EVERYTHING).readings()]
    assert values[:3] == [21.0, 1.0, 3.0]
    # Which of the two stays in an engine that deduplicates is for its server to say.
    assert values[3:] in ([5.0], [5.5]) if bench.engine.capabilities.deduplicates else values[3:] == [5.0, 5.5]


def test_signals_come_in_the_order_asked_and_unknown_ones_have_no_rows(bench: Bench) -> None:
    bench.fill(block_of(reading(signal, number * 10**6, float(number)) for signal in ("m-1/gauge", "m-1/other", "m-2/gauge") for number in range(4)))
    asked = ["m-2/gauge", "m-9/none", "m-1/gauge", "m-2/gauge", "m-1/other"]
    names = [r.signal for r in bench.engine.read(asked, EVERYTHING).readings()]
    assert names == ["m-2/gauge"] * 4 + ["m-1/gauge"] * 4 + ["m-1/other"] * 4
    cut = bench.engine.read(asked, EVERYTHING, limit=6).readings()
    assert [(r.signal, r.value) for r in cut] == [("m-2/gauge", float(n)) for n in range(4)] + [("m-1/gauge", 0.0), ("m-1/gauge", 1.0)]
    assert len(bench.engine.read(["m-9/none"], EVERYTHING)) == 0
    assert len(bench.engine.read([], EVERYTHING)) == 0


def test_the_same_batch_again_changes_nothing(bench: Bench) -> None:
    block = block_of(reading("m-1/gauge", number * 10**6, float(number)) for number in range(5))
    bench.fill(block)
    bench.again()
    bench.fill(block_of([reading("m-1/gauge", 9 * 10**6, 9.0)]))
    bench.again()
    assert bench.engine.count() == 6
    assert bench.engine.cursor() == 2
    assert len(bench.engine.read(["m-1/gauge"], EVERYTHING)) == 6


def test_latest_is_the_newest_by_source_time_bad_rows_too(bench: Bench) -> None:
    bad = reading("m-2/gauge", 2 * 10**6, None, status="BadX")
    bench.fill(block_of([reading("m-1/gauge", 5 * 10**6, 5.0), reading("m-2/gauge", 10**6, 1.0), bad]))
    bench.fill(block_of([reading("m-1/gauge", 3 * 10**6, 3.0)]))

    def newest(signals: list[str] | None = None) -> list[tuple[str, Value, str]]:
        return [(r.signal, r.value, r.status) for r in bench.engine.latest(signals).readings()]

    assert newest(["m-2/gauge", "m-1/gauge", "m-9/none"]) == [("m-2/gauge", None, "BadX"), ("m-1/gauge", 5.0, "")]
    assert sorted(newest()) == sorted(newest(["m-1/gauge", "m-2/gauge"]))
    bench.reopen()
    assert sorted(newest()) == sorted(newest(["m-1/gauge", "m-2/gauge"])) and len(newest()) == 2


def test_last_before_is_what_is_carried_into_a_window(bench: Bench) -> None:
    day = 24 * 3600 * 10**6
    bench.fill(block_of([
        reading("m-1/gauge", -40 * day, 1.0), reading("m-1/gauge", 10 * 10**6, 2.0), reading("m-1/gauge", 20 * 10**6, 3.0),
        reading("m-2/gauge", -2 * 3600 * 10**6, None, status="BadY"), reading("m-2/gauge", 20 * 10**6, 4.0),
    ]))

    def carried(at: int) -> list[tuple[str, Value, str]]:
        return [(r.signal, r.value, r.status) for r in bench.engine.last_before(["m-2/gauge", "m-1/gauge"], START_US + at).readings()]

    assert carried(30 * 10**6) == [("m-2/gauge", 4.0, ""), ("m-1/gauge", 3.0, "")]
    assert carried(20 * 10**6) == [("m-2/gauge", None, "BadY"), ("m-1/gauge", 2.0, "")]
    assert carried(10 * 10**6) == [("m-2/gauge", None, "BadY"), ("m-1/gauge", 1.0, "")]
    assert carried(-39 * day) == [("m-1/gauge", 1.0, "")]
    assert carried(-50 * day) == []


def test_aggregates_count_numbers_only_and_start_with_the_window(bench: Bench) -> None:
    if not bench.engine.capabilities.aggregates:
        pytest.skip("this engine says that it does not aggregate")
    second = 10**6
    numbers = [reading("m-1/gauge", number * second, float(number)) for number in range(10)]
    bench.fill(block_of([*numbers, reading("m-1/gauge", 2 * second + bench.engine.capabilities.resolution_us, None)]))
    bench.fill(block_of([reading("m-1/count", number * second, number) for number in range(4)]))
    made = bench.engine.aggregate("m-1/gauge", Window(START_US + second, START_US + 9 * second), 3 * second)
    assert made.start_us.tolist() == [START_US + second, START_US + 4 * second, START_US + 7 * second]
    assert (made.count.tolist(), made.minimum.tolist(), made.maximum.tolist()) == ([3, 3, 2], [1.0, 4.0, 7.0], [3.0, 6.0, 8.0])
    assert np.allclose(made.mean, [2.0, 5.0, 7.5])
    assert bench.engine.aggregate("m-1/count", EVERYTHING, 10**13).mean.tolist() == [1.5]
    assert bench.engine.aggregate("m-9/none", EVERYTHING, 10**13).count.tolist() == []


@pytest.mark.parametrize("ahead_s", [0, 60])
def test_the_last_seconds_are_aggregated_as_they_are(bench: Bench, ahead_s: int) -> None:
    """A server may hold back, or smooth, what is younger than half a minute or not over yet; a live page must not show that."""
    if not bench.engine.capabilities.aggregates:
        pytest.skip("this engine says that it does not aggregate")
    second = 10**6
    first = (int(time.time()) + ahead_s - 40) * second
    bench.fill(block_of(reading("m-1/gauge", first - START_US + number * second, float(number)) for number in range(60)))
    for step in (1, 5, 30):
        made = bench.engine.aggregate("m-1/gauge", Window(first, first + 60 * second), step * second)
        assert made.start_us.tolist() == [first + start * second for start in range(0, 60, step)]
        assert made.maximum.tolist() == [float(start + step - 1) for start in range(0, 60, step)]
        assert made.count.tolist() == [step] * (60 // step)


def test_a_batch_without_rows_moves_the_cursor(bench: Bench) -> None:
    if isinstance(bench, ThroughGateway):
        with pytest.raises(Rejected, match="only reads"):
            bench.engine.write(empty_block(), 1)
        return
    bench.fill(empty_block())
    assert (bench.engine.cursor(), bench.engine.count()) == (1, 0)
    bench.reopen()
    assert bench.engine.cursor() == 1


def test_short_and_crooked_steps_are_aggregated_too(bench: Bench) -> None:
    if not bench.engine.capabilities.aggregates:
        pytest.skip("this engine says that it does not aggregate")
    bench.fill(block_of(reading("m-1/gauge", number * 10**6, float(number)) for number in range(10)))
    for window, step in (
        (Window(START_US, START_US + 10 * 10**6), 4 * 10**6), (Window(START_US + 1, START_US + 9 * 10**6 + 1), 3 * 10**6),
        (Window(START_US + 500, START_US + 10**7), 2_500_001),
    ):
        made = bench.engine.aggregate("m-1/gauge", window, step)
        values = [n for n in range(10) if window.holds(START_US + n * 10**6)]
        wanted: dict[int, list[int]] = {}
        for n in values:
            wanted.setdefault((START_US + n * 10**6 - window.start_us) // step, []).append(n)
        assert made.start_us.tolist() == [window.start_us + i * step for i in wanted]
        assert made.count.tolist() == [len(v) for v in wanted.values()]
        assert np.allclose(made.mean, [sum(v) / len(v) for v in wanted.values()])


def test_what_an_engine_does_not_declare_it_refuses_in_words_and_keeps_the_rest(bench: Bench) -> None:
    if isinstance(bench, ThroughGateway):
        return
    capabilities = bench.engine.capabilities
    step = capabilities.resolution_us
    rows = {"text": reading("m-1/text", 0, "O1234"), "integer": reading("m-1/count", 0, 2**53 + 1), "time": reading("m-2/gauge", 1, 1.0)}
    good = [reading("m-1/gauge", number * step, float(number)) for number in range(3)]
    refused = bench.fill(block_of([rows["text"], good[0], rows["integer"], good[1], rows["time"], good[2]]))
    wanted = {0: not capabilities.text, 2: not capabilities.integers_beyond_2_53, 4: step > 1}
    assert sorted(row for item in refused for row in item.rows.tolist()) == [row for row, expected in wanted.items() if expected]
    for item in refused:
        assert {0: "text", 2: "2^53", 4: "finer"}[int(item.rows[0])] in item.reason
    assert bench.engine.cursor() == 1
    assert bench.engine.count() == 3 + sum(not expected for expected in wanted.values())
    assert exact(bench.engine.read(["m-1/gauge"], EVERYTHING).readings()) == exact(good)


def test_an_unknown_engine_or_option_is_named_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no engine 'duckbd'; there are .*duckdb"):
        load_engine("duckbd", {})
    with pytest.raises(ConfigError, match=r"no key 'pth'; there are path"):
        load_engine("duckdb", {"pth": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"gateway\.toml: .*`path`"):
        load_engine("duckdb", {}, "gateway.toml: [engine]")


def test_a_file_of_another_kind_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "engine.duckdb"
    file.write_bytes(b"not a database" * 1000)
    with pytest.raises(ConfigError, match="rebuild"):
        load_engine("duckdb", {"path": str(file)})
