"""Columns that fix the target at the same instant: with them a forecast would restate what it is asked for. None is used; each is named."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

_PROPORTIONAL = 0.98
"""Correlation above which one column alone counts as a leak."""
_EXACT = 0.02
"""Relative error below which an algebraic form restates the target."""
_SHARE = 0.5
"""Of the rows: an identity that holds in so many is none by chance."""
_MOST_COLUMNS = 24
_MOST_ROWS = 5_000


def leaks(value: NDArray[np.float64], others: dict[str, NDArray[np.float64]]) -> list[str]:
    """A warning for every column, or pair of columns, from which the target of the same instant follows; and for one that runs ahead of it.

    Looked for are proportion, and the forms a + b, a − b, a · b, a / b, √(a² + b²) and a · b / √(1 − b²), the last being active energy from reactive
    energy and power factor (as a share or in per cent).
    """
    rows = np.linspace(0, len(value) - 1, min(len(value), _MOST_ROWS)).astype(np.int64)
    names = [name for name in others if _varies(others[name][rows])][:_MOST_COLUMNS]
    found, alone = [], set()
    for name in names:
        r = _correlation(others[name], value)
        if abs(r) >= _PROPORTIONAL:
            alone.add(name)
            found.append(f"column '{name}' leaks: it moves with the value of the same instant (correlation {r:.4f}); not used")
        elif (ahead := _correlation(others[name][:-1], value[1:])) >= _PROPORTIONAL:
            alone.add(name)
            found.append(f"column '{name}' leaks: it holds the value of the next step (correlation {ahead:.4f}); not used")
    for a, b in combinations([name for name in names if name not in alone], 2):
        for form in _forms(a, b, others[a][rows], others[b][rows], value[rows]):
            found.append(f"columns '{a}' and '{b}' leak: together they fix the value of the same instant, as {form}; not used")
    return found


def _varies(column: NDArray[np.float64]) -> bool:
    there = column[~np.isnan(column)]
    return len(there) > 1 and float(there.max()) > float(there.min())


def _correlation(column: NDArray[np.float64], value: NDArray[np.float64]) -> float:
    there = ~np.isnan(column + value)
    if there.sum() < 3 or not _varies(column[there]) or not _varies(value[there]):
        return 0.0
    return float(np.corrcoef(column[there], value[there])[0, 1])


def _forms(a: str, b: str, first: NDArray[np.float64], second: NDArray[np.float64], value: NDArray[np.float64]) -> list[str]:
    with np.errstate(all="ignore"):  # a form that is undefined in a row does not hold there
        candidates = {
            f"{a} + {b}": first + second, f"{a} - {b}": first - second, f"{b} - {a}": second - first, f"{a} * {b}": first * second,
            f"{a} / {b}": first / second, f"{b} / {a}": second / first, f"sqrt({a}^2 + {b}^2)": np.hypot(first, second),
            f"{a} with the power factor {b}": _active(first, second), f"{b} with the power factor {a}": _active(second, first),
        }
        return [form for form, column in candidates.items() if _restates(column, value)][:1]


def _active(reactive: NDArray[np.float64], factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Active energy from reactive energy and power factor; nothing where the factor is 1."""
    share = factor / 100 if np.nanmax(factor) > 1 else factor
    found: NDArray[np.float64] = np.where((share > 0) & (share < 1), reactive * share / np.sqrt(1 - share**2), np.nan)
    return found


def _restates(column: NDArray[np.float64], value: NDArray[np.float64]) -> bool:
    """Whether the column is a constant multiple of the value in most of the rows in which the value is not small."""
    usable = np.isfinite(column) & np.isfinite(value) & (np.abs(value) > 0.02 * np.nanmax(np.abs(value)))
    if usable.sum() < 0.25 * len(value) or usable.sum() < 30:
        return False
    quotient = column[usable] / value[usable]
    middle = float(np.median(quotient))
    return middle != 0 and float(np.mean(np.abs(quotient / middle - 1) < _EXACT)) >= _SHARE
