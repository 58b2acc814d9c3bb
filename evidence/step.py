"""Steps of a verification: each has a number, a name and a line that says what was checked, printed as it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from evidence.document import printable
from workshop.errors import ConfigError, Rejected, VerificationError

NAMES = {
    1: "container",
    2: "statement",
    3: "checkpoints",
    4: "control log",
    5: "data log",
    6: "batches",
    7: "register",
    8: "policy packs and claims",
    9: "windows and gaps",
    10: "indicators",
    11: "verdicts",
    12: "signer",
}


class Step(msgspec.Struct, frozen=True):
    """One step: done and found good, or the one that refused."""

    n: int
    name: str
    ok: bool
    text: str


class Steps:
    """The steps so far."""

    def __init__(self, report: Callable[[Step], None]) -> None:
        self._report = report
        self.done: list[Step] = []

    def note(self, n: int, ok: bool, text: str) -> None:
        """Records and reports one step; what a bundle says in it cannot write lines of its own on a screen."""
        self.done.append(Step(n, NAMES[n], ok, printable(text)))
        self._report(self.done[-1])

    @contextmanager
    def run(self, n: int) -> Iterator[list[str]]:
        """The block is step n; what it appends to the list is the line to print.

        Raises:
            VerificationError: the block found something wrong (Rejected or ConfigError, or a value that no part of this program can hold); the
                step has been reported as failed.
        """
        said: list[str] = []
        try:
            yield said
        except (Rejected, ConfigError, ValueError, ArithmeticError, RecursionError) as error:
            self.note(n, False, str(error))
            raise VerificationError(n, printable(f"{NAMES[n]}: {error}")) from error
        self.note(n, True, "; ".join(said))
