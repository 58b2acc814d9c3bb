"""Health assessment (HA of ISO 13374): an index from 0 to 1 with the signals that speak against health."""

import msgspec
import numpy as np

from analytics.maintenance.detection import Normal
from analytics.maintenance.sound import Sound
from analytics.maintenance.table import Numbers

_SAID = 3


class Health(msgspec.Struct, frozen=True):
    """How sound a machine is: 1 as in the fit period, 0.5 at the limit of alarm, towards 0 beyond."""

    index: float
    alarm: bool
    reasons: tuple[tuple[str, float], ...]
    """(signal, share in the distance from the normal state), the largest first."""


def health_of(normal: Normal | Sound, names: list[str], values: Numbers) -> list[Health]:
    """Health at each row f64[rows, signals]; no smoothing over rows that come later."""
    above = normal.score(values) - normal.threshold
    # The score is a logarithm of squared distance: distance against its limit is exp(above / 2).
    index = 1 / (1 + np.exp(np.clip(above, -50, 50)))
    shares = normal.contributions(values)
    found = []
    for i in range(len(values)):
        order = np.argsort(-shares[i], kind="stable")[:_SAID]
        reasons = tuple((names[normal.kept[j]], float(shares[i, j])) for j in order)
        found.append(Health(float(index[i]), bool(above[i] >= 0), reasons))
    return found
