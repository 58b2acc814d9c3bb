"""Answers of the gateway's API about what its engine holds: one definition for the gateway and for those who read through it."""

import msgspec

from workshop.signal import Origin, SignalKind


class CountAnswer(msgspec.Struct):
    """`GET /v1/count`."""

    rows: int
    """Rows in the engine."""
    cursor: int
    """Data-log index up to which (exclusive) they are indexed."""


class AggregateAnswer(msgspec.Struct):
    """`GET /v1/aggregate`: columns, one row per step that holds a number."""

    start_us: list[int]
    count: list[int]
    minimum: list[float]
    maximum: list[float]
    mean: list[float]


class SignalRow(msgspec.Struct):
    """One signal of the register."""

    id: str
    equipment: str
    name: str
    role: str
    kind: SignalKind
    unit: str
    max_age_s: int
    origin: Origin
    title_zh: str
    title_en: str


class SignalsAnswer(msgspec.Struct):
    """`GET /v1/signals`."""

    signals: list[SignalRow]
