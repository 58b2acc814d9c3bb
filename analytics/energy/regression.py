"""Least squares for an energy baseline, and how far an adjusted sum may be off.

Residuals of neighbouring intervals resemble each other; the variance is widened by n/n' with n' = n (1 − ρ)/(1 + ρ), ρ the lag-one
autocorrelation of the residuals, never below nothing, as ASHRAE Guideline 14 counts independent intervals.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

ASHRAE_FACTOR = 1.26
"""Of the fractional savings uncertainty in ASHRAE Guideline 14; written from memory of the text, not seen in it."""


class Fit(msgspec.Struct, frozen=True, eq=False):
    """A least-squares line through n intervals with p coefficients, the constant included."""

    coefficients: NDArray[np.float64]
    """f64[p]: the constant, then one per variable."""
    spread: NDArray[np.float64]
    """f64[p, p]: the inverse of XᵀX."""
    variance: float
    """Of the residuals, over n − p."""
    count: int
    independent: float
    """n', the intervals that the residuals are worth."""
    cv_rmse: float
    nmbe: float
    r_squared: float | None
    autocorrelation: float


def fit_line(variables: NDArray[np.float64], value: NDArray[np.float64]) -> Fit:
    """Fits value = constant + variables · coefficients.

    Args:
        variables: f64[n, k], finite. value: f64[n], finite, its mean not zero.
    Raises:
        ValueError: fewer than p + 1 intervals, variables that follow from each other or never change, or a mean of zero.
    """
    matrix = _with_constant(variables)
    count, width = matrix.shape
    if count <= width:
        raise ValueError(f"{count} intervals are too few for {width} coefficients")
    scale = np.abs(matrix).max(axis=0)
    if not scale.all() or np.linalg.matrix_rank(matrix / scale) < width:
        raise ValueError("a variable never changes or follows from the others")
    mean = float(value.mean())
    if mean == 0:
        raise ValueError("the mean is zero")
    inverse = np.linalg.inv((matrix / scale).T @ (matrix / scale)) / np.outer(scale, scale)
    coefficients = np.linalg.lstsq(matrix / scale, value, rcond=None)[0] / scale
    residual = value - matrix @ coefficients
    squares = float(residual @ residual)
    total = float(((value - mean) ** 2).sum())
    rho = float(residual[1:] @ residual[:-1]) / squares if squares > 0 else 0.0
    held = max(rho, 0.0)
    variance = squares / (count - width)
    return Fit(
        coefficients, inverse, variance, count, count * (1 - held) / (1 + held), float(np.sqrt(variance)) / abs(mean),
        float(residual.sum()) / ((count - width) * mean), 1 - squares / total if total > 0 else None, rho,
    )


def predict_sum(fit: Fit, variables: NDArray[np.float64], level: float) -> tuple[float, float | None]:
    """The sum that the line expects over m intervals, and the half width of its two-sided interval for what is then measured.

    Var = s² · n/n' · (m + 1ᵀ X (XᵀX)⁻¹ Xᵀ 1), with Student's t on n' − p degrees of freedom; None where n' does not exceed p.
    """
    matrix = _with_constant(variables)
    summed = matrix.sum(axis=0)
    expected = float(summed @ fit.coefficients)
    freedom = fit.independent - len(fit.coefficients)
    if freedom <= 0:
        return expected, None
    variance = fit.variance * fit.count / fit.independent * (len(matrix) + float(summed @ fit.spread @ summed))
    return expected, float(student.ppf(0.5 + level / 2, freedom)) * float(np.sqrt(variance))


def fractional_uncertainty(fit: Fit, reported: int, fraction: float, level: float) -> float | None:
    """Uncertainty of the savings as a share of them: t · 1.26 · CV(RMSE) · √(n/n' · (1 + 2/n') / m) / F (ASHRAE Guideline 14).

    Args:
        reported: m, the intervals of the reporting period. fraction: F, savings over adjusted use.
    """
    freedom = fit.independent - len(fit.coefficients)
    if freedom <= 0 or fraction == 0:
        return None
    shape = float(np.sqrt(fit.count / fit.independent * (1 + 2 / fit.independent) / reported))
    return float(student.ppf(0.5 + level / 2, freedom)) * ASHRAE_FACTOR * fit.cv_rmse * shape / abs(fraction)


def _with_constant(variables: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack((np.ones(len(variables)), variables))
