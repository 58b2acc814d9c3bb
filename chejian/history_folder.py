"""What an import takes at a time: a CSV or Parquet file, or one day of a history folder as `chejian simulate history` writes it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from chejian.history_export import FORMATS
from workshop.canonical import sha256_hex
from workshop.errors import ConfigError

ABOUT, READINGS = "history.json", "readings"


class Lot(msgspec.Struct, frozen=True):
    """Files that are imported, announced and remembered together, so that a stopped import goes on where it was."""

    name: str
    files: tuple[Path, ...]

    @property
    def sha256(self) -> str:
        """Of one file its digest; of more, the digest of what `sha256sum` prints for them in the order of their names.

        Raises:
            ConfigError: a file cannot be read.
        """
        digests = [(file.name, _digest(file)) for file in self.files]
        return digests[0][1] if len(digests) == 1 else sha256_hex("".join(f"{digest}  {name}\n" for name, digest in digests).encode())

    @property
    def bytes(self) -> int:
        """Size of the files, for a progress bar."""
        return sum(file.stat().st_size for file in self.files)


class _About(msgspec.Struct):
    """What of history.json is compared with the files."""

    days: int
    readings: int


def lots_of(path: Path) -> list[Lot]:
    """What there is to import at a path: a file, a folder of files, or a history.

    Raises:
        ConfigError: nothing of these, or a history that is not whole.
    """
    if (path / READINGS).is_dir() or (path / ABOUT).exists():
        return _history(path)
    found = sorted(file for file in path.iterdir() if file.suffix in FORMATS) if path.is_dir() else [path]
    if not found or not all(file.is_file() and file.suffix in FORMATS for file in found):
        like = f"no {' or '.join(FORMATS)} file there, nor a history ({READINGS}/<day>/<equipment>.parquet beside {ABOUT})"
        raise ConfigError(f"{path}: {like}; 'chejian simulate history --out {path}' writes one" if path.is_dir() else f"{path}: {like}")
    return [Lot(file.name, (file,)) for file in found]


def _history(path: Path) -> list[Lot]:
    """A history by day. What really happened (truth/) lies beside it and is no reading of any machine: it is never imported."""
    from chejian.history_parquet import rows_of

    try:
        about = msgspec.json.decode((path / ABOUT).read_bytes(), type=_About)
    except OSError as error:
        raise ConfigError(f"{path}: {READINGS}/ without {ABOUT} ({error.strerror}): the history was not finished; write it again") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path / ABOUT}: {error}; it is not the one that 'chejian simulate history' wrote") from error
    lots = [Lot(f"{READINGS}/{day.name}", tuple(sorted(day.glob("*.parquet")))) for day in _days(path / READINGS)]
    lots = [lot for lot in lots if lot.files]
    rows = sum(rows_of(file) for lot in lots for file in lot.files)
    if len(lots) != about.days or rows != about.readings:
        there = f"{len(lots)} days with {rows} readings"
        raise ConfigError(f"{path}: {ABOUT} says {about.days} days with {about.readings} readings, there are {there}; copy it whole")
    return lots


def _days(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(day for day in folder.iterdir() if day.is_dir())


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
