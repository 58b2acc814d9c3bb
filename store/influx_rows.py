"""Rows as InfluxDB's line protocol and back from the annotated CSV of Flux. Pure.

    chejian,signal=cnc-01/power kind=1i,received=1790000000001500i,quality=0i,status="",f64=3120.5 1790000000000000

One point a reading, times in µs. `kind` says which of f64, i64 and text holds the value: a later point at the same time leaves the fields that it
does not name. Signals are percent-encoded, so that nothing in them can be mistaken for syntax.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from store.engine import RefusedRows
from workshop.block import Block, block_of
from workshop.errors import NotConnected
from workshop.reading import Quality, Reading, Value, ValueKind

EARLIEST_US, LATEST_US = -(2**63) // 1000 + 10**6, 2**63 // 1000 - 10**6
"""InfluxDB keeps nanoseconds in 64 bits: 1677 to 2262."""
TEXT_BYTES = 64_000
_START = datetime(1970, 1, 1, tzinfo=UTC)


def encoded(name: str) -> str:
    """A signal or measurement as it stands in a tag and in a Flux string."""
    return quote(name, safe="/")


def decoded(label: str) -> str:
    """The signal that stands in a tag."""
    return unquote(label)


def sift(block: Block) -> tuple[NDArray[np.int64], list[RefusedRows]]:
    """Indices of the rows that InfluxDB can hold, and the others with the reason."""
    fits = np.ones(len(block), np.bool_)
    refused: list[RefusedRows] = []
    long = np.zeros(len(block), np.bool_)
    for row in np.flatnonzero(block.kind == ValueKind.TEXT).tolist():
        long[row] = len(block.value_text[row].encode()) > TEXT_BYTES
    late = (block.source_time_us < EARLIEST_US) | (block.source_time_us > LATEST_US)
    for wrong, reason in ((long, f"InfluxDB holds texts up to {TEXT_BYTES} bytes"), (late, "InfluxDB holds times from 1677 to 2262")):
        if bool((wrong & fits).any()):
            refused.append(RefusedRows(np.flatnonzero(wrong & fits), reason))
            fits &= ~wrong
    return np.flatnonzero(fits), refused


def lines(block: Block, measurement: str) -> list[bytes]:
    """The rows as line protocol with times in µs; rows that were sifted."""
    heads = [f"{encoded(measurement)},signal={encoded(name)}".encode() for name in block.signals]
    statuses = [_quoted(status) for status in block.statuses]
    texts = block.value_text or [""] * len(block)
    made: list[bytes] = []
    columns = zip(
        block.signal.tolist(), block.kind.tolist(), block.received_time_us.tolist(), block.quality.tolist(), block.status.tolist(),
        block.value_f64.tolist(), block.value_i64.tolist(), texts, block.source_time_us.tolist(), strict=True,
    )
    for signal, kind, received, quality, status, f64, i64, text, time in columns:
        match kind:
            case ValueKind.F64:
                value = b",f64=%r" % f64
            case ValueKind.I64:
                value = b",i64=%di" % i64
            case ValueKind.TEXT:
                value = b",text=" + _quoted(text)
            case _:
                value = b""
        made.append(b"%b kind=%di,received=%di,quality=%di,status=%b%b %d" % (heads[signal], kind, received, quality, statuses[status], value, time))
    return made


def _quoted(text: str) -> bytes:
    # The CSV of an answer makes \r\n of every \n and loses every \r (2.7.12): they are stored as escapes of our own.
    own = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return b'"' + own.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'


def _unescaped(text: str) -> str:
    return re.sub(r"\\([\\nr])", lambda found: {"n": "\n", "r": "\r"}.get(found[1], "\\"), text)


def flux_time(time_us: int) -> str:
    """A time as a Flux literal, within what InfluxDB can hold."""
    return (_START + timedelta(microseconds=min(max(time_us, EARLIEST_US), LATEST_US))).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def records(text: str, where: str) -> Iterator[dict[str, str]]:
    """The rows of annotated CSV, by column; a table begins with its annotations or after an empty line.

    Raises:
        NotConnected: the query broke off with an error.
    """
    header: list[str] | None = None
    default: list[str] = []
    for row in csv.reader(io.StringIO(text, newline="")):
        if not row or row[0].startswith("#"):
            # The name of a result stands in the annotation only.
            default = row if row and row[0] == "#default" else default
            header = None
        elif header is None:
            header = row
        else:
            record = dict(zip(header, (value or usual for value, usual in zip_longest(row, default[:len(row)], fillvalue="")), strict=False))
            if "error" in record:
                raise NotConnected(f"{where}: the query broke off: {record['error'][:300]}")
            yield record


def time_of(text: str) -> int:
    """µs of an RFC 3339 time with up to nine digits of fraction."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = (datetime.fromisoformat(whole).replace(tzinfo=UTC) - _START) // timedelta(seconds=1)
    return seconds * 1_000_000 + int(fraction[:6].ljust(6, "0"))


def block_from(found: Sequence[dict[str, str]], signals: Sequence[str]) -> Block:
    """The rows of a pivoted answer, sorted by (signal in the order given, time)."""
    place = {name: i for i, name in reversed(list(enumerate(signals)))}
    rows = [reading for record in found if (reading := _reading(record)) is not None and reading.signal in place]
    return block_of(sorted(rows, key=lambda reading: (place[reading.signal], reading.source_time_us)))


def _reading(record: dict[str, str]) -> Reading | None:
    if not record.get("kind"):
        return None  # the last value of a field from before the newest row
    match ValueKind(int(record["kind"])):
        case ValueKind.F64:
            value: Value = float(record["f64"])
        case ValueKind.I64:
            value = int(record["i64"])
        case ValueKind.TEXT:
            value = _unescaped(record["text"])
        case _:
            value = None
    quality, status = Quality(int(record["quality"])), _unescaped(record.get("status", ""))
    return Reading(decoded(record["signal"]), time_of(record["_time"]), int(record["received"]), value, quality, status)
