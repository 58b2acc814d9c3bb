"""Source times that are far from the time of reception: such a reading says what it says, but nobody vouches for when (DESIGN: Time). Pure."""

from collections.abc import Set

import msgspec
import numpy as np

from workshop.block import Block
from workshop.reading import AGED, HISTORICAL, Quality

SKEWED = "ClockSkew"


def mark_skew(block: Block, machine_signals: Set[str], max_us: int) -> tuple[Block, int]:
    """The block with good readings of machines that are further than `max_us` from their reception made uncertain, and their number.

    Values and times stay as they are; the device's own status is kept where there is one, otherwise it is "ClockSkew".
    """
    skewed = (np.abs(block.received_time_us - block.source_time_us) > max_us) & (block.quality == Quality.GOOD)
    if not skewed.any():
        return block, 0
    for told in {AGED, HISTORICAL}.intersection(block.statuses):
        skewed &= block.status != block.statuses.index(told)
    skewed &= np.array([name in machine_signals for name in block.signals])[block.signal]
    count = int(skewed.sum())
    if not count:
        return block, 0
    statuses = list(block.statuses)
    if SKEWED not in statuses:
        statuses.append(SKEWED)
    is_silent = np.array([not said for said in statuses])[block.status]
    return msgspec.structs.replace(
        block, statuses=statuses, quality=np.where(skewed, np.uint8(Quality.UNCERTAIN), block.quality).astype(np.uint8),
        status=np.where(skewed & is_silent, statuses.index(SKEWED), block.status).astype(np.int32),
    ), count
