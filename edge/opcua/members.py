"""Signals that are one member of an array or structure: taken out of what was notified, before it becomes rows. Pure."""

import msgspec
import numpy as np

from edge.opcua.address import Member
from edge.opcua.items import OTHER, Items, Unfit
from edge.opcua.rows import variant_of
from edge.opcua.structures import Layouts, pick
from edge.opcua.values import SEVERITY_SHIFT
from workshop.errors import Rejected
from workshop.reading import Quality


class Members(msgspec.Struct):
    """Which client handles stand for a member, and what the server's structures are made of."""

    paths: dict[int, Member]
    layouts: Layouts = Layouts()

    def take(self, items: Items) -> None:
        """Puts the member in the place of the whole value, or why there is none: that row goes to quarantine, in its turn."""
        if not self.paths:
            return
        is_good = items.code >> np.uint32(SEVERITY_SHIFT) < Quality.BAD
        for row in np.flatnonzero(np.isin(items.handle, list(self.paths)) & is_good).tolist():
            whole = variant_of(items, row)
            try:
                items.others[row] = whole if isinstance(whole, Unfit) else pick(whole, self.paths[int(items.handle[row])], self.layouts)
            except Rejected as error:
                items.others[row] = Unfit(str(error), repr({"source_time_us": int(items.time_us[row]), "value": whole}))
            items.kind[row] = OTHER
