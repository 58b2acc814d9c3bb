"""Lines of files that grow or are complete, from where one was. Blocks on the disk: call it from a thread."""

import os
from pathlib import Path

import msgspec

_CHUNK = 1 << 20
_HEAD = 65_536


class Spot(msgspec.Struct):
    """How far a file was read."""

    inode: int
    offset: int = 0
    line: int = 0
    """Lines before the offset."""
    is_done: bool = False
    """Complete and read to its end."""
    size: int = 0
    """When it was done."""


class Piece(msgspec.Struct, frozen=True):
    """Lines of one file, and how far it is read with them."""

    name: str
    lines: list[tuple[int, bytes]]
    """Line number from 1 on, and the line without its end."""
    too_long: list[int]
    """Numbers of lines that are longer than a megabyte; they are skipped."""
    header: bytes
    spot: Spot


def find(folder: Path, pattern: str) -> list[Path]:
    """Files of this pattern, the oldest first.

    Raises:
        OSError: the folder cannot be read.
    """
    os.scandir(folder).close()
    found = []
    for path in folder.glob(pattern):
        try:
            if path.is_file():
                found.append((path.stat().st_mtime_ns, path.name, path))
        except OSError:
            continue  # gone since
    return [path for _, _, path in sorted(found)]


def spot_of(path: Path, known: Spot | None) -> Spot:
    """Where to go on in a file: at the beginning if it is another one than the one that was known by its name, or was written anew.

    Raises:
        OSError: it is gone.
    """
    stat = path.stat()
    if known is None or known.inode != stat.st_ino or stat.st_size < known.offset or (known.is_done and stat.st_size != known.size):
        return Spot(stat.st_ino)
    return known


def read_piece(path: Path, spot: Spot, *, is_complete: bool) -> Piece | None:
    """The next lines, or None if there are none. The last line counts without its end only if the file is complete.

    Raises:
        OSError: it is gone, or cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if spot.is_done or (size <= spot.offset and not is_complete):
            return None
        header = file.readline(_HEAD)
        file.seek(spot.offset)
        data = file.read(_CHUNK)
    at_end = spot.offset + len(data) >= size
    lines = data.split(b"\n")
    rest = lines.pop()
    too_long: list[int] = []
    offset, number = spot.offset + len(data) - len(rest), spot.line + len(lines)
    if rest and is_complete and at_end:
        lines.append(rest)
        offset, number = offset + len(rest), number + 1
    elif not lines and len(data) == _CHUNK:
        # No end of line within a megabyte: skip to the next one.
        too_long, offset = [spot.line + 1], offset + len(rest)
        found = _skip(path, offset)
        if found is None and not is_complete:
            return None
        offset, number = found or size, spot.line + 1
        at_end = offset >= size
    if not lines and not too_long and not (is_complete and at_end):
        return None
    done = is_complete and at_end and offset >= size
    numbered = [(spot.line + place, line.rstrip(b"\r")) for place, line in enumerate(lines, start=1)]
    return Piece(path.name, numbered, too_long, header.rstrip(b"\r\n"), Spot(spot.inode, offset, number, done, size if done else 0))


def _skip(path: Path, offset: int) -> int | None:
    """Where the line after the one at this offset begins; None if it does not yet."""
    with path.open("rb") as file:
        file.seek(offset)
        while data := file.read(_CHUNK):
            found = data.find(b"\n")
            if found >= 0:
                return offset + found + 1
            offset += len(data)
    return None
