"""Tables of an invented shop, with signal, without, and with traps."""

from pathlib import Path

import numpy as np
import pytest

from analytics.maintenance.table import Column, Numbers, Table

SHARED = Path(__file__).parents[4].parent / "shared" / "data"


def shared(*parts: str) -> Path:
    """A file of the public data beside the repository; the test is skipped where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"../shared is absent: no data/{'/'.join(parts)}")
    return path


def table(name: str = "shop", /, **columns: Column | list[float]) -> Table:
    """A table of columns."""
    return Table(name, {key: np.asarray(value) for key, value in columns.items()})


def signal(seed: int = 0, rows: int = 400, units: int = 20, noise: float = 0.4) -> dict[str, Numbers]:
    """Columns with a target `wear` that depends on `force` and `heat`, an event `broken`, and units that do not differ."""
    lots = np.random.default_rng(seed)
    force, heat, idle = (lots.normal(size=rows) for _ in range(3))
    wear = force + 0.5 * heat + noise * lots.normal(size=rows)
    return {
        "unit": np.repeat(np.arange(units), rows // units).astype(float), "hour": np.tile(np.arange(rows // units), units).astype(float),
        "force": force, "heat": heat, "idle": idle, "wear": wear, "broken": (wear > 1).astype(float),
    }


def pure_noise(seed: int, rows: int = 200, units: int = 20) -> dict[str, Numbers]:
    """As `signal`, but the targets have nothing to do with the inputs."""
    columns = signal(seed, rows, units)
    lots = np.random.default_rng(seed + 10_000)
    return columns | {"wear": lots.normal(size=rows), "broken": (lots.random(rows) < 0.3).astype(float)}


def fleet(seed: int = 0, units: int = 24, conditions: int = 1) -> Table:
    """Units that run to failure, with sensors that drift as life ends; with conditions that move every sensor by far more than wear does."""
    lots = np.random.default_rng(seed)
    effect = lots.normal(scale=30, size=(conditions, 4))
    found: dict[str, list[float]] = {name: [] for name in ("unit", "cycle", "height", "speed", "a", "b", "c", "d")}
    for unit in range(units):
        life = int(lots.integers(60, 160))
        for cycle in range(1, life + 1):
            wear = np.exp(-(life - cycle) / 25)
            k = int(lots.integers(conditions))
            values = effect[k] + np.array([3, -3, 2, 0]) * wear + lots.normal(scale=0.4, size=4)
            row = (unit, cycle, 10.0 * k + lots.normal(scale=0.002), 100.0 - 20 * (k % 2), *values)
            for name, value in zip(found, row, strict=True):
                found[name].append(float(value))
    return table(**found)
