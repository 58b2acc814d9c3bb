"""Settings from a table as a person writes it: strict, and with messages that name file, key and what is allowed."""

import re
from typing import Any, TypeVar

import msgspec

from workshop.errors import ConfigError

S = TypeVar("S", bound=msgspec.Struct)


def convert(table: Any, kind: type[S], where: str) -> S:
    """The table as this Struct.

    Args:
        where: file and table, such as "edge-1.toml: source 'cell'", for messages.
    Raises:
        ConfigError: an unknown or missing key, or a value of the wrong type or size.
    """
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at ")
        keys = f"; the keys there are {', '.join(kind.__struct_fields__)}" if "$." not in place and " field " in text else ""
        unknown = re.sub("Object contains unknown field", "unknown key", text)
        missing = re.sub("Object missing required field", "missing key", unknown)
        raise ConfigError(f"{where}: {missing}{f' at {place}' if '$.' in place else ''}{keys}") from error
