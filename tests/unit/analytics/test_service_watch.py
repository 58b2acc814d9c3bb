"""The watch as part of the service, against a real gateway: derived readings once, each alert on record once, also over restarts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from analytics.maintenance.watch.finding import Finding
from analytics.maintenance.watch.record import MODEL, document_of
from analytics.maintenance.watch.settings import Costs, WatchSettings
from analytics.maintenance.watch.tools import ToolLeft
from chejian.service import ServiceSettings, run
from chejian.service_api import ServiceApi
from chejian.service_watch import Kept, Watches
from store.engines.gateway import GatewaySettings as EngineSettings
from store.engines.gateway import open_engine
from store.signing import SigningKey
from tests.unit.analytics.maintenance.lathe import DAY_US, SIGNALS, START_US, readings
from tests.unit.analytics.running import PATIENCE_S, Running, until
from workshop.batch import Provenance
from workshop.canonical import sha256_hex
from workshop.errors import ConfigError, NotConnected
from workshop.register_file import parse_register
from workshop.window import HOUR_US

DAYS = 2.5
WEAR = (1.3, 2.9, 2.0)
NOW_US = START_US + round(DAYS * DAY_US) + HOUR_US
SETTINGS = WatchSettings(learn_us=DAY_US, costs=Costs(failure=90_000.0, action=8_000.0, life_hour=5.0))
DERIVED = tuple(f"{name}{end}" for name in ("health", "anomaly", "remaining_life") for end in ("", "_low", "_high"))


def now() -> int:
    return NOW_US


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    lines = [f'  {{ name = "{s.name}", role = "{s.role}", kind = "{s.kind}", unit = "{s.unit}", max_age_s = 300 }},' for s in SIGNALS]
    lines += [f'  {{ name = "{name}", role = "{name}", kind = "gauge", origin = "derived" }},' for name in DERIVED]
    text = f"""
[workshop]
id = "w"
title_zh = "车间"
title_en = "Workshop"
enterprise = "E"
site = "s"
area = "a"
time_zone = "Asia/Shanghai"
[[processes]]
id = "turning"
title_zh = "车削"
title_en = "Turning"
[[equipment]]
id = "lathe-09"
title_zh = "车床"
title_en = "Lathe"
equipment_class = "lathe"
work_center = "cell"
serial_number = "SN"
digital = true
numerically_controlled = true
process = "turning"
rated_power_w = 15000
in_service_from = "2020-01-01"
signals = [
{chr(10).join(lines)}
  {{ name = "alert", role = "alert", kind = "text", origin = "derived" }},
  {{ name = "tool_plan", role = "tool_plan", kind = "text", origin = "derived" }},
]
"""
    register = tmp_path / "workshop.toml"
    register.write_text(text, encoding="utf-8")
    running = Running(tmp_path, register, now)
    running.start()
    yield running
    running.close()


async def test_alerts_are_on_record_once_with_their_evidence(gateway: Running, tmp_path: Path) -> None:
    gateway.deliver(readings(DAYS, wear=WEAR))
    key = SigningKey.create()
    token = gateway.enrol("analytics", Provenance.DERIVED, key)
    settings = ServiceSettings(gateway.url, token, tmp_path / "analytics", tick_s=0.1, watch=SETTINGS)
    last_us = NOW_US - HOUR_US

    def value(name: str) -> list[float | str]:
        return list(gateway.get("/v1/readings", signal=f"lathe-09/{name}", from_us=START_US, to_us=NOW_US + HOUR_US)["value"])

    def times(name: str) -> list[int]:
        return list(gateway.get("/v1/readings", signal=f"lathe-09/{name}", from_us=START_US, to_us=NOW_US)["source_time_us"])

    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, key=key, clock=now, stop=stop))
    await until(lambda: times("health")[-1:] == [last_us - HOUR_US // 12], "health up to the newest whole cell")
    await until(lambda: gateway.get("/v1/predictions"), "the alert on record")
    stop.set()
    await asyncio.wait_for(task, PATIENCE_S)

    (entry,) = gateway.get("/v1/predictions")
    assert entry["author"] == "edge:analytics"
    assert (entry["body"]["model"], entry["body"]["equipment"], entry["body"]["what"]) == (MODEL, "lathe-09", "bearing_wear")
    assert START_US + WEAR[0] * DAY_US < entry["body"]["from_us"] < START_US + WEAR[1] * DAY_US
    await until(lambda: value("alert"), "the document in the engine")
    (document,) = value("alert")
    # Whoever has log and document sees that the evidence is the one that was put on record.
    assert sha256_hex(str(document).encode()) == entry["body"]["digest"]
    finding = msgspec.json.decode(str(document), type=Finding)
    assert document_of(finding).decode() == document
    if finding.remaining_h is not None:
        assert 0 < float(finding.evidence["cost_of_acting"]) <= float(finding.evidence["cost_of_waiting"]) + 0.01
    for name in ("health", "anomaly", "remaining_life"):
        low, middle, high = (value(f"{name}{end}")[-1] for end in ("_low", "", "_high"))
        assert low <= middle <= high
    assert value("health")[-1] < 0.5
    (tool,) = msgspec.json.decode(str(value("tool_plan")[-1]), type=list[ToolLeft])
    # A tool makes 153 parts, six an hour.
    made = (times("tool_plan")[-1] - START_US) // (600 * 1_000_000)
    assert tool.tool == 2
    assert tool.parts[1] <= 1 / 0.0065 - made % (1 / 0.0065) <= tool.parts[2]
    assert len(times("health")) == len(set(times("health")))

    # A crash that lost the states: the same again, and nothing twice.
    (settings.data / "watch.json").unlink()
    task = asyncio.create_task(run(settings, key=key, clock=now, stop=(again := asyncio.Event())))

    def scored() -> bool:
        file = settings.data / "watch.json"
        return file.exists() and msgspec.json.decode(file.read_bytes(), type=Kept).states["lathe-09"].fed_us == last_us - HOUR_US // 12
    await until(scored, "everything scored again")
    again.set()
    await asyncio.wait_for(task, PATIENCE_S)
    assert len(gateway.get("/v1/predictions")) == 1
    assert len(times("health")) == len(set(times("health")))


def test_a_gateway_that_is_away_costs_nothing(gateway: Running, tmp_path: Path) -> None:
    gateway.deliver(readings(DAYS, wear=WEAR))
    token = gateway.enrol("analytics", Provenance.DERIVED, SigningKey.create())
    engine, api = open_engine(EngineSettings(gateway.url, token)), ServiceApi(gateway.url, token)
    away = ServiceApi("http://127.0.0.1:9", token)
    register = api.register(NOW_US)
    watches = Watches(engine, away, register, SETTINGS, tmp_path)
    for _ in range(8):
        watches.round({}, NOW_US)
        try:
            watches.confirm()
        except NotConnected:
            break
    else:
        pytest.fail("no alert was told")
    # An alert that the gateway refuses does not keep the others.
    kept = msgspec.json.decode((tmp_path / "watch.json").read_bytes(), type=Kept)
    kept.outbox.insert(0, msgspec.structs.replace(kept.outbox[0], equipment="ghost"))
    (tmp_path / "watch.json").write_bytes(msgspec.json.encode(kept))
    # Another process goes on from the file, and the gateway is back.
    later = Watches(engine, api, register, SETTINGS, tmp_path)
    later.confirm()
    assert later.posted == 1
    lines = [msgspec.json.decode(line) for line in (tmp_path / "alerts.jsonl").read_bytes().splitlines()]
    assert [(line["finding"]["equipment"], line["index"] is None) for line in lines] == [("ghost", True), ("lathe-09", False)]
    assert [row["body"]["what"] for row in gateway.get("/v1/predictions")] == ["bearing_wear"]
    engine.close()
    api.close()
    away.close()


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00\xff", b'{"settings": {}, "states": {"a": 1}}'])
def test_a_file_that_is_none_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "watch.json").write_bytes(content)
    engine, api = open_engine(EngineSettings("http://127.0.0.1:9", "t")), ServiceApi("http://127.0.0.1:9", "t")
    register = parse_register((Path(__file__).parents[3] / "config/demo/workshop.toml").read_bytes(), "workshop.toml")
    with pytest.raises(ConfigError, match="move it away"):
        Watches(engine, api, register, SETTINGS, tmp_path)
    (tmp_path / "watch.json").write_bytes(msgspec.json.encode(Kept(WatchSettings(learn_us=5))))
    with pytest.raises(ConfigError, match="other settings"):
        Watches(engine, api, register, SETTINGS, tmp_path)
