"""Reading the files that commands name."""

from pathlib import Path
from typing import TYPE_CHECKING

from workshop.errors import ConfigError

if TYPE_CHECKING:
    from workshop.register import Workshop


def read_file(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    try:
        return read_file(path).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error


def read_register(path: Path) -> "Workshop":
    """The register in a workshop.toml."""
    from workshop.register_file import parse_register

    return parse_register(read_file(path), str(path))


def beside(file: Path, name: str) -> Path:
    """A path from a configuration file: absolute, or relative to the folder of that file."""
    return Path(name) if Path(name).is_absolute() else file.parent / name
