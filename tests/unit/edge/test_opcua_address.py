"""Addresses as people write them: identifiers, browse paths, members; units and ranges beside the register's."""

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from edge.opcua.address import NAMESPACES, NodeAddress, parse_node, write_node
from edge.opcua.units import Stated, disagreement, stated
from workshop.errors import ConfigError

CELL = {"cell": "urn:example:cell"}
OBJECTS = ("", "Objects")


@pytest.mark.parametrize(("text", "address"), [
    ("nsu=urn:x;s=a=b;c", NodeAddress("urn:x", "a=b;c")),
    ("nsu=http://x/%3By%25/;i=7", NodeAddress("http://x/;y%/", 7)),
    ("nsu=urn:x;s=Axes#[2].Load", NodeAddress("urn:x", "Axes", member=(2, "Load"))),
    ("nsu=urn:x;s=A#Position.X", NodeAddress("urn:x", "A", member=("Position", "X"))),
    ("nsu=urn:x;s=A#B[1][2]", NodeAddress("urn:x", "A", member=("B", 1, 2))),
    ("nsu=urn:x;s=A##1", NodeAddress("urn:x", "A#1")),
    ("nsu=urn:x;s=A##1#Load", NodeAddress("urn:x", "A#1", member=("Load",))),
    ("/Objects/machinery:Machines/cell:cnc-01", NodeAddress("", 84, (OBJECTS, (NAMESPACES["machinery"], "Machines"), (CELL["cell"], "cnc-01")))),
    ("/Objects/nsu=http://x/y/;Machines/nsu=urn:z;a&/b", NodeAddress("", 84, (OBJECTS, ("http://x/y/", "Machines"), ("urn:z", "a/b")))),
    ("/Objects/a&:b#[0]", NodeAddress("", 84, (OBJECTS, ("", "a:b")), (0,))),
])
def test_what_an_address_means(text: str, address: NodeAddress) -> None:
    assert parse_node(text, "edge.toml", CELL) == address


@pytest.mark.parametrize(("text", "said"), [
    ("/Objects/2:Machines", "an index holds only for one run"), ("/Objects/mill:x", "no short name 'mill'; there are cell, cnc, di"),
    ("/", "empty name"), ("/Objects//x", "empty name"), ("/Objects/x&", "& at its end"), ("/Objects/nsu=urn:x;", "empty name"),
    ("nsu=urn:x;s=A#", "names no member"), ("nsu=urn:x;s=A#[x]", "names no member"), ("nsu=urn:x;s=A#B]", "## for a #"), ("i=-1", "not a node id"),
    ("i=4294967296", "not a node id"), ("ns=2;s=x", "an index holds only for one run"), ("#x", "not a node id"), ("b=?", "b="),
    ("g=1", "badly formed"),
])
def test_what_is_no_address_and_why(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_node(text, "edge.toml: source 'cell'", CELL)
    assert said in str(caught.value) and str(caught.value).startswith("edge.toml: source 'cell'")


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_any_identifier_can_be_written_and_read(uri: str, name: str) -> None:
    assert parse_node(write_node(uri, "s", name), "w") == NodeAddress(uri, name)


@given(st.one_of(st.text(max_size=40), st.text("/#&:;=nsu[].ab0", max_size=40).map(lambda text: "/" + text)))
def test_any_text_is_an_address_or_a_config_error(text: str) -> None:
    try:
        address = parse_node(text, "w")
    except ConfigError:
        return
    assert all(name for _, name in address.steps) and all(step != "" for step in address.member)


def units(text: str, code: str = "") -> ua.EUInformation:
    return ua.EUInformation("u", int.from_bytes(code.encode(), "big") if code else -1, ua.LocalizedText(text), ua.LocalizedText(text))


@pytest.mark.parametrize(("said", "unit", "words"), [
    (stated(units("x", "CEL"), None), "Cel", ""), (stated(units("°C"), None), "Cel", ""), (stated(units("{part}"), None), "{part}", ""),
    (stated(units("", "C62"), None), "{part}", ""), (stated(None, None), "%", ""), (stated("text", 7), "%", ""),
    (stated(units("", "FAH"), None), "Cel", "'[degF]', the register's 'Cel'"), (stated(units("", "KWT"), None), "W", "'kW', the register's 'W'"),
    (stated(units("W"), None), "", "the register's 'none'"), (stated(units("furlong"), None), "m", "'furlong' is not one that we know"),
    (stated(units("", "P1"), ua.Range(0.0, 1.0)), "%", "looks like a share of one"), (stated(units("", "P1"), ua.Range(0.0, 200.0)), "%", ""),
    (stated(units("", "P1"), ua.Range(5.0, 5.0)), "%", ""),
])
def test_units_and_ranges_are_held_against_the_register(said: Stated, unit: str, words: str) -> None:
    found = disagreement(said, unit)
    assert words in found if words else found == ""
