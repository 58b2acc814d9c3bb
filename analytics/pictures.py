"""Pictures of surfaces as numbers: what a grey picture looks like, whatever its size; for a first check by a learned model."""

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
GRID = 4
LEAST = 8
"""Pixels along a side, below which there is nothing to see."""
_QUANTILES = (1, 5, 50, 95, 99)


def looks(picture: Picture) -> dict[str, float]:
    """Named numbers of one picture, u8[height, width]: grey levels, and what is left when every row's and column's median is taken away.

    The rest holds scratches and pores; feed marks and shading, which run along rows or columns, are gone. Of a grid of 4 × 4 fields the smallest
    and greatest rest are given in order of size, so that it does not matter where on the part a defect lies; the four edges have their own means.
    Raises:
        ValueError: not two-dimensional, or a side below 8 pixels.
    """
    if picture.ndim != 2 or min(picture.shape) < LEAST:
        raise ValueError(f"a picture of {' × '.join(map(str, picture.shape))} pixels; grey and at least {LEAST} × {LEAST} is wanted")
    grey = picture.astype(np.float64)
    rest = grey - np.median(grey, axis=0, keepdims=True)
    rest -= np.median(rest, axis=1, keepdims=True)
    scale = float(np.median(np.abs(rest))) or 1.0
    found = {f"grey_p{q}": float(value) for q, value in zip(_QUANTILES, np.percentile(grey, _QUANTILES), strict=True)}
    found |= {f"rest_p{q}": float(value) for q, value in zip(_QUANTILES, np.percentile(rest, _QUANTILES), strict=True)}
    found |= {"rest_scale": scale, "rest_min": float(rest.min()), "rest_max": float(rest.max()), "rest_std": float(rest.std())}
    for limit in (4, 8):
        found[f"dark_{limit}"] = float((rest < -limit * scale).mean())
        found[f"bright_{limit}"] = float((rest > limit * scale).mean())
    fields = [field for band in np.array_split(rest, GRID, axis=0) for field in np.array_split(band, GRID, axis=1)]
    for name, values in (("field_low", sorted(float(f.mean()) for f in fields)), ("field_std", sorted(float(f.std()) for f in fields))):
        found |= {f"{name}_1": values[0], f"{name}_2": values[1], f"{name}_15": values[-2], f"{name}_16": values[-1]}
    middle, edge = float(np.median(grey)), max(2, min(picture.shape) // 12)
    sides = {"top": grey[:edge], "bottom": grey[-edge:], "left": grey[:, :edge], "right": grey[:, -edge:]}
    found |= {f"edge_{name}": float(side.mean()) - middle for name, side in sides.items()}
    return found
