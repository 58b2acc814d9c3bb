"""The digest of an indicator's inputs: components are measured again when what they were measured from has changed."""

import hashlib

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.series import Inputs


def digest_of(inputs: Inputs) -> str:
    """SHA-256 (hex) of everything that components depend on.

    The equipment's definition, the watched windows, the time zone, the tariff, what is missing, and the canonical columns: every role in sorted
    order with its times, values and qualities, carried rows first.
    """
    settings = (inputs.equipment, inputs.calendar, inputs.observed, inputs.register.time_zone, inputs.register.tariff)
    digest = hashlib.sha256(msgspec.json.encode(settings, order="deterministic"))
    if inputs.unknown:
        digest.update(msgspec.json.encode((inputs.unknown, inputs.absent), order="deterministic"))
    for role in sorted(inputs.columns):
        series = inputs.series(role)
        digest.update(f"\n{role} {len(series)} {series.value.dtype.kind}\n".encode())
        digest.update(series.time_us.astype("<i8").tobytes())
        value: NDArray[np.int64] | NDArray[np.float64] = series.value
        if series.texts:  # the list may hold texts of other hours: what is said here is numbered anew
            used, numbers = np.unique(series.value[series.good], return_inverse=True)
            digest.update(msgspec.json.encode([series.texts[number] for number in used.astype(np.int64).tolist()]))
            value = np.zeros(len(series), np.int64)
            value[series.good] = numbers
        digest.update(value.astype(value.dtype.newbyteorder("<")).tobytes())
        digest.update(series.good.tobytes() + series.conflict_us.astype("<i8").tobytes())
    return digest.hexdigest()
