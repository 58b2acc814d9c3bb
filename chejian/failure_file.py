"""Failures as somebody else wrote them down: CSV with the columns equipment, what, from, to; or JSON lines as the simulators' truth has them."""

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from analytics.maintenance.reckoning import Failure
from workshop.errors import ConfigError

COLUMNS = ("equipment", "what", "from", "to")
_EPOCH = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))


class _Fault(msgspec.Struct):
    kind: str
    equipment: str
    start_us: int
    end_us: int
    is_fraud: bool = False


def read_failures(path: Path) -> list[Failure]:
    """The failures in a file; `from` is when it began to show, `to` when it failed or was mended.

    Raises:
        ConfigError: no such file, or a line that is not understood; names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not text in UTF-8") from error
    return parse_failures(text, str(path))


def parse_failures(text: str, file: str) -> list[Failure]:
    """As `read_failures`, from the text."""
    lines = _json_lines(text, file) if text.lstrip().startswith("{") else _csv_lines(text, file)
    for number, one in lines:
        if one.from_us >= one.to_us:
            raise ConfigError(f"{file}, line {number}: 'from' must be before 'to'")
    return [one for _, one in lines]


def time_of(text: str) -> int:
    """µs UTC of an instant: a whole number of µs, or ISO 8601 with its offset from UTC.

    Raises:
        ValueError: neither.
    """
    if text.isascii() and text.isdigit():
        if len(text) > 17:
            raise ValueError(text)
        return int(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _json_lines(text: str, file: str) -> list[tuple[int, Failure]]:
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            fault = msgspec.json.decode(line, type=_Fault)
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise ConfigError(f"{file}, line {number}: {error}; a line is {{kind, equipment, start_us, end_us}}") from error
        if not fault.is_fraud:
            found.append((number, Failure(fault.equipment, fault.kind, fault.start_us, fault.end_us)))
    return found


def _csv_lines(text: str, file: str) -> list[tuple[int, Failure]]:
    found = []
    try:
        reader = csv.DictReader(io.StringIO(text), strict=True)
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise ConfigError(f"{file}: the first line names the columns {', '.join(COLUMNS)}; there are {', '.join(reader.fieldnames or ('none',))}")
        for row in reader:
            try:
                times = [time_of((row[name] or "").strip()) for name in ("from", "to")]
            except (ValueError, OverflowError) as error:
                raise ConfigError(
                    f"{file}, line {reader.line_num}: 'from' and 'to' are µs UTC or ISO 8601 with an offset, such as 2026-03-01T08:00:00+08:00"
                ) from error
            found.append((reader.line_num, Failure((row["equipment"] or "").strip(), (row["what"] or "").strip(), times[0], times[1])))
    except csv.Error as error:
        raise ConfigError(f"{file}: no CSV ({error})") from error
    return found
