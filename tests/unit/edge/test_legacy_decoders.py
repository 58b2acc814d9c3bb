"""Registers, MTConnect documents, CSV lines and rules: right or refused in words, whatever comes."""

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.folder.lines import Spot, read_piece, spot_of
from edge.folder.table import Table, TableBlock
from edge.gathering import Gathering
from edge.modbus.registers import cell_of, requests_of, value_of
from edge.mtconnect.document import parse
from edge.rules import split_rule
from edge.source import MappedSignal
from workshop.errors import ConfigError, Rejected
from workshop.signal import SignalKind

NOW = 1_767_571_200_000_000


def signal(address: str, kind: SignalKind = SignalKind.GAUGE, name: str = "load") -> MappedSignal:
    return MappedSignal(f"a-1/{name}", "a-1", kind, address, "m")


@pytest.mark.parametrize(("address", "words", "order", "value"), [
    ("input/0/u16", [65535], "big", 65535), ("2:holding/7/i16", [65535], "big", -1), ("input/0/u32", [1, 2], "big", 65538),
    ("input/0/u32", [2, 1], "little", 65538), ("input/0/i32", [65535, 65534], "big", -2), ("input/0/u64", [0, 0, 1, 0], "big", 65536),
    ("input/0/f32", [0x3FC0, 0], "big", 1.5), ("input/0/f64", [0, 0, 0, 0x3FF8], "little", 1.5), ("coil/3/bit", [1], "big", 1),
    ("input/0/bit3", [8], "big", 1), ("input/0/text3", [0x4F31, 0x3200, 0], "big", "O12"),
])
def test_words_as_values(address: str, words: list[int], order: Any, value: Any) -> None:
    assert value_of(cell_of(signal(address), "w"), words, order) == value


@given(st.text(string.printable, max_size=20), st.lists(st.integers(0, 65535), max_size=8))
def test_no_address_and_no_words_break_the_registers(address: str, words: list[int]) -> None:
    for text in (address, f"input/{address}", "input/0/text4", "input/0/f32"):
        try:
            value_of(cell_of(signal(text), "w"), words, "big")
        except (ConfigError, Rejected) as error:
            assert str(error)


@pytest.mark.parametrize("address", ["input/0/bit", "coil/0/u16", "input/65535/u32", "input/0/bit16", "input/0/text0", "300:input/0/u16", "5"])
def test_addresses_that_no_unit_has(address: str) -> None:
    with pytest.raises(ConfigError, match="write UNIT:TABLE/REGISTER/TYPE"):
        cell_of(signal(address), "w")


places = st.tuples(st.integers(1, 3), st.sampled_from(["input", "holding"]), st.integers(0, 600), st.sampled_from(["u16", "u64"]))


@given(st.lists(places, max_size=30))
def test_requests_hold_every_cell_and_no_more_than_a_unit_answers(rows: list[tuple[int, str, int, str]]) -> None:
    cells = [cell_of(signal(f"{unit}:{table}/{start}/{kind}"), "w") for unit, table, start, kind in rows]
    requests = requests_of(cells)
    assert sum(len(request.cells) for request in requests) == len(cells)
    for request in requests:
        assert 0 < request.count <= 125
        assert all(request.start <= cell.start and cell.start + cell.words <= request.start + request.count for cell in request.cells)
        assert {(cell.unit, cell.table) for cell in request.cells} == {(request.unit, request.table)}


@pytest.mark.parametrize(("rule", "kind", "value", "result"), [
    ("x | /100", SignalKind.GAUGE, 1234, 12.34), ("x | *0.1", SignalKind.GAUGE, 5, 0.5), ("x | /3600", SignalKind.COUNTER, "7201", 2),
    ("x | A=1, B=2", SignalKind.STATE, "B", 2), ("x", SignalKind.COUNTER, "5.0", 5), ("x", SignalKind.GAUGE, "5", 5.0),
    ("x", SignalKind.TEXT, "5", "5"), ("x | *10", SignalKind.COUNTER, "1.25", 12), ("x | ON=1", SignalKind.STATE, "ON", 1),
])
def test_rules(rule: str, kind: SignalKind, value: Any, result: Any) -> None:
    name, found = split_rule(rule, "w")
    got = found.apply(value, signal("x", kind))
    assert name == "x" and got == result and type(got) is type(result)


@pytest.mark.parametrize(("rule", "kind", "value"), [
    ("x | A=1", SignalKind.STATE, "C"), ("x", SignalKind.COUNTER, "5.5"), ("x", SignalKind.GAUGE, "five"), ("x", SignalKind.STATE, float("inf")),
])
def test_values_that_a_rule_does_not_know(rule: str, kind: SignalKind, value: Any) -> None:
    with pytest.raises(Rejected):
        split_rule(rule, "w")[1].apply(value, signal("x", kind))


@pytest.mark.parametrize("rule", ["x | ", "x | *", "x | /0", "x | A=B", "x | abc", "x | A=1 b"])
def test_rules_that_are_none(rule: str) -> None:
    with pytest.raises(ConfigError, match="rule"):
        split_rule(rule, "w")


STREAM = """<?xml version="1.0"?><m:MTConnectStreams xmlns:m="urn:mtconnect.org:MTConnectStreams:2.0">
<m:Header instanceId="7" nextSequence="12" firstSequence="3" lastSequence="11"/><m:Streams><m:DeviceStream><m:ComponentStream>
<m:Samples><m:Load dataItemId="l" sequence="10" timestamp="2026-01-05T00:00:00Z"> 5.5 </m:Load></m:Samples>
<m:Condition><m:Fault dataItemId="c" sequence="11" timestamp="2026-01-05T00:00:00Z" nativeCode="42">Alarm</m:Fault></m:Condition>
</m:ComponentStream></m:DeviceStream></m:Streams></m:MTConnectStreams>"""


def test_an_answer_of_an_agent() -> None:
    document = parse(STREAM.encode())
    assert (document.instance, document.first, document.following) == (7, 3, 12)
    load, fault = document.observations
    assert (load.item, load.sequence, load.text, load.is_condition) == ("l", 10, "5.5", False)
    assert (fault.element, fault.native_code, fault.is_condition, fault.is_unavailable) == ("Fault", "42", True, False)


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><Header instanceId="&c;"/>'


@pytest.mark.parametrize("text", ["", "no", "<a>", "<a/>", BOMB, STREAM.replace('"12"', '"x"'), STREAM.replace('"10"', '"-1"')])
def test_what_no_agent_answers(text: str) -> None:
    with pytest.raises(Rejected, match="not an MTConnect document"):
        parse(text.encode())


def test_depth_and_size_are_no_bombs() -> None:
    deep = b"<a>" * 100_000 + b'<Header instanceId="1"/>' + b"</a>" * 100_000
    assert parse(deep).instance == 1
    with pytest.raises(Rejected, match="more than 65536 characters"):
        parse(STREAM.replace("5.5", "5" * 70_000).encode())


@given(st.binary(max_size=200), st.integers(0, len(STREAM)), st.binary(max_size=10))
def test_no_answer_breaks_the_reader(body: bytes, at: int, piece: bytes) -> None:
    for text in (body, STREAM.encode()[:at] + piece + STREAM.encode()[at:]):
        try:
            parse(text)
        except Rejected as error:
            assert str(error)


def table(**more: Any) -> Table:
    signals = [
        signal("column:Load"), signal("column:Parts | *1", SignalKind.COUNTER, "parts"), signal("column:Program", SignalKind.TEXT, "program"),
    ]
    return Table(TableBlock("*.csv", "Time", more.pop("time_format", "iso"), **more), signals, "*.csv", "w")


HEADER = b"\xef\xbb\xbfTime,Load,Parts,Program"


def rows(line: bytes, header: bytes = HEADER, **more: Any) -> tuple[list[Any], list[str], set[str]]:
    gathering = Gathering()
    table(**more).gather(line, header, "f, line 2", NOW, gathering)
    deliveries = gathering.deliveries(None)
    return (
        [(one.signal[4:], one.source_time_us, one.value, one.status) for delivery in deliveries for one in delivery.block.readings()],
        [refusal.reason for delivery in deliveries for refusal in delivery.refusals],
        {name for delivery in deliveries for loss in delivery.losses for name in loss.signals},
    )


def test_lines_of_a_table() -> None:
    got, refused, _ = rows(b'2026-01-05T07:59:59+08:00,5.5,12,"O1, again"')
    assert got == [("load", NOW - 1_000_000, 5.5, ""), ("parts", NOW - 1_000_000, 12, ""), ("program", NOW - 1_000_000, "O1, again", "")]
    assert not refused
    got, refused, lost = rows(b"2026-01-05 06:00:00,,x,O1", time_offset="+08:00")
    assert [(name, status) for name, _, _, status in got] == [("program", "Aged")] and "column 'Parts': 'x' is no number" in refused[0]
    assert lost == {"a-1/parts"}, "an empty cell is no loss"
    german = rows(b"1767571200;5,5;12;x", HEADER.replace(b",", b";"), delimiter=";", decimal=",", time_format="s")
    assert german[0][0] == ("load", NOW, 5.5, "")


@pytest.mark.parametrize(("line", "said"), [
    (b"noon,1,2,3", "is not ISO 8601"), (b"2026-01-05T00:00:00Z,1,2", "3 cells where the first line has 4"),
    (b'2026-01-05T00:00:00Z,"1', "not a line of CSV"),
    (b"\xff\xfe", "not a line of CSV"), (b"2026-01-05T00:00:00,1,2,3", "has no zone"), (b"\0", "cells where"),
])
def test_wrong_lines_are_refused_whole(line: bytes, said: str) -> None:
    got, refused, lost = rows(line)
    assert not got and said in refused[0] and lost == {"a-1/load", "a-1/parts", "a-1/program"}


@given(st.binary(max_size=80), st.binary(max_size=40))
def test_no_line_breaks_the_table(line: bytes, header: bytes) -> None:
    rows(line)
    rows(line, header)
    table().missing(header)


@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b"")), max_size=8), st.integers(0, 60))
def test_a_growing_file_is_read_line_by_line_wherever_it_is_cut(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], cut: int) -> None:
    path = tmp_path_factory.mktemp("grow") / "x.csv"
    whole = b"".join(line + b"\n" for line in lines)
    got: list[tuple[int, bytes]] = []
    spot: Spot | None = None
    for size in (min(cut, len(whole)), len(whole)):
        with path.open("ab") as file:
            file.write(whole[path.stat().st_size : size])
        while (piece := read_piece(path, spot := spot_of(path, spot), is_complete=False)) is not None:
            got += piece.lines
            spot = piece.spot
    assert got == list(enumerate(lines, start=1))


def test_complete_files_and_new_ones_of_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a\nb")
    first = read_piece(path, spot_of(path, None), is_complete=True)
    assert first is not None and first.lines == [(1, b"a"), (2, b"b")] and first.spot.is_done
    assert read_piece(path, spot_of(path, first.spot), is_complete=True) is None
    (tmp_path / "new").write_bytes(b"a\nc\n")
    (tmp_path / "new").replace(path)
    again = read_piece(path, spot_of(path, first.spot), is_complete=True)
    assert again is not None and again.lines == [(1, b"a"), (2, b"c")]
    path.write_bytes(b"h\n" + b"x" * 3_000_000 + b"\nlast\n")
    spot, seen, long = spot_of(path, None), [], []
    while (piece := read_piece(path, spot, is_complete=True)) is not None:
        seen += piece.lines
        long += piece.too_long
        spot = piece.spot
    assert seen == [(1, b"h"), (3, b"last")] and long == [2]


@pytest.mark.parametrize(("more", "said"), [
    ({"delimiter": ",", "decimal": ","}, "are both"), ({"time_offset": "x"}, "write it like"),
])
def test_tables_that_cannot_be(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        table(**more)


@pytest.mark.parametrize("pattern", ["../*.csv", "a/b.csv", ".hidden", "**"])
def test_patterns_stay_in_the_folder(pattern: str) -> None:
    with pytest.raises(ConfigError, match="within the folder"):
        Table(TableBlock(pattern, "Time", "iso"), [signal("column:x")], pattern, "w")
