"""Tables of one period each in DuckDB: rows that have settled, in the order of signal and time, and what they come to in steps of ten minutes.

New rows go into the table `readings` in order of arrival. When there are many they are moved, sorted, into a table for each day (`day_<n>`), and
their count, minimum, maximum and sum in ten minutes into a table for each 32 days (`steps_<n>`). A table that has been added to several times is
written anew in one order. Rows are sorted some hundred thousand at a time, signal by signal, so that the memory it takes does not grow with the day.
A day that is out of retention is dropped as a table, which gives its space back.
"""

from collections.abc import Callable, Iterable

import duckdb

from workshop.window import HOUR_US

DAY_US = 24 * HOUR_US
STEP_US = HOUR_US // 6
"""Length of the prepared steps; longer ones are put together from these."""
MONTH_US = 32 * DAY_US
MERGE_RUNS = 16
"""A table of so many sorted runs is written anew as one."""
SORT_ROWS = 491_520
"""So many rows are sorted at once at most (four of DuckDB's row groups), but for those of one signal in one step."""
MOST_TABLES = 5_000
"""Rows of further days stay where they are: a device with a mad clock must not make a table for each day of a century."""
READING_COLUMNS = "series, source_time_us, delay_us, kind, f64, i64, text, quality, status"
_READING_TYPES = """series INTEGER NOT NULL, source_time_us BIGINT NOT NULL, delay_us BIGINT NOT NULL, kind UTINYINT NOT NULL, f64 DOUBLE, i64 BIGINT,
text VARCHAR, quality UTINYINT NOT NULL, status INTEGER NOT NULL"""
_STEP_TYPES = "series INTEGER NOT NULL, start_us BIGINT NOT NULL, n BIGINT NOT NULL, low DOUBLE NOT NULL, high DOUBLE NOT NULL, total DOUBLE NOT NULL"
NUMBER = "CASE kind WHEN 1 THEN f64 ELSE i64::DOUBLE END"
TABLES = f"""
CREATE TABLE IF NOT EXISTS readings ({_READING_TYPES});
CREATE TABLE IF NOT EXISTS periods (family VARCHAR NOT NULL, number BIGINT NOT NULL, runs INTEGER NOT NULL, PRIMARY KEY (family, number));
"""


def table_of(family: str, number: int) -> str:
    """The name of a period's table."""
    return f"{family}_{number}".replace("-", "m")


def _pieces(connection: duckdb.DuckDBPyConnection, rows: str) -> list[str]:
    """Conditions, in the order of signal and time, that share these rows out in pieces of `SORT_ROWS`; a signal that has more is cut by its steps."""
    found: list[str] = []
    counts = connection.execute(f"SELECT series, count(*) FROM ({rows}) GROUP BY 1 ORDER BY 1").fetchall()  # noqa: S608 - our own query
    for first, last, n in _runs_of(counts):
        if n <= SORT_ROWS:
            found.append(f"series BETWEEN {first} AND {last}")
            continue
        times = connection.execute(
            f"SELECT source_time_us // {STEP_US}, count(*) FROM ({rows}) WHERE series = {first} GROUP BY 1 ORDER BY 1",  # noqa: S608 - our own query
        ).fetchall()
        found += [
            f"series = {first} AND source_time_us >= {begin * STEP_US} AND source_time_us < {(end + 1) * STEP_US}"
            for begin, end, _ in _runs_of(times)
        ]
    return found


def _runs_of(counts: Iterable[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """First and last number, and rows, of runs of neighbours with `SORT_ROWS` together at most, or of one number that alone has more."""
    runs: list[tuple[int, int, int]] = []
    for number, n in counts:
        if runs and runs[-1][2] + n <= SORT_ROWS:
            runs[-1] = (runs[-1][0], number, runs[-1][2] + n)
        else:
            runs.append((number, number, n))
    return runs


class Periods:
    """Which tables there are. Readers look at `version` before and after a query: odd, or another one, means that tables were just being changed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.version = 0
        self._runs: dict[tuple[str, int], int] = {}
        self._load(connection)

    def _load(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._runs = {(family, number): runs for family, number, runs in connection.execute("SELECT * FROM periods").fetchall()}

    def days(self, start_us: int, end_us: int) -> list[int]:
        """The days with a table that meet [start, end), in order."""
        return self._meeting("day", start_us // DAY_US, -(-end_us // DAY_US))

    def months(self, start_us: int, end_us: int) -> list[int]:
        """The 32-day periods with a table of steps that meet [start, end)."""
        return self._meeting("steps", start_us // MONTH_US, -(-end_us // MONTH_US))

    def _meeting(self, family: str, first: int, end: int) -> list[int]:
        return sorted(number for name, number in self._runs if name == family and first <= number < end)

    def settle(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Moves what has arrived into the tables of its days, in one transaction; returns the rows moved.

        Rows that others insert meanwhile stay where they are; the caller lets nobody else settle.
        """
        def move() -> int:
            found = connection.execute("SELECT DISTINCT source_time_us // ? AS day FROM readings ORDER BY day", [DAY_US]).fetchall()
            days = [int(day) for (day,) in found]
            room = MOST_TABLES - len(self._runs)
            days = [day for day in days if ("day", day) in self._runs] + [day for day in days if ("day", day) not in self._runs][:max(room, 0)]
            for day in days:
                self._add_day(connection, day)
            inside = f"source_time_us // {DAY_US} IN ({', '.join(map(str, days))})" if days else "false"
            for month in sorted({day * DAY_US // MONTH_US for day in days}):
                self._add_steps(connection, month, inside)
            return int(connection.execute(f"DELETE FROM readings WHERE {inside}").fetchall()[0][0])  # noqa: S608 - numbers only

        return self._change(connection, move)

    def drop_before(self, connection: duckdb.DuckDBPyConnection, time_us: int) -> int:
        """Drops the tables of days that end before this time, and their steps; returns how many days."""
        gone = [number for family, number in self._runs if family == "day" and (number + 1) * DAY_US <= time_us]

        def drop() -> int:
            for number in gone:
                connection.execute(f"DROP TABLE {table_of('day', number)}")
                connection.execute("DELETE FROM periods WHERE family = 'day' AND number = ?", [number])
            for number in self.months(-(2**60), time_us):
                last = (max(gone) + 1) * DAY_US
                connection.execute(f"DELETE FROM {table_of('steps', number)} WHERE start_us < ?", [last])  # noqa: S608 - a number
            return len(gone)

        return self._change(connection, drop) if gone else 0

    def _change(self, connection: duckdb.DuckDBPyConnection, change: Callable[[], int]) -> int:
        connection.begin()
        try:
            changed = change()
            self.version += 1
            try:
                connection.commit()
                self._load(connection)
            finally:
                self.version += 1
        except BaseException:
            if self.version % 2:
                self.version += 1
            connection.rollback()
            raise
        return changed

    def _add_day(self, connection: duckdb.DuckDBPyConnection, day: int) -> None:
        table, runs = table_of("day", day), self._runs.get(("day", day), 0)
        fresh = f"SELECT {READING_COLUMNS}, 1 AS part, rowid AS place FROM readings WHERE source_time_us // {DAY_US} = {day}"  # noqa: S608
        if runs + 1 >= MERGE_RUNS:
            fresh = f"SELECT {READING_COLUMNS}, 0 AS part, rowid AS place FROM {table} UNION ALL {fresh}"  # noqa: S608
        self._append(connection, table, _READING_TYPES, "day", day, runs, [
            f"SELECT {READING_COLUMNS} FROM ({fresh}) WHERE {piece} ORDER BY series, source_time_us, part, place"  # noqa: S608 - names and numbers only
            for piece in _pieces(connection, fresh)
        ])

    def _add_steps(self, connection: duckdb.DuckDBPyConnection, month: int, inside: str) -> None:
        table, runs = table_of("steps", month), self._runs.get(("steps", month), 0)
        fresh = (
            f"SELECT series, source_time_us // {STEP_US} * {STEP_US} AS start_us, 1 AS n, {NUMBER} AS low, {NUMBER} AS high, {NUMBER} AS total"  # noqa: S608
            f" FROM readings WHERE kind IN (1, 2) AND source_time_us // {MONTH_US} = {month} AND {inside}"
        )
        if runs + 1 >= MERGE_RUNS:
            fresh += f" UNION ALL SELECT * FROM {table}"  # noqa: S608
        self._append(connection, table, _STEP_TYPES, "steps", month, runs, [
            f"SELECT series, start_us, sum(n)::BIGINT, min(low), max(high), sum(total) FROM ({fresh}) GROUP BY 1, 2 ORDER BY 1, 2",  # noqa: S608
        ])

    def _append(
        self, connection: duckdb.DuckDBPyConnection, table: str, types: str, family: str, number: int, runs: int, rows: list[str],
    ) -> None:
        if runs + 1 >= MERGE_RUNS:
            connection.execute(f"CREATE TABLE {table}_new ({types})")
            for piece in rows:
                connection.execute(f"INSERT INTO {table}_new {piece}")
            connection.execute(f"DROP TABLE {table}")
            connection.execute(f"ALTER TABLE {table}_new RENAME TO {table}")
            runs = 0
        else:
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({types})")
            for piece in rows:
                connection.execute(f"INSERT INTO {table} {piece}")
        connection.execute("INSERT OR REPLACE INTO periods VALUES (?, ?, ?)", [family, number, runs + 1])
