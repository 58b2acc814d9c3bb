"""Lines of a CSV file as readings: one row a line, columns by the names in the first line. Pure."""

import csv
from typing import Annotated

import msgspec
from msgspec import Meta

from edge.gathering import Gathering
from edge.json_values import TimeFormat, number_of, to_us, zone_of
from edge.rules import Rule, split_rule
from edge.source import MappedSignal
from workshop.errors import ConfigError, Rejected
from workshop.reading import AGED, Reading
from workshop.signal import SignalKind

_PREFIX = "column:"
_OLD_US = 60_000_000


class TableBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[source.table.<map>]`: which files are of a map, and how they are written."""

    file: str
    """Pattern of the file names, such as "{equipment}-*.csv"."""
    time: str
    """Column of the source time."""
    time_format: TimeFormat
    """us, ms, s or ns since 1970 UTC, or iso: ISO 8601."""
    time_offset: str | None = None
    """Zone of ISO 8601 times that state none, such as "+08:00"; without it they are refused."""
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    decimal: Annotated[str, Meta(pattern=r"^[.,]$")] = "."
    encoding: Annotated[str, Meta(pattern=r"^(utf-8|gb18030|latin-1)$")] = "utf-8"


class Table:
    """The files of one piece of equipment."""

    def __init__(self, block: TableBlock, signals: list[MappedSignal], pattern: str, where: str) -> None:
        """For the columns that the signals' addresses name.

        Raises:
            ConfigError: a pattern that leaves the folder, a rule or zone of another form, delimiter and decimal that are the same.
        """
        if "/" in pattern or "\\" in pattern or pattern.startswith(".") or "**" in pattern:
            raise ConfigError(f"{where}: file '{pattern}': a name or pattern within the folder, such as {{equipment}}-*.csv")
        if block.delimiter == block.decimal:
            raise ConfigError(f"{where}: delimiter and decimal are both '{block.delimiter}'")
        self.pattern = pattern
        self.signals = tuple(signal.id for signal in signals)
        self.equipment = signals[0].equipment
        self._block, self._zone = block, zone_of(block.time_offset, where)
        self._columns: list[tuple[MappedSignal, str, Rule]] = []
        for signal in signals:
            column, rule = split_rule(signal.address.removeprefix(_PREFIX), f"{where}: {signal.id}")
            if not signal.address.startswith(_PREFIX) or not column:
                raise ConfigError(f"{where}: {signal.id}: address '{signal.address}': write column: and the name of a column")
            self._columns.append((signal, column, rule))
        self._header: tuple[bytes, dict[str, int]] = (b"", {})

    def missing(self, header: bytes) -> dict[str, str]:
        """Signal → why a file with this first line says nothing of it."""
        names = self._names(header)
        return {signal.id: f"no column '{column}'" for signal, column, _ in self._columns if column not in names}

    def gather(self, line: bytes, header: bytes, place: str, received_us: int, gathering: Gathering) -> None:
        """Adds the readings of one line. An empty cell is none; a wrong one goes to quarantine, the others count."""
        if not line.strip():
            return
        try:
            cells = self._cells(line)
            names = self._names(header)
            if self._block.time not in names:
                raise Rejected(f"the file has no column '{self._block.time}' for the time")
            if len(cells) != len(names):
                raise Rejected(f"{len(cells)} cells where the first line has {len(names)}")
            text = cells[names[self._block.time]].strip()
            time_us = to_us(text if self._block.time_format == "iso" else number_of(text), self._block.time_format, self._zone)
        except Rejected as error:
            gathering.refuse(line, f"{place}: {error}", self.signals)
            return
        # A file is read when it is complete; that says nothing against a clock.
        status = AGED if received_us - time_us > _OLD_US else ""
        for signal, column, rule in self._columns:
            cell = cells[names[column]].strip() if column in names else ""
            if not cell:
                continue
            if self._block.decimal == "," and signal.kind not in (SignalKind.TEXT, SignalKind.EVENT):
                cell = cell.replace(",", ".")
            try:
                value = rule.apply(cell, signal)
            except Rejected as error:
                gathering.refuse(line, f"{signal.id}: {place}, column '{column}': {error}", (signal.id,))
                continue
            gathering.add(Reading(signal.id, time_us, received_us, value, status=status))

    def _names(self, header: bytes) -> dict[str, int]:
        if self._header[0] != header or not self._header[1]:
            try:
                cells = self._cells(header.removeprefix(b"\xef\xbb\xbf"))
            except Rejected:
                cells = []
            self._header = header, {cell.strip(): number for number, cell in enumerate(cells)}
        return self._header[1]

    def _cells(self, line: bytes) -> list[str]:
        try:
            rows = list(csv.reader([line.decode(self._block.encoding)], delimiter=self._block.delimiter, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise Rejected(f"not a line of CSV in {self._block.encoding}: {error}") from error
        return rows[0] if rows else []
