"""Who shows wrong tokens too often has to wait, and so has who asks too much: counted in memory, within fixed bounds."""

import math
import threading
import time
from collections import OrderedDict

import msgspec

MOST_ADDRESSES = 10_000


class _Failures(msgspec.Struct):
    count: int
    since_s: float
    locked_until_s: float = 0.0


class Lockout:
    """Counts failed log-ins of each address.

    Args:
        failures: so many within `span_s` lock an address out.
        span_s: how long a failure counts, and how long a lock-out lasts, s.
    """

    def __init__(self, failures: int = 30, span_s: float = 60.0) -> None:
        self._failures, self._span_s = failures, span_s
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Failures] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """How long this address has to wait, whole seconds; 0 when it is not locked out."""
        with self._lock:
            found = self._known.get(address)
            return max(0, -int(-(found.locked_until_s - time.monotonic()) // 1)) if found else 0

    def failed(self, address: str) -> None:
        """A wrong token has come from this address."""
        now_s = time.monotonic()
        with self._lock:
            found = self._known.pop(address, None)
            if found is None or now_s - found.since_s > self._span_s:
                found = _Failures(0, now_s)
            found.count += 1
            if found.count >= self._failures:
                found = _Failures(0, now_s, now_s + self._span_s)
            self._known[address] = found
            while len(self._known) > MOST_ADDRESSES:
                self._known.popitem(last=False)


class _Bucket(msgspec.Struct):
    left: float
    at_s: float


class RateLimit:
    """How many requests one caller may send: so many a second for long, and as many as two seconds have at once.

    Args:
        per_s: requests a second.
    """

    def __init__(self, per_s: float) -> None:
        self._per_s, self._most = per_s, max(1.0, 2 * per_s)
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, caller: str) -> int:
        """Takes one request from what the caller has left; 0, or how long to wait where nothing is left, whole seconds."""
        now_s = time.monotonic()
        with self._lock:
            found = self._known.pop(caller, None) or _Bucket(self._most, now_s)
            found.left, found.at_s = min(self._most, found.left + (now_s - found.at_s) * self._per_s), now_s
            wait_s = 0 if found.left >= 1 else max(1, math.ceil((1 - found.left) / self._per_s))
            found.left -= wait_s == 0
            self._known[caller] = found
            while len(self._known) > MOST_ADDRESSES:
                self._known.popitem(last=False)
            return wait_s
