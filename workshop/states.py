"""States of equipment and what time spent in them counts as.

Names and numbers: OPC 40001-1 MachineryItemState and MachineryOperationMode. The mapping to ISO 22400-2 time elements is that of
OPC 40501-1 v1.01 annex C.2.3, with one line of OPC 40001-1 annex C.2 kept apart; its version is printed with every KPI.
"""

from enum import IntEnum

STATE_MAPPING = "OPC 40501-1 C.2.3 (chejian mapping 1)"


class ItemState(IntEnum):
    """What the machine does (OPC 40001-1, MachineryItemState, StateNumber)."""

    NOT_AVAILABLE = 0   # switched off or energy saving
    OUT_OF_SERVICE = 1  # error or blocked
    NOT_EXECUTING = 2   # waiting for something outside
    EXECUTING = 3       # pursuing its purpose


class OperationMode(IntEnum):
    """What the machine is for at this time (OPC 40001-1, MachineryOperationMode, StateNumber)."""

    NONE = 0
    MAINTENANCE = 1
    SETUP = 2
    PROCESSING = 3


class LinkState(IntEnum):
    """Whether the edge hears the machine's own controller; a signal that the edge itself makes."""

    DOWN = 0
    UP = 1


def time_element(state: int, mode: int) -> str | None:
    """The ISO 22400-2 time element that a moment in this state and mode counts as.

    Returns:
        "APT", "AUST", "ADET" or "ADOT"; None where the mapping says nothing (switched off, maintenance while executing).
    Source: OPC 40501-1 v1.01 annex C.2.3.
    """
    if state == ItemState.EXECUTING:
        return {OperationMode.PROCESSING: "APT", OperationMode.SETUP: "AUST"}.get(OperationMode(mode)) if mode in set(OperationMode) else None
    if state == ItemState.OUT_OF_SERVICE:
        return "ADET"
    # OPC 40001-1 C.2 table 68 counts NotExecuting with an order registered as ADET; 40501-1 says ADOT. We follow 40501-1 and print it.
    return "ADOT" if state == ItemState.NOT_EXECUTING else None
