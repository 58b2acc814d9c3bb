"""Generations of a log: after a restore from a backup it goes on from an earlier place, and an old checkpoint may lie beyond that. Pure."""

from collections.abc import Sequence

from store.control_kinds import Restore
from store.log import LogName
from workshop.errors import Rejected


def check_restores(restores: Sequence[tuple[int, Restore]]) -> None:
    """Refuses restores that do not follow from each other.

    Args:
        restores: (index in the control log, body), in the log's order.
    Raises:
        Rejected: generations with holes, an entry that is not the first of its generation, or a log that was restored to more than it ever was.
    """
    for number, (index, body) in enumerate(restores, 2):
        if body.generation != number:
            raise Rejected(f"control entry {index}: restore to generation {body.generation}, expected {number}")
        if body.control_size != index:
            raise Rejected(f"control entry {index}: a restore says that it is entry {body.control_size}; entries stand between")


def reach(log: LogName, generation: int, restores: Sequence[Restore]) -> int | None:
    """How many entries of a generation's log the present log still begins with; None for the present generation: all that it ever has.

    A checkpoint of that generation up to this size must lie on the present history. One beyond it shows that entries were lost: exactly those
    from here to its size; they came again as new entries, or a "gap" entry says that they did not.

    Raises:
        Rejected: a generation that no restore has opened: of a hidden restore, or of another log.
    """
    present = len(restores) + 1
    if not 1 <= generation <= present:
        raise Rejected(f"{log} log: a checkpoint of generation {generation}, the log declares {present}: a restore is hidden")
    later = [body.data_size if log == "data" else body.control_size for body in restores[generation - 1:]]
    return min(later) if later else None
