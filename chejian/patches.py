"""Applying a change that was proposed as a unified diff: exactly, or not at all."""

import os
import re
from pathlib import Path

from workshop.errors import ConfigError

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")


def patched(text: str, diff: str, file: str) -> str:
    """The text with the change. Every line that the diff shows has to be where the diff says: nothing is guessed.

    Args:
        file: name of the file that is changed, for messages.
    Raises:
        ConfigError: it is not a unified diff, or the file has changed since it was made.
    """
    old, new = text.splitlines(keepends=True), list[str]()
    at = 0
    lines = diff.splitlines(keepends=True)
    if not any(_HUNK.match(line) for line in lines):
        raise ConfigError(f"{file}: what should be applied is not a unified diff; give the file that chejian edge discover wrote")
    left = 0
    for number, line in enumerate(lines, 1):
        found = _HUNK.match(line) if not left else None
        if found is not None:
            count = int(found.group(2) or 1)
            start = int(found.group(1)) - (1 if count else 0)
            if not at <= start <= len(old):
                raise ConfigError(f"{file}: has changed since line {number} of the diff was made; run chejian edge discover again")
            new += old[at:start]
            at, left = start, _length(found.group(0))
        elif left:
            left -= 2 if line[0] == " " else 1 if line[0] in "+-" else 0
            if line[0] in " -":
                if at >= len(old) or old[at].rstrip("\r\n") != line[1:].rstrip("\r\n"):
                    raise ConfigError(f"{file}: line {at + 1} is not the one of line {number} of the diff; run chejian edge discover again")
                new += old[at : at + 1] if line[0] == " " else []
                at += 1
            elif line[0] == "+":
                new.append(line[1:])
    return "".join(new + old[at:])


def _length(head: str) -> int:
    """How many lines the hunk has, those that stay counted twice."""
    return sum(int(count or 1) for count in re.findall(r"[-+]\d+(?:,(\d+))?", head))


def replace_file(path: Path, text: str) -> Path:
    """Writes the file whole, and keeps what was there beside it; returns the path of that.

    Raises:
        ConfigError: the folder cannot be written to.
    """
    kept, draft = path.with_name(path.name + ".before"), path.with_name(path.name + ".new")
    try:
        draft.write_text(text, encoding="utf-8")
        kept.write_bytes(path.read_bytes())
        os.replace(draft, path)  # noqa: PTH105 – replaces on Windows too
    except OSError as error:
        raise ConfigError(f"{path}: cannot be changed ({error.strerror})") from error
    return kept
