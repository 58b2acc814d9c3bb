"""What InfluxDB's own parser says of bodies of line protocol, recorded line by line in influxdb_2_7_12.jsonl.

Recorded from `models.ParsePointsWithPrecision` of InfluxDB 2.7.12, built outside the repository: the parser, not the whole server.
"""

from pathlib import Path

import msgspec

RECORDED = Path(__file__).with_name("influxdb_2_7_12.jsonl")


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One body and what came of it."""

    body: str
    """Bytes as latin-1."""
    precision: str
    lines: int
    """Points that were read."""
    error: str
    """Words of the refusal; empty where there is none."""
    rows: list[tuple[str, str, str, int | None]]
    """Field name (latin-1), Go's type, value as %v writes it, time in ns (None: the line has no time); sorted by key and name."""

    @property
    def data(self) -> bytes:
        return self.body.encode("latin-1")


def recorded() -> list[Recorded]:
    """All of them."""
    return [msgspec.json.decode(line, type=Recorded) for line in RECORDED.read_bytes().splitlines()]
