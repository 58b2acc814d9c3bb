"""What the page reads from the gateway's API. Unknown members are ignored: the page shows what it understands."""

from typing import Any

import msgspec

from workshop.register import Workshop
from workshop.wire import LatestReading

Number = str | int | float | None
"""A figure as the API gives it: decimal text, or a JSON number."""


class RegisterAnswer(msgspec.Struct):
    """`GET /v1/workshop`."""

    register: Workshop
    digest: str


class LatestAnswer(msgspec.Struct):
    """`GET /v1/latest`: the gateway's time and the newest reading of each signal."""

    time_us: int
    readings: list[LatestReading]


class Definition(msgspec.Struct):
    """One row of `GET /v1/indicators`."""

    id: str
    title_zh: str
    title_en: str
    unit: str = ""
    version: int = 0


class Exclusion(msgspec.Struct):
    """A part of the window of one piece of equipment that did not count, and why."""

    equipment: str = ""
    what: str = ""
    us: int = 0


class ResultAnswer(msgspec.Struct):
    """`GET /v1/indicators/{id}`: value and interval as decimal text."""

    indicator: str
    unit: str
    coverage: Number
    value: Number = None
    low: Number = None
    high: Number = None
    method: str = ""
    display_low: Number = None
    display_high: Number = None
    display_method: str = ""
    counts: dict[str, int] = {}
    excluded: list[Exclusion] = []
    why: str = ""


class VerdictAnswer(msgspec.Struct):
    """One row of `GET /v1/verdicts`."""

    claim: str
    outcome: str
    as_of: str
    reason: str
    reason_zh: str = ""
    clause: str | None = None
    title_zh: str = ""
    title_en: str = ""
    value: Number = None
    low: Number = None
    high: Number = None
    unit: str = "1"


class EdgeAlarm(msgspec.Struct):
    """An alarm about an edge."""

    what: str
    time_us: int


class EdgeAnswer(msgspec.Struct):
    """One row of `GET /v1/edges`; only what the page shows."""

    edge: str
    provenance: str
    revoked_us: int | None = None
    alarms: list[EdgeAlarm] = []


class QuarantineCount(msgspec.Struct):
    """`GET /v1/quarantine/count`."""

    records: int
    more: bool = False


class QuarantineRow(msgspec.Struct):
    """One row of `GET /v1/quarantine`."""

    edge: str
    seq: int
    equipment: str
    row: int
    reason: str


def decode(body: bytes, shape: Any, list_name: str = "") -> Any:
    """The answer as this shape; a list may also come as an object that holds it under `list_name`.

    Raises:
        msgspec.DecodeError: not JSON, or another shape.
    """
    raw = msgspec.json.decode(body)
    if list_name and isinstance(raw, dict):
        raw = raw.get(list_name)
    return msgspec.convert(raw, type=shape)
