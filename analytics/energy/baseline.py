"""Energy baseline on relevant variables, and the savings against it (ISO 50006; IPMVP options B and C: measured use of a system or a site).

What the model is follows from the rows of the baseline period, the variables and the method alone; the digest of these fixes it before the
reporting period begins.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import date

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.energy.regression import fit_line, fractional_uncertainty, predict_sum
from analytics.energy.table import Table
from workshop.errors import ConfigError

METHOD = "ols/1"
LEVEL = 0.9
LIMITS = {"monthly": (0.15, 0.05), "hourly": (0.30, 0.10)}
"""CV(RMSE) and |NMBE| that ASHRAE Guideline 14 allows."""
_DATE = re.compile(r"\s*(\d{4})[-/.年](\d{1,2})(?:[-/.月](\d{1,2}))?(?!\d)")


class Quality(msgspec.Struct, frozen=True):
    """How the line fits the baseline period."""

    intervals: int
    cv_rmse: float
    nmbe: float
    r_squared: float | None
    autocorrelation: float
    limits: str
    """Whose limits were used: those for hourly data where a day has several rows, else the stricter ones for monthly data."""
    within_limits: bool


class Savings(msgspec.Struct, frozen=True):
    """Adjusted baseline use less measured use over the reporting period, in the unit of the value."""

    intervals: int
    adjusted: float
    measured: float
    savings: float
    level: float
    low: float | None
    high: float | None
    """None where the residuals are worth too few independent intervals."""
    fractional_uncertainty: float | None
    """By ASHRAE Guideline 14's formula, as a share of the savings."""
    improvement: float | None
    """Savings over adjusted use: 1 − EnPI."""
    enpi: float | None
    """The energy performance indicator (ISO 50006): measured over adjusted use; the baseline is 1. None where adjusted use is not above 0."""
    enpi_low: float | None
    enpi_high: float | None
    """From the bounds of the savings, with adjusted use taken as it is."""


class Baseline(msgspec.Struct, frozen=True):
    """A baseline; with savings once there are rows after it."""

    digest: str
    coefficients: dict[str, float]
    quality: Quality
    savings: Savings | None
    warnings: list[str]


def run_baseline(table: Table, variables: Sequence[str], until: date, file: str, expect: str | None = None) -> Baseline:
    """Fits the rows up to and with the day named, and sets the later ones against it.

    Args:
        expect: the digest under which the model was fixed; None where it is not yet.
    Raises:
        ConfigError: an unknown variable, dates that cannot be read or are out of order, rows that do not fit a line, or another digest.
    """
    days = _days(table.times, file)
    matrix = _matrix(table, variables, file)
    known = np.isfinite(matrix).all(axis=1) & np.isfinite(table.value)
    base = days <= until.toordinal()
    if not base.any():
        raise ConfigError(f"{file}: no row up to {until}, the end of the baseline")
    digest = _digest(table, variables, matrix, base, until)
    if expect is not None and expect != digest:
        raise ConfigError(f"{file}: the baseline was fixed as {expect}, these rows and variables give {digest}: data or model changed since")
    used, later = base & known, ~base & known
    try:
        fit = fit_line(matrix[used], table.value[used])
    except ValueError as error:
        raise ConfigError(f"{file}: no baseline from the {int(used.sum())} whole rows up to {until}: {error}") from error
    several = "hourly" if len(np.unique(days[used])) < int(used.sum()) else "monthly"
    cv_limit, bias_limit = LIMITS[several]
    within = fit.cv_rmse <= cv_limit and abs(fit.nmbe) <= bias_limit
    quality = Quality(fit.count, fit.cv_rmse, fit.nmbe, fit.r_squared, fit.autocorrelation, several, within)
    warnings = []
    if not within:
        warnings.append(f"CV(RMSE) {fit.cv_rmse:.1%} or NMBE {fit.nmbe:.1%} is beyond {cv_limit:.0%} or {bias_limit:.0%}: no base for savings")
    if not known.all():
        warnings.append(f"{int((~known).sum())} rows lack a value or a variable: left out on both sides, neither filled nor guessed")
    if expect is None and later.any():
        warnings.append("no digest was given: nothing shows that the model was fixed before the reporting period")
    savings = None
    if later.any():
        warnings += _outside(variables, matrix[used], matrix[later])
        expected, half = predict_sum(fit, matrix[later], LEVEL)
        measured = float(table.value[later].sum())
        saved, count = expected - measured, int(later.sum())
        fraction = saved / expected if expected > 0 else None
        share = None if fraction is None else fractional_uncertainty(fit, count, fraction, LEVEL)
        low, high = (None, None) if half is None else (saved - half, saved + half)
        enpi = [None if expected <= 0 or item is None else 1 - item / expected for item in (saved, high, low)]
        savings = Savings(count, expected, measured, saved, LEVEL, low, high, share, fraction, *enpi)
        if low is None or high is None or low <= 0 <= high:
            warnings.append("the interval of the savings does not exclude zero: nothing is shown either way")
    names = ("constant", *variables)
    return Baseline(digest, {name: float(found) for name, found in zip(names, fit.coefficients, strict=True)}, quality, savings, warnings)


def _days(texts: Sequence[str], file: str) -> NDArray[np.int64]:
    """The day of every row, in order; a month stands for its first day."""
    found = np.zeros(len(texts), np.int64)
    for row, text in enumerate(texts):
        match = _DATE.match(text)
        try:
            found[row] = date(int(match[1]), int(match[2]), int(match[3] or 1)).toordinal() if match else 0
        except ValueError:
            match = None
        if match is None:
            raise ConfigError(f"{file}: row {row + 2}: '{text[:40]}' is no date; write it as 2024-01-31, 2024-01-31 08:00 or 2024-01")
    if (np.diff(found) < 0).any():
        raise ConfigError(f"{file}: row {int(np.flatnonzero(np.diff(found) < 0)[0]) + 3} is earlier than the row before it: sort the rows by time")
    if len({text.strip() for text in texts}) < len(texts):
        raise ConfigError(f"{file}: a time stands in more than one row")
    return found


def _matrix(table: Table, variables: Sequence[str], file: str) -> NDArray[np.float64]:
    if not variables or len(set(variables)) < len(variables) or "constant" in variables:
        raise ConfigError("--variables must name columns, each once, none of them 'constant'")
    for name in variables:
        if name not in table.others:
            raise ConfigError(f"{file}: --variables '{name}' is no column of numbers; there are {', '.join(table.others) or 'none'}")
    return np.column_stack([table.others[name] for name in variables])


def _digest(table: Table, variables: Sequence[str], matrix: NDArray[np.float64], base: NDArray[np.bool_], until: date) -> str:
    rows = [
        [table.times[row].strip(), *(float(cell) if np.isfinite(cell) else None for cell in (table.value[row], *matrix[row]))]
        for row in np.flatnonzero(base)
    ]
    return "sha256:" + hashlib.sha256(msgspec.json.encode([METHOD, LEVEL, until.isoformat(), list(variables), rows])).hexdigest()


def _outside(variables: Sequence[str], base: NDArray[np.float64], later: NDArray[np.float64]) -> list[str]:
    low, high = base.min(axis=0), base.max(axis=0)
    share = ((later < low) | (later > high)).mean(axis=0)
    found = zip(variables, share, strict=True)
    return [f"{name}: {part:.0%} of the reporting period lies outside what the baseline saw" for name, part in found if part > 0]
