"""Members of arrays and structures: right for every layout, and refused with a reason for every damage."""

from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import pack_uatype
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.opcua.structures import STRUCTURE, Field, Layout, Layouts, decode, pick
from workshop.errors import Rejected

AXIS = Layout((Field("Load", 11), Field("Name", 12)))
MACHINE = Layout((Field("Axes", STRUCTURE, "axis", is_array=True), Field("Parts", 7), Field("Extra", 4, is_optional=True)), has_optional=True)
LAYOUTS = Layouts({"axis": AXIS, "machine": MACHINE, "loop": Layout((Field("Inside", STRUCTURE, "loop"),))}, {"ns=2;i=5": "machine"})
KINDS: dict[int, st.SearchStrategy[Any]] = {
    1: st.booleans(), 3: st.integers(0, 255), 4: st.integers(-(2**15), 2**15 - 1), 6: st.integers(-(2**31), 2**31 - 1), 9: st.integers(0, 2**64 - 1),
    11: st.floats(allow_nan=False), 12: st.one_of(st.none(), st.text(max_size=8)), 15: st.one_of(st.none(), st.binary(max_size=8)),
}


def machine(axes: list[tuple[float, str]], parts: int, extra: int | None) -> ua.Variant:
    body = (0 if extra is None else 1).to_bytes(4, "little") + len(axes).to_bytes(4, "little")
    for load, name in axes:
        body += pack_uatype(ua.VariantType.Double, load) + pack_uatype(ua.VariantType.String, name)
    body += parts.to_bytes(4, "little") + (b"" if extra is None else extra.to_bytes(2, "little", signed=True))
    return ua.Variant(ua.ExtensionObject(ua.NodeId(5, 2), body), ua.VariantType.ExtensionObject)


ONE = machine([(1.5, "X"), (2.5, "Y")], 7, None)


@pytest.mark.parametrize(("value", "member", "found"), [
    (ONE, ("Axes", 1, "Load"), ua.Variant(2.5, ua.VariantType.Double)), (ONE, ("Axes", 0, "Name"), ua.Variant("X", ua.VariantType.String)),
    (ONE, ("Parts",), ua.Variant(7, ua.VariantType.UInt32)), (ONE, ("Extra",), ua.Variant()),
    (machine([], 7, -3), ("Extra",), ua.Variant(-3, ua.VariantType.Int16)),
    (ua.Variant([1, 2], ua.VariantType.Byte), (1,), ua.Variant(2, ua.VariantType.Byte)),
    (ua.Variant([[1, 2], [3, 4]], ua.VariantType.Int64), (1, 0), ua.Variant(3, ua.VariantType.Int64)),
    (ua.Variant(ua.Range(1.0, 5.0), ua.VariantType.ExtensionObject), ("High",), ua.Variant(5.0, ua.VariantType.Double)),
    (ua.Variant(ua.LocalizedText("Running"), ua.VariantType.LocalizedText), ("Text",), ua.Variant("Running", ua.VariantType.String)),
    (ua.Variant(None, ua.VariantType.ExtensionObject), ("X",), ua.Variant()), (None, (0,), ua.Variant()),
])
def test_the_member_that_an_address_declares(value: ua.Variant | None, member: tuple[str | int, ...], found: ua.Variant) -> None:
    assert pick(value, member, LAYOUTS) == found


@pytest.mark.parametrize(("value", "member", "said"), [
    (ONE, ("Axes", 9, "Load"), "has 2 elements, and no [9]"), (ONE, ("Axes",), "is an array: say which element"),
    (ONE, ("Axes", 0), "say which field"),
    (ONE, ("Speed",), "no field 'Speed'; there are Axes, Parts"), (ONE, ("Parts", "X"), "is not a structure"), (ONE, (0,), "is not an array"),
    (ua.Variant(1.5, ua.VariantType.Double), ("X",), "is not a structure"), (ONE, ("Axes", "Load"), "is an array: say which element"),
    (ua.Variant(ua.ExtensionObject(ua.NodeId(9, 2), b""), ua.VariantType.ExtensionObject), ("X",), "does not describe"),
])
def test_what_there_is_not(value: ua.Variant, member: tuple[str | int, ...], said: str) -> None:
    with pytest.raises(Rejected) as caught:
        pick(value, member, LAYOUTS)
    assert said in str(caught.value)


def test_a_layout_that_contains_itself_ends() -> None:
    with pytest.raises(Rejected, match="nests too deeply"):
        decode("loop", bytes(1000), LAYOUTS)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Layout, dict[str, Any], bytes]:
    """A flat layout, values for it, and their bytes."""
    fields, values, body = [], {}, b""
    for number in range(draw(st.integers(1, 6))):
        kind, is_array = draw(st.sampled_from(sorted(KINDS))), draw(st.booleans())
        fields.append(Field(f"F{number}", kind, is_array=is_array))
        chosen = draw(st.lists(KINDS[kind], max_size=4)) if is_array else [draw(KINDS[kind])]
        body += len(chosen).to_bytes(4, "little") if is_array else b""
        body += b"".join(pack_uatype(ua.VariantType(kind), one) for one in chosen)
        values[f"F{number}"] = (kind, chosen if is_array else chosen[0])
    return Layout(tuple(fields)), values, body


@given(layouts())
@settings(max_examples=150, deadline=None)
def test_every_layout_is_followed(made: tuple[Layout, dict[str, Any], bytes]) -> None:
    layout, values, body = made
    assert decode("t", body, Layouts({"t": layout})) == values


@given(st.binary(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_structure_or_rejected(body: bytes) -> None:
    union = Layout((Field("A", 12, is_array=True), Field("B", STRUCTURE, "axis")), is_union=True)
    known = Layouts({**LAYOUTS.by_type, "union": union})
    for data_type in ("machine", "union", "loop"):
        try:
            fields = decode(data_type, body, known)
        except Rejected:
            continue
        assert all(name in {"Axes", "Parts", "Extra", "A", "B", "Inside"} for name in fields)
