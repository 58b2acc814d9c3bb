"""How far each signal is stored or declared, so that a source goes on from there; and the number by which spans name it."""

from store.journal_seal import check_signal
from store.sqlite import Database

SCHEMA = ("CREATE TABLE positions (number INTEGER PRIMARY KEY, signal TEXT NOT NULL, until_us INTEGER NOT NULL)",)


class Positions:
    """The table of signals, with a copy in memory that changes only when a transaction is through."""

    def __init__(self, database: Database) -> None:
        self._db = database
        rows = database.execute("SELECT signal, number, until_us FROM positions")
        self.numbers: dict[str, int] = {signal: number for signal, number, _ in rows}
        self._until: dict[str, int] = {signal: until_us for signal, _, until_us in rows}

    def all(self) -> dict[str, int]:
        """Signal → source time, µs, before which everything is stored or declared."""
        return dict(self._until)

    def advance(self, until: dict[str, int]) -> dict[str, int]:
        """Numbers new signals, and gives the positions that change: they only ever grow.

        Raises:
            Rejected: the id of a new signal is not one that a gateway would take.
        """
        for name in until:
            if name not in self.numbers:
                check_signal(name)
        following = max(self.numbers.values(), default=0) + 1
        for name in until:
            if name not in self.numbers:
                self.numbers[name], following = following, following + 1
        return {name: end for name, end in until.items() if name not in self._until or end > self._until[name]}

    def store(self, changed: dict[str, int]) -> None:
        """Writes changed positions; belongs inside a transaction of the journal."""
        self._db.execute_many(
            "INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT (number) DO UPDATE SET until_us = excluded.until_us",
            ((self.numbers[name], name, end) for name, end in changed.items()),
        )

    def stored(self, changed: dict[str, int]) -> None:
        """Takes over positions that are now on disk."""
        self._until.update(changed)
