"""The register: what a person writes, its digest, and a message with file and key for every mistake."""

from pathlib import Path

import msgspec
import pytest

from workshop.canonical import canonical_json, sha256_hex
from workshop.errors import ConfigError
from workshop.register import Workshop
from workshop.register_file import check_register, parse_register

TEXT = """
[workshop]
id = "w1"
title_zh = "一号车间"
title_en = "Workshop 1"
enterprise = "E"
site = "S"
area = "A"
time_zone = "Asia/Shanghai"
[[processes]]
id = "turning"
title_zh = "车削"
title_en = "Turning"
key = true
[[shifts]]
name = "day"
start = "08:00"
end = "20:00"
[[tariff]]
name = "flat"
start = "00:00"
end = "00:00"
price = "0.62"
[signal_sets]
lathe = [
  { name = "load", role = "spindle_load", kind = "gauge", unit = "%", deadband = "0.5" },
  { name = "parts", role = "good_count", kind = "counter" },
]
[[equipment]]
id = "cnc-01"
title_zh = "车床"
title_en = "Lathe"
equipment_class = "lathe"
work_center = "line-1"
serial_number = "SN-1"
digital = true
numerically_controlled = true
process = "turning"
rated_power_w = 7500
ideal_cycle_ms = 30000
in_service_from = "2024-02-29"
signal_set = "lathe"
signals = [ { name = "temp", role = "temperature", kind = "gauge" } ]
"""


def test_a_register_is_read_with_its_signal_sets() -> None:
    workshop = parse_register(TEXT, "workshop.toml")
    assert [name for name, _, _ in workshop.signals()] == ["cnc-01/load", "cnc-01/parts", "cnc-01/temp"]
    item = workshop.find("cnc-01")
    assert item is not None and workshop.find("cnc-02") is None
    assert workshop.signals_with_role("good_count") == [(item, item.signals[1])] and item.signal("temperature") == item.signals[2]
    assert item.signal("nothing") is None and workshop.currency == "CNY"
    assert parse_register(TEXT.encode(), "workshop.toml") == workshop


def test_the_register_of_the_demo_is_read() -> None:
    file = Path(__file__).parents[3] / "config" / "demo" / "workshop.toml"
    assert parse_register(file.read_bytes(), file.name).equipment


def test_the_digest_is_that_of_the_canonical_json_with_defaults() -> None:
    workshop = parse_register(TEXT, "workshop.toml")
    data = canonical_json(workshop)
    assert workshop.digest == sha256_hex(data) and b'"currency":"CNY"' in data and b'"max_age_s":10' in data
    assert msgspec.json.decode(data, type=Workshop) == workshop
    assert parse_register(TEXT.replace('name = "flat"', 'name = "level"'), "x").digest != workshop.digest
    assert parse_register(TEXT.replace('area = "A"', 'area = "A"\ncurrency = "CNY"'), "x").digest == workshop.digest


@pytest.mark.parametrize(("old", "new", "words"), [
    ("[workshop]", "[workshop", "workshop.toml"),
    ('area = "A"', 'area = "A"\ncolour = "red"', "no key 'colour'"),
    ('area = "A"', "", "lacks the key 'area'"),
    ("digital = true", "digital = true\ndigitised = true", "digitised"),
    ("digital = true", 'digital = "yes"', "digital"),
    ("Asia/Shanghai", "Asia/Peking2", "not an IANA zone"),
    ("Asia/Shanghai", "../../etc/passwd", "not an IANA zone"),
    ('signal_set = "lathe"', 'signal_set = "mill"', "no signal set 'mill'; there are lathe"),
    ('process = "turning"', 'process = "milling"', "no process 'milling'; there are turning"),
    ('id = "cnc-01"', 'id = "CNC 01"', "lower-case"),
    ('name = "temp"', 'name = "Temp"', "lower-case"),
    ('name = "temp"', 'name = "load"', "stands twice"),
    ('role = "temperature"', 'role = "good_count"', "role 'good_count' stands twice"),
    ('kind = "counter"', 'kind = "counter", deadband = "1"', "would lose facts"),
    ('deadband = "0.5"', 'deadband = "half"', "not a decimal"),
    ('deadband = "0.5"', 'deadband = "-1"', "not a decimal"), ('deadband = "0.5"', 'deadband = "101%"', "not a decimal"),
    ('deadband = "0.5"', 'deadband = "%"', "not a decimal"),
    ('role = "temperature"', 'role = "temperature", max_age_s = 0', "max_age_s"),
    ("2024-02-29", "2023-02-29", "not a date"),
    ("2024-02-29", "20240229", "not a date"),
    ('"2024-02-29"', '"2024-02-29"\nin_service_to = "2024-02-28"', "before in_service_from"),
    ("rated_power_w = 7500", "rated_power_w = -1", "rated_power_w"),
    ("ideal_cycle_ms = 30000", "ideal_cycle_ms = 0", "ideal_cycle_ms"),
    ('start = "08:00"', 'start = "8:00"', "not HH:MM"),
    ('end = "20:00"', 'end = "24:00"', "not HH:MM"),
    ('end = "20:00"', 'end = "20:00"\ndays = [0]', "weekdays"),
    ('end = "20:00"', 'end = "20:00"\ndays = []', "weekdays"),
    ('price = "0.62"', 'price = "cheap"', "not a decimal number"),
    ('price = "0.62"', 'price = "-1"', "at least 0"),
    ('price = "0.62"', 'price = "NaN"', "not a finite number"),
    ("[[shifts]]", '[[processes]]\nid = "turning"\ntitle_zh = "x"\ntitle_en = "x"\n[[shifts]]', "process stands twice"),
])
def test_mistakes_are_named(old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        parse_register(TEXT.replace(old, new, 1), "workshop.toml")
    assert str(error.value).startswith("workshop.toml: ")


def test_an_empty_register_and_doubled_equipment_are_refused() -> None:
    workshop = parse_register(TEXT, "workshop.toml")
    with pytest.raises(ConfigError, match="undefined"):
        check_register(msgspec.structs.replace(workshop, equipment=()))
    with pytest.raises(ConfigError, match="stands twice"):
        check_register(msgspec.structs.replace(workshop, equipment=workshop.equipment * 2))
    with pytest.raises(ConfigError, match="utf-8"):
        parse_register(b"\xff\xfe", "workshop.toml")
