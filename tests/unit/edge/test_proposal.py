"""From names and types to proposals: which role, which of several variables, which text in which file."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import check_edge, load_edge
from edge.discovery.found import Machine, Variable, id_for, merge, safe, slug
from edge.discovery.proposal import propose
from edge.discovery.texts import edge_text, register_text
from edge.discovery.vocabulary import ROLES, role_named
from tests.unit.edge.rig import EQUIPMENT, HEAD, REGISTER, register_of
from workshop.register import EQUIPMENT_ID
from workshop.register_file import parse_register
from workshop.signal import SignalKind

EDGE = HEAD.replace("{gateway}", "http://g").replace("{drain_s}", "1")
SOURCE = {"name": "mill-host", "protocol": "opcua", "url": "opc.tcp://mill:4840/", "security": "None"}


def variable(name: str, value: object = 1, role: str = "", period_s: float | None = 1.0, unit: str = "", prefix: str = "x.") -> Variable:
    return Variable(f"nsu=urn:x;s={prefix}{name}", name, value, unit, role=role, period_s=period_s)


MILL = Machine("mill-7", "Mill 7", "machining_centre", True, "SN-7", 'M"x', "VMC", [
    variable("SpindleLoad", 1.5, unit="%"), variable("PartCount", 3), variable("ItemState", 3),
    variable("Number", 3, "item_state", None, prefix="std."),
    variable("Power", "text"), variable("Program", "O1"), variable("P{7}", 1.0, role="spindle_speed"), variable("Colour", "red"),
])


@pytest.mark.parametrize(("name", "role"), [
    ("SpindleLoad", "spindle_load"), ("spindle_load", "spindle_load"), ("CNC1.SPINDLE_LOAD", "spindle_load"), ("S_Load", "spindle_load"),
    ("主轴负载", "spindle_load"), ("cnc.产量", "produced_count"), ("OK_Count", "good_count"), ("ActFeedrate", "feed_rate"), ("Colour", ""), ("", ""),
    ("energyImport", "energy_import"), ("PartsProducedInLifetime", "produced_count"), ("AlarmCode", "alarm"), ("spindle", ""),
])
def test_names_tell_roles(name: str, role: str) -> None:
    assert role_named(name) == role


@pytest.mark.parametrize(("names", "id_"), [
    (("CNC 01 / Halle A",), "cnc-01-halle-a"), (("加工中心1号", "", "SN-7"), "sn-7"), (("加工中心1号", ""), "machine-1"), (("铣床", ""), "machine"),
])
def test_names_become_ids(names: tuple[str, ...], id_: str) -> None:
    assert id_for(*names) == id_


def test_every_word_tells_one_role_only() -> None:
    words = [word for role in ROLES.values() for word in role.words]
    assert len(words) == len(set(words))
    assert all(role_named(word) == role.role for role in ROLES.values() for word in role.words)


def test_the_best_variable_of_a_role_is_chosen_and_the_others_are_named() -> None:
    (proposal,) = propose([MILL], register_of("cnc-01"))
    choices = {choice.signal.role: choice for choice in proposal.choices}
    assert set(choices) == {"spindle_load", "produced_count", "item_state", "program"}
    assert choices["item_state"].address.endswith("std.Number"), "a maker's own numbers mean nothing to the register"
    assert "x.ItemState" in choices["item_state"].remark
    assert choices["item_state"].signal.max_age_s == 86_400 and choices["spindle_load"].signal.max_age_s == 5
    assert choices["spindle_load"].signal.kind is SignalKind.GAUGE and choices["spindle_load"].signal.unit == "%"
    assert any("str is no gauge" in remark for remark in proposal.remarks) and any("brace" in remark for remark in proposal.remarks)


def test_a_new_machine_is_proposed_so_that_both_files_are_accepted() -> None:
    text = REGISTER + EQUIPMENT.replace("{id}", "cnc-01")
    register = parse_register(text, "w.toml")
    proposals = propose([MILL, msgspec.structs.replace(MILL, id="mill-8")], register)
    new, by_hand = register_text(text, proposals, register, source="opc.tcp://mill:4840/", day="2026-11-22")
    assert by_hand == []
    revised = parse_register(new, "w.toml")
    item = revised.find("mill-7")
    assert item is not None and item.serial_number == "SN-7" and item.manufacturer == 'M"x' and item.signal("link_state") is not None
    changed, remarks = edge_text(EDGE, proposals, load_edge(EDGE, "e.toml", may_be_empty=True), SOURCE, found_at="opc.tcp://mill:4840/")
    settings = load_edge(changed, "e.toml")
    check_edge(settings, revised, "e.toml")
    assert remarks == [] and len(settings.source[0].equipment) == 2
    again, remarks = edge_text(changed, propose([MILL], revised), settings, SOURCE, found_at="x")
    assert again == changed and remarks == []
    assert register_text(new, propose([MILL], revised), revised, source="x", day="2026-11-23") == (new, [])


def test_a_machine_that_is_registered_gets_what_it_lacks() -> None:
    text = REGISTER + EQUIPMENT.replace("{id}", "mill-7") + "# about the next\n" + EQUIPMENT.replace("{id}", "cnc-01")
    register = parse_register(text, "w.toml")
    wear = Machine("mill-7", "m", "machine", variables=[variable("SpindleLoad", 1.5), variable("ToolNumber", 4), variable("Power", 5.0)])
    for found in (wear, msgspec.structs.replace(wear, id="other", serial_number="mill-7")):
        proposals = propose([found], register)
        assert [proposal.equipment for proposal in proposals] == ["mill-7"], "found by its id or its serial number"
        revised = parse_register(register_text(text, proposals, register, source="x", day="2026-11-22")[0], "w.toml")
        item = revised.find("mill-7")
        assert item is not None and [signal.role for signal in item.signals[-2:]] == ["tool_number", "active_power"]
        assert revised.find("cnc-01") == register.find("cnc-01")
    more = propose([Machine("mill-7", "m", variables=[variable("AlarmCode", 4)])], revised)
    new, _ = register_text(text, proposals, register, source="x", day="d")
    last = parse_register(register_text(new, more, revised, source="x", day="d")[0], "w.toml")
    assert len([signal for item in last.equipment if item.id == "mill-7" for signal in item.signals]) == 8


@pytest.mark.parametrize("own", [
    'signals = [{ name = "tool", role = "tool_number", kind = "state" }]\n',
    '[[equipment.signals]]\nname = "tool"\nrole = "tool_number"\nkind = "state"\n',
])
def test_a_register_in_another_style_is_left_to_a_person(own: str) -> None:
    text = REGISTER.replace('id = "milling"', 'id = "mill-7"') + EQUIPMENT.replace("{id}", "mill-7").replace('"milling"', '"mill-7"') + own
    register = parse_register(text, "w.toml")
    proposals = propose([Machine("mill-7", "m", variables=[variable("Power", 5.0)])], register)
    changed, remarks = register_text(text, proposals, register, source="x", day="d")
    assert changed == text and len(remarks) == 1 and 'role = "active_power"' in remarks[0]


def test_a_source_that_reads_the_machine_already_gets_addresses_or_a_remark() -> None:
    source = """
[[source]]
name = "cell"
protocol = "opcua"
url = "opc.tcp://mill:4840/"
security = "None"
equipment = [{ id = "mill-7", map = "cnc" }]
[source.map.cnc]
load = "nsu=urn:x;s=x.SpindleLoad"
# about the next
[retry]
first_s = 1
"""
    register = register_of("mill-7", "mill-8")
    text = EDGE.replace("[retry]\nfirst_s = 0.05\nmax_s = 0.1\n", "") + source
    proposals = propose([MILL], register)
    changed, remarks = edge_text(text, proposals, load_edge(text, "e"), SOURCE, found_at="x")
    block = load_edge(changed, "e").source[0]
    assert remarks == [] and {"load", "parts", "program", "state"} == set(block.map["cnc"])
    shared = text.replace('[{ id = "mill-7", map = "cnc" }]', '[{ id = "mill-7", map = "cnc" }, { id = "mill-8", map = "cnc" }]')
    changed, remarks = edge_text(shared, proposals, load_edge(shared, "e"), SOURCE, found_at="x")
    assert changed == shared and "add to its map 'cnc' by hand: parts, state, program" in remarks[0]


def test_what_shows_itself_twice_is_one_machine() -> None:
    plain = Machine("mill-7", "mill-7", variables=[variable("Power", 1.0)])
    (one,) = merge([plain, msgspec.structs.replace(MILL, variables=[])])
    assert one.is_modelled and [each.name for each in one.variables] == ["Power"]


@given(st.text(max_size=80), st.text(max_size=30))
def test_names_from_outside_never_break_a_file(name: str, value: str) -> None:
    machine = Machine(slug(name) or "m", safe(name), "machine", True, safe(value), safe(value), safe(name), [Variable("nsu=urn:x;s=a", "Power", 1.0)])
    register = register_of("cnc-01")
    if not EQUIPMENT_ID.fullmatch(machine.id):
        return
    text = REGISTER + EQUIPMENT.replace("{id}", "cnc-01")
    revised = parse_register(register_text(text, propose([machine], register), register, source="x", day="2026-11-22")[0], "w.toml")
    item = revised.find(machine.id)
    assert item is not None and item.model == safe(name) and item.serial_number == safe(value)
