"""A folder of pictures and a list of them as a table for the models: one row a picture."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from analytics.maintenance.table import Table
from analytics.pictures import looks
from chejian.tables import read_table
from workshop.errors import ConfigError

IMAGE, VERDICT, GROUP = "image", "verdict", "group"
GOOD = "OK"
MOST_PIXELS = 25_000_000


def picture_table(listing: Path, folder: Path | None = None, *, judged: bool = True) -> Table:
    """The pictures that a list names, in its order, which is that of time, as numbers.

    Args:
        listing: a table with a column `image` (paths below the folder), with `verdict` (empty or OK for good) where it is judged, and `group` if any.
        folder: where the pictures are; the list's own folder unless said otherwise.
    Raises:
        ConfigError: no such column, a path that leads out of the folder, a picture that is missing, damaged, too small or too large.
    """
    table, root = read_table(listing, None), folder or listing.parent
    names = [_text(value) for value in table.column(IMAGE, "--data").tolist()]
    rows = [_read(root, name, f"{listing}: row {number}") for number, name in enumerate(names, 1)]
    if not rows:
        raise ConfigError(f"{listing}: names no pictures")
    columns = {IMAGE: np.array(names, object), **{key: np.array([row[key] for row in rows]) for key in rows[0]}}
    if judged:
        columns[VERDICT] = np.array([_verdict(value) for value in table.column(VERDICT, "--data").tolist()], object)
    if GROUP in table.columns:
        columns[GROUP] = np.array([_text(value) for value in table.columns[GROUP].tolist()], object)
    return Table(str(listing), columns)


def station_verdicts(listing: Path) -> list[str | None]:
    """What the list says of each picture; None where it has no such column."""
    table = read_table(listing, None)
    return [_verdict(value) for value in table.columns[VERDICT].tolist()] if VERDICT in table.columns else [None] * len(table)


def _read(root: Path, name: str, where: str) -> dict[str, float]:
    path = root / name
    if not name or not path.resolve().is_relative_to(root.resolve()):
        raise ConfigError(f"{where}: image '{name[:80]}' does not lie below {root}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise ConfigError(f"{where}: {path} has {picture.width} × {picture.height} pixels, at most {MOST_PIXELS} are read")
                return looks(np.asarray(picture.convert("L")))
    except FileNotFoundError as error:
        raise ConfigError(f"{where}: no picture {path}; --images names their folder") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ConfigError(f"{where}: {path} cannot be read as a picture: {str(error)[:200]}") from error


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value)  # noqa: PLR0124 — NaN


def _verdict(value: object) -> str:
    return GOOD if _text(value) in ("", GOOD) else "NG"
