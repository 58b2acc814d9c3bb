"""edge-*.toml: what it says, and what it answers to what it may not say."""

from pathlib import Path

import pytest

from edge.config import check_edge, check_provenance, load_edge, source_context
from tests.unit.edge.rig import HEAD, register_of
from workshop.batch import Provenance
from workshop.errors import ConfigError
from workshop.register_file import parse_register

DEMO = Path(__file__).parents[3] / "config" / "demo"
SOURCE = """
[[source]]
name = "cell"
protocol = "opcua"
url = "opc.tcp://127.0.0.1:4840/"
security = "None"
equipment = [{ id = "cnc-01", map = "cnc" }]
[source.map.cnc]
load = "nsu=urn:x;s={equipment}.Load"
"""
MQTT = """
[[source]]
name = "broker"
protocol = "mqtt"
host = "127.0.0.1"
equipment = [{ id = "cnc-02", map = "robot" }]
[source.map.robot]
load = "plant/{equipment}/state#load"
[source.payload.robot]
time = "ts"
time_format = "ms"
"""


def check(text: str) -> None:
    settings = load_edge(HEAD.replace("{gateway}", "http://g").replace("{drain_s}", "1") + text, "edge-1.toml")
    check_edge(settings, register_of("cnc-01", "cnc-02"), "edge-1.toml")


def test_the_demo_fits_its_register() -> None:
    register = parse_register((DEMO / "workshop.toml").read_text(), "workshop.toml")
    settings = load_edge((DEMO / "edge-1.toml").read_text(), "edge-1.toml")
    check_edge(settings, register, "edge-1.toml")
    mapped = [signal for block in settings.source for signal in source_context(settings, block, register, "edge-1.toml", clock=lambda: 0).signals]
    assert {signal.id for signal in mapped} == {name for name, _, signal in register.signals() if signal.origin == "machine"}
    assert next(signal.address for signal in mapped if signal.id == "cnc-01/spindle_load") == "nsu=urn:chejian:demo:cnc;s=cnc-01.SpindleLoad"


@pytest.mark.parametrize(("text", "said"), [
    (SOURCE.replace("load =", "loat ="), "edge-1.toml: source 'cell': equipment 'cnc-01': signal 'loat' .* there are load, parts, program, state"),
    (SOURCE.replace("load =", "link_state ="), "signal 'link_state' is not one that the register expects from the machine"),
    (SOURCE.replace("cnc-01", "cnc-09"), "equipment 'cnc-09' is not in the register; there are cnc-01, cnc-02"),
    (SOURCE.replace('map = "cnc"', 'map = "cmc"'), "no map 'cmc'; there are cnc"),
    (SOURCE.replace("{equipment}", "{machine}"), r"no placeholder \{machine\}; there are \{equipment\}, \{signal\}"),
    (SOURCE.replace('"opcua"', '"opcua2"'), "no protocol 'opcua2'; there are .*mqtt, .*opcua"),
    (SOURCE.replace('security = "None"', ""), 'security is not stated; write one of Basic256Sha256'),
    (SOURCE.replace('"None"', '"Basic128Rsa15"'), "security is 'Basic128Rsa15'; write one of Basic256Sha256, Aes128_Sha256_RsaOaep"),
    (SOURCE.replace('"None"', '"None"\nuser = "operator"'), "the user's password would travel openly"),
    (SOURCE.replace("opc.tcp://", "http://"), "should look like opc.tcp://"),
    (SOURCE.replace("127.0.0.1", "user:secret@127.0.0.1"), "without credentials"),
    (SOURCE.replace("nsu=urn:x;", "ns=2;"), "an index holds only for one run"),
    (SOURCE.replace("url =", "queue = 5\nurl ="), "queue"),
    (SOURCE + SOURCE.replace('"cell"', '"cell-2"'), "source 'cell-2': equipment 'cnc-01' is already read by source 'cell'"),
    (SOURCE + MQTT.replace('"broker"', '"cell"'), "source 'cell' stands twice"),
    (SOURCE.replace('equipment = [{ id = "cnc-01", map = "cnc" }]', "equipment = []"), "no .*source.equipment"),
    (SOURCE.replace('load = "nsu=urn:x;s={equipment}.Load"', ""), "map 'cnc' is empty"),
    (SOURCE.replace('name = "cell"', 'name = "Cell 1"'), "name"),
    ("", "no .*source"),
    (MQTT.replace("[source.payload.robot]", "[source.payload.other]"), r"map 'robot' has no \[source.payload.robot\]"),
    (MQTT.replace("#load", "#load["), "not a JMESPath expression"),
    (MQTT.replace("#load", ""), "write plant/"),
    (MQTT.replace("plant/", "plant/x+/"), r"'x\+': a wildcard or an open part is a whole level"),
    (MQTT.replace("plant/", "plant/line-{line}/"), r"'line-\{line\}': a wildcard or an open part is a whole level"),
    (MQTT.replace("plant/", "{area}/{area}/"), "a part stands twice; give each level its own name"),
    (MQTT.replace("#load", "#load.{area}"), "not a JMESPath expression"),
    (MQTT.replace('"cnc-02"', '"mill-*"'), r"no equipment of the register fits 'mill-\*' .*; there are cnc-01, cnc-02"),
    (MQTT.replace('"cnc-02"', '"*"').replace("load =", "loat ="), r"no equipment of the register fits '\*' and has a signal of map 'robot'"),
    (MQTT.replace('"cnc-02"', '"*"').replace("load =", 'loat = "{equipment}#x"\nload ='), "'loat' is not one that the register expects from any"),
    (MQTT.replace('"cnc-02"', '"*"').replace("{equipment}", "{machine}"), "belongs to cnc-01 and cnc-02; write {equipment} in it"),
    (MQTT.replace("load =", 'parts = "plant/{any}/state#n"\nload ='), "could be the same topic; write both with the same open parts"),
    (MQTT.replace('"ms"', '"minutes"'), "time_format"),
    (MQTT + 'boot = "boot"\n', "boot without sequence"),
    (MQTT.replace('[{ id = "cnc-02"', '[{ id = "cnc-01", map = "robot" }, { id = "cnc-02"').replace("{equipment}", "all"), "cnc-01 and cnc-02"),
    ("[seal]\nevery_s = 1\n", "is not TOML"),
])
def test_what_it_may_not_say(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        check(text)
    assert str(caught.value).startswith("edge-1.toml: ")


@pytest.mark.parametrize(("old", "new", "said"), [
    ("[seal]", "[saeal]", "unknown key `saeal`; the keys there are edge, provenance"),
    ("every_s = 0.3", "every_s = 0", r"\[seal\]"),
    ("every_s = 0.3", "every = 3", r"edge-1.toml: \[seal\]: unknown key `every`; the keys there are every_s, rows"),
    ('provenance = "simulated"', 'provenance = "real"', "provenance"),
    ('edge = "edge-1"', 'edge = "Edge 1"', "lower-case"),
    ('edge = "edge-1"', "", "missing key `edge`"),
    ('data = "run"', 'data = "run"\nmax_skew_s = 0', "max_skew_s"),
])
def test_wrong_keys_are_named_with_their_place(old: str, new: str, said: str) -> None:
    head = HEAD.replace("{gateway}", "http://g").replace("{drain_s}", "1")
    assert old in head
    with pytest.raises(ConfigError, match=said):
        load_edge(head.replace(old, new) + SOURCE, "edge-1.toml")


def test_good_settings_pass() -> None:
    check(SOURCE + MQTT)
    check(MQTT.replace("plant/", "plant/+/"))


def test_one_declaration_stands_for_every_machine_that_no_other_entry_names() -> None:
    text = SOURCE + MQTT.replace('"cnc-02"', '"cnc-*"').replace("plant/", "{site}/{area}/").replace(
        'map = "robot"', 'map = "robot", parts = { site = "north" }')
    settings = load_edge(HEAD.replace("{gateway}", "http://g").replace("{drain_s}", "1") + text, "edge-1.toml")
    register = register_of("cnc-01", "cnc-02", "cnc-03", "robot-01")
    check_edge(settings, register, "edge-1.toml")
    found = source_context(settings, settings.source[1], register, "edge-1.toml", clock=lambda: 0).signals
    shared = "north/{area}/{equipment}/state#load"
    assert [(one.id, one.address, one.pattern) for one in found] == [
        ("cnc-02/load", "north/{area}/cnc-02/state#load", shared), ("cnc-03/load", "north/{area}/cnc-03/state#load", shared),
    ]


def test_the_provenance_must_be_the_one_that_was_enrolled() -> None:
    settings = load_edge(HEAD.replace("{gateway}", "http://g").replace("{drain_s}", "1") + SOURCE, "edge-1.toml")
    check_provenance(settings, Provenance.SIMULATED, "edge-1.toml")
    said = r"^edge-1\.toml: provenance is 'simulated', but edge 'edge-1' is enrolled as 'plant'; write provenance = \"plant\""
    with pytest.raises(ConfigError, match=said):
        check_provenance(settings, Provenance.PLANT, "edge-1.toml")


def test_the_limit_of_clock_skew_has_a_default() -> None:
    head = HEAD.replace("{gateway}", "http://g").replace("{drain_s}", "1")
    assert load_edge(head + SOURCE, "edge-1.toml").max_skew_s == 300.0
    assert load_edge(head.replace('data = "run"', 'data = "run"\nmax_skew_s = 60') + SOURCE, "edge-1.toml").max_skew_s == 60.0
