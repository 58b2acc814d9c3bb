"""What is wrong with an installation, and how to mend it: findings of the machine, of a gateway and of edges. Nothing is changed."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

import msgspec

from workshop.errors import ChejianError


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    BAD = "bad"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    level: Level
    said: str
    mend: str = ""
    """What to do about it; empty where nothing is to be done."""


def ok(what: str, said: str) -> Finding:
    """All is well."""
    return Finding(what, Level.OK, said)


def warning(what: str, said: str, mend: str) -> Finding:
    """It works, but not for ever, or not for evidence."""
    return Finding(what, Level.WARNING, said, mend)


def bad(what: str, said: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(what, Level.BAD, said, mend)


def looked(what: str, looks: Iterable[Callable[[], Iterator[Finding]]]) -> list[Finding]:
    """The findings of each look; one that fails is a finding itself and does not keep the others from looking.

    Args:
        what: name of a finding whose look failed.
    """
    found: list[Finding] = []
    for look in looks:
        try:
            found += look()
        except ChejianError as error:
            found.append(bad(what, str(error), "as it says; then run chejian doctor again"))
    return found
