"""The analytics service against a real gateway: components and scores arrive once, also over restarts; a gateway that is away does no harm."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from analytics.compute import components_of
from analytics.indicator import Components, load_indicators
from chejian.service import ServiceSettings, run
from chejian.service_api import ServiceApi
from chejian.service_bearings import Bearings
from chejian.service_hours import Hours
from chejian.service_late import Late
from chejian.service_status import Heartbeat, ServiceStatus
from store.engines.gateway import GatewaySettings as EngineSettings
from store.engines.gateway import open_engine
from store.signing import SigningKey
from tests.unit.analytics.plant import START_US, block, reading
from tests.unit.analytics.running import PATIENCE_S, Running, until
from tests.unit.analytics.spindle import spindle
from workshop.batch import Provenance
from workshop.block import Block, concat
from workshop.register_file import parse_register
from workshop.window import HOUR_US, SECOND_US, Window
from workshop.wire import ComponentsPost

REGISTER = Path(__file__).parents[3] / "config" / "demo" / "workshop.toml"
NOW_US = START_US + 2 * HOUR_US + 120 * SECOND_US


def now() -> int:
    return NOW_US


def readings() -> Block:
    """Two hours of lathe-02: states, counters and link each 4 s, a spindle whose bearing wears in the second hour."""
    seen = range(0, 7300, 4)
    rows = []
    for second in seen:
        parts, scrap = second // 4, second // 80
        values = {"item_state": 3, "operation_mode": 3, "part_count": parts, "good_count": parts - scrap, "scrap_count": scrap,
                  "energy_import": 10 * second, "link_state": 1}
        rows += [reading(f"lathe-02/{name}", second, value) for name, value in values.items()]
    wearing = spindle(7300, wear_from_s=5000)
    wearing = msgspec.structs.replace(wearing, signals=[name.replace("lathe-01", "lathe-02") for name in wearing.signals])
    return concat([block(rows), wearing])


class Gateway(Running):
    """With the demo's register."""

    def scores(self) -> list[tuple[int, float]]:
        answer = self.get("/v1/readings", signal="lathe-02/bearing_score", from_us=START_US, to_us=NOW_US)
        return list(zip(answer["source_time_us"], answer["value"], strict=True))

    def components(self, indicator: str) -> list[Components]:
        rows = msgspec.convert(self.get("/v1/components", indicator=indicator, from_us=START_US, to_us=NOW_US), ComponentsPost).rows
        return [msgspec.convert(row.components, Components) for row in rows if row.end_us - row.start_us == HOUR_US]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    running = Gateway(tmp_path, REGISTER, now)
    running.start()
    yield running
    running.close()


async def test_components_and_scores_arrive_once(gateway: Gateway, tmp_path: Path) -> None:
    data, key = readings(), SigningKey.create()
    gateway.deliver(data)
    token = gateway.enrol("analytics", Provenance.DERIVED, key)
    settings = ServiceSettings(gateway.url, token, tmp_path / "analytics", tick_s=0.1, fit_s=1800)
    register = parse_register(REGISTER.read_text(encoding="utf-8"), "workshop.toml")
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, key=key, clock=now, stop=stop))
    last_end_us = START_US + 7260 * SECOND_US

    def scored() -> bool:
        live = {row["signal"]: row for row in gateway.get("/v1/latest")["readings"]}
        return live.get("lathe-02/bearing_score", {"source_time_us": 0})["source_time_us"] == last_end_us

    machines = sum(map(load_indicators()["quality_ratio"].applies, register.equipment))
    await until(lambda: len(gateway.components("quality_ratio")) == 2 * machines, "components of both hours")
    await until(scored, "the newest score, live")
    stop.set()
    await asyncio.wait_for(task, PATIENCE_S)

    window = Window(START_US, START_US + 2 * HOUR_US)
    for indicator in load_indicators().values():
        expected = components_of(indicator, register, data, window)
        assert gateway.components(indicator.id) == sorted(expected, key=lambda item: (item.equipment, item.start_us))
    assert {row["edge"]: row["provenance"] for row in gateway.get("/v1/edges")} == {"edge-1": "simulated", "analytics": "derived"}
    await until(lambda: gateway.scores() and gateway.scores()[-1][0] == last_end_us, "scores in the engine")
    scores = gateway.scores()
    assert all(value < 0.9 for end, value in scores if end < START_US + 5000 * SECOND_US)
    assert scores[-1][1] > 0.7
    assert len({end for end, _ in scores}) == len(scores)

    # What a restart would do: nothing again.
    engine, api = open_engine(EngineSettings(gateway.url, token)), ServiceApi(gateway.url, token)
    hours = Hours(api, engine, register, list(load_indicators().values()))
    hours.measure_due(NOW_US)
    assert hours.posted == 0
    bearings = Bearings(engine, register, fit_us=1800 * SECOND_US, file=settings.data / "bearings.json")
    assert len(bearings.scores({"lathe-02/bearing_score": last_end_us + 1}, NOW_US)) == 0
    assert len(bearings.scores({}, NOW_US)) > 0

    # Late readings: once the next hour has ended, the hours that they touch are measured again.
    gateway.deliver(block([reading("cnc-01/good_count", 100, 5), reading("cnc-01/good_count", 104, 9)]), "edge-2")
    await until(lambda: gateway.get("/v1/count")["rows"] > len(data) + len(scores), "late readings in the engine")
    hours.measure_due(NOW_US + HOUR_US)
    found = {(item.equipment, item.start_us): item.values["good"] for item in gateway.components("defect_rate")}
    assert found["cnc-01", START_US] == 4

    # Later still: the hours that late readings touch are measured again, however old they are, and no others.
    for ahead in range(2, 8):
        hours.measure_due(NOW_US + ahead * HOUR_US)
    late = Late(api, tmp_path / "looked.json")
    late.look([hours], NOW_US + 8 * HOUR_US)
    late.confirm()
    before = hours.posted
    hours.measure_due(NOW_US + 7 * HOUR_US)
    assert hours.posted == before, "nothing new"
    rows_now = gateway.get("/v1/count")["rows"]
    gateway.deliver(block([reading("cnc-01/good_count", 200, 12), reading("cnc-01/good_count", 204, 15)]), "edge-3")
    await until(lambda: gateway.get("/v1/count")["rows"] > rows_now, "very late readings in the engine")
    late = Late(api, tmp_path / "looked.json")  # as after a restart
    late.look([hours], NOW_US + 8 * HOUR_US)
    hours.measure_due(NOW_US + 7 * HOUR_US)
    late.confirm()
    found = {(item.equipment, item.start_us): item.values["good"] for item in gateway.components("defect_rate")}
    assert found["cnc-01", START_US] == 10
    assert 0 < hours.posted - before <= 2 * len(load_indicators()), "one machine in the hour and the one after it"
    before = hours.posted
    late.look([hours], NOW_US + 8 * HOUR_US)
    hours.measure_due(NOW_US + 7 * HOUR_US)
    assert hours.posted == before
    engine.close()
    api.close()


async def test_without_a_gateway_it_waits_and_stops_cleanly(tmp_path: Path) -> None:
    settings = ServiceSettings("http://127.0.0.1:9", "none", tmp_path / "analytics", tick_s=0.05)
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, key=SigningKey.create(), clock=now, stop=stop))
    journal = tmp_path / "analytics" / "journal.sqlite"
    await until(journal.exists, "its journal")
    file = tmp_path / "analytics" / "status.json"

    def said() -> ServiceStatus:
        return msgspec.json.decode(file.read_bytes(), type=ServiceStatus)

    await until(lambda: file.exists() and said().rounds > 1 and said().trouble, "it says that it gets on, and why it can do nothing")
    assert not said().stopped
    stop.set()
    await asyncio.wait_for(task, PATIENCE_S)
    assert said().stopped and "cannot go on" in said().trouble


async def test_a_round_that_hangs_makes_an_old_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chejian.service_status.EVERY_S", 0.01)
    monkeypatch.setattr("chejian.service_status.LONGEST_ROUND_S", 0.05)
    clock = iter(range(1, 10**9))
    heartbeat = Heartbeat(tmp_path / "status.json", lambda: next(clock))
    task = asyncio.create_task(heartbeat.run())

    def time_us() -> int:
        return msgspec.json.decode((tmp_path / "status.json").read_bytes(), type=ServiceStatus).time_us

    await until((tmp_path / "status.json").exists, "written")
    first = time_us()
    await until(lambda: time_us() > first, "and again")
    heartbeat.begin()
    seen = [time_us()]

    def still() -> bool:
        seen.append(time_us())
        return len(seen) > 20 and seen[-1] == seen[-20]

    await until(still, "nothing more while the round hangs")
    heartbeat.end("")
    await until(lambda: time_us() > seen[-1], "it goes on")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
