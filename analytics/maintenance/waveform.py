"""Data manipulation (DM of ISO 13374): what a window of a raw signal says in time and, where sampling allows, in frequency."""

import msgspec
import numpy as np

from analytics.maintenance.table import Numbers
from workshop.errors import Rejected

VELOCITY_BAND_HZ = (10.0, 1000.0)
"""ISO 20816-3 for speeds above 600 r/min; below it the band begins at 2 Hz."""
_ALIAS = 2.56  # samples for each Hz of the band's upper end: Nyquist and the margin of the anti-alias filter


class Shape(msgspec.Struct, frozen=True):
    """Figures of one window in the unit of the signal; crest factor, skewness and kurtosis without unit (kurtosis of a normal signal: 3)."""

    rms: float
    peak: float
    crest: float
    skewness: float
    kurtosis: float


def shape_of(values: Numbers) -> Shape:
    """Time-domain figures of one window, its mean taken out.

    Raises:
        Rejected: fewer than eight values, or one that is missing.
    """
    if len(values) < 8 or not np.isfinite(values).all():
        raise Rejected("a window needs at least eight values, none missing")
    moving = values - values.mean()
    rms = float(np.sqrt((moving**2).mean()))
    peak = float(np.abs(moving).max())
    if rms == 0:
        return Shape(0.0, 0.0, 0.0, 0.0, 0.0)
    scaled = moving / rms
    return Shape(rms, peak, peak / rms, float((scaled**3).mean()), float((scaled**4).mean()))


def band_rms(values: Numbers, rate_hz: float, low_hz: float, high_hz: float) -> float:
    """RMS of what a signal holds between two frequencies.

    Raises:
        Rejected: the sampling rate cannot show the band; a slow trend value is no vibration severity.
    """
    power, frequency = _power(values, rate_hz, high_hz)
    return float(np.sqrt(power[(frequency >= low_hz) & (frequency <= high_hz)].sum()))


def velocity_rms(acceleration: Numbers, rate_hz: float, band_hz: tuple[float, float] = VELOCITY_BAND_HZ) -> float:
    """Velocity RMS in mm/s from acceleration in m/s², integrated in the frequency domain within the band, so that an offset does not drift.

    Raises:
        Rejected: the sampling rate cannot show the band.
    """
    power, frequency = _power(acceleration, rate_hz, band_hz[1])
    inside = (frequency >= band_hz[0]) & (frequency <= band_hz[1])
    return float(1000 * np.sqrt((power[inside] / (2 * np.pi * frequency[inside]) ** 2).sum()))


def _power(values: Numbers, rate_hz: float, high_hz: float) -> tuple[Numbers, Numbers]:
    """(mean square at each frequency, frequency in Hz), by a Hann window."""
    if rate_hz < _ALIAS * high_hz:
        raise Rejected(f"{rate_hz:g} values a second show nothing up to {high_hz:g} Hz; at least {_ALIAS * high_hz:g} are needed")
    shape_of(values)
    window = np.hanning(len(values))
    spectrum = np.fft.rfft((values - values.mean()) * window)
    power: Numbers = 2 * np.abs(spectrum) ** 2 / (len(values) * (window**2).sum())
    return power, np.asarray(np.fft.rfftfreq(len(values), 1 / rate_hz), np.float64)
