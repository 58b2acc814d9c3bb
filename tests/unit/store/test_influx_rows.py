"""Rows of InfluxDB as a running 2.7.12 gives them back: names of results in annotations, line breaks in texts."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from store.influx_rows import block_from, lines, records
from tests.unit.gateway.plant import reading
from workshop.block import block_of

TWO_RESULTS = (
    "#group,false,false,false\r\n#datatype,string,long,double\r\n#default,count,,\r\n,result,table,_value\r\n,,0,3\r\n\r\n"
    "#group,false,false,false\r\n#datatype,string,long,double\r\n#default,max,,\r\n,result,table,_value\r\n,,0,9.5\r\n,,1,\r\n\r\n"
)


def test_a_result_has_its_name_from_the_annotation() -> None:
    assert [(row["result"], row["_value"]) for row in records(TWO_RESULTS, "server")] == [("count", "3"), ("max", "9.5"), ("max", "")]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00")), st.text(st.sampled_from('\\nr"\r\n'), max_size=8))
def test_texts_pass_a_server_that_changes_line_breaks(text: str, status: str) -> None:
    """The server un-quotes a text as line protocol says, and writes it into CSV as Go does: \\r lost, \\n made \\r\\n."""
    line = lines(block_of([reading("m-1/text", 0, text, status=status)]), "chejian")[0].decode()
    first, _, second = line[:line.rindex(" ")].partition("status=")[2].partition(',text="')
    stored = [_unquoted(first), _unquoted('"' + second)]
    answer = io.StringIO(newline="")
    csv.writer(answer).writerows([
        ["", "signal", "_time", "kind", "received", "quality", "status", "text"],
        ["", "m-1/text", "2026-09-21T14:13:20Z", "3", "0", "0", *(one.replace("\r", "").replace("\n", "\r\n") for one in stored)],
    ])
    found = block_from(list(records(answer.getvalue(), "server")), ["m-1/text"]).readings()
    assert [(row.value, row.status) for row in found] == [(text, status)]


def _unquoted(text: str) -> str:
    return text[1:-1].replace("\\\\", "\0").replace('\\"', '"').replace("\0", "\\")
