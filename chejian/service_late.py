"""Readings that come late: which hours they touch, so that these and no others are measured again; remembered over restarts."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chejian.service_api import ServiceApi
from chejian.service_hours import Hours
from workshop.window import HOUR_US, Window

_END = 2**53 - 1
_YEAR_US = 366 * 24 * HOUR_US
"""How far back late readings are followed."""


class _Seen(msgspec.Struct, frozen=True):
    next: int
    """Index in the data log up to which (exclusive) everything was looked at."""


class Late:
    """Asks the gateway what its newest batches are about.

    Args:
        file: keeps how far it has looked. Without it, a first start, everything is looked at as far as hours are measured anyway.
    """

    def __init__(self, api: ServiceApi, file: Path) -> None:
        self._api, self._file = api, file
        try:
            self._next: int | None = msgspec.json.decode(file.read_bytes(), type=_Seen).next
        except (OSError, msgspec.DecodeError):
            self._next = None
        self._seen = self._next

    def look(self, hours: Sequence[Hours], now_us: int) -> None:
        """Makes the hours that batches since the last look are about due again.

        Raises:
            NotConnected, ConfigError, Rejected: as every call of the API.
        """
        if self._next is None:
            self._seen, _ = self._api.touched(_END)
            return
        at = self._next
        while True:
            end, windows = self._api.touched(at)
            # A device with a wrong clock tells of any time there is.
            year = Window(now_us - _YEAR_US, now_us)
            for one in hours:
                one.touch([part for window in windows if (part := window.clip(year)).length_us])
            if end <= at:  # all is seen; or the log is shorter than it was, a restored one, and begins again from where it ends
                break
            at = end
        self._seen = end

    def confirm(self) -> None:
        """What was looked at has been measured."""
        if self._seen == self._next or self._seen is None:
            return
        draft = self._file.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(_Seen(self._seen)))
        os.replace(draft, self._file)  # noqa: PTH105 – replaces on Windows too
        self._next = self._seen
