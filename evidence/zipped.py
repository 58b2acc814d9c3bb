"""Zip files of one spelling: stored, no extras, no comments, no time stamps; whatever is not byte for byte what the writer writes is refused.

Every entry stands under `bundle/`. Sizes and offsets are 32-bit: a bundle beyond 4 GiB is exported to a folder.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import BinaryIO

import msgspec

from workshop.errors import ConfigError, Rejected

BASE = "bundle/"
MAX_ENTRIES = 65_534
_LIMIT = 2**32 - 1
_NAME_BYTES = 256
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _DOS_DATE = 20, 0x21  # 2.0; 1980-01-01
_UNIX = 3 << 8 | _VERSION
_MODE = 0o100644 << 16


class Entry(msgspec.Struct, frozen=True):
    """One stored file: name without the base, where its bytes begin, how many, and their CRC-32."""

    name: str
    start: int
    size: int
    crc: int


def _local(name: bytes, size: int, crc: int) -> bytes:
    return _LOCAL.pack(b"PK\x03\x04", _VERSION, 0, 0, 0, _DOS_DATE, crc, size, size, len(name), 0) + name


def _directory(entries: list[Entry]) -> bytes:
    records = []
    for entry in entries:
        name = (BASE + entry.name).encode("ascii")
        offset = entry.start - _LOCAL.size - len(name)
        records.append(
            _CENTRAL.pack(b"PK\x01\x02", _UNIX, _VERSION, 0, 0, 0, _DOS_DATE, entry.crc, entry.size, entry.size, len(name), 0, 0, 0, 0, _MODE, offset)
            + name
        )
    return b"".join(records)


def _tail(entries: list[Entry]) -> bytes:
    """Central directory and end record."""
    directory = _directory(entries)
    offset = entries[-1].start + entries[-1].size if entries else 0
    return directory + _END.pack(b"PK\x05\x06", 0, 0, len(entries), len(entries), len(directory), offset, 0)


class ZipWriter:
    """Writes files one after the other into a new zip."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._entries: list[Entry] = []
        self.start = 0
        """Offset of the bytes of the file that is being written."""

    @contextmanager
    def file(self, name: str) -> Iterator["_Body"]:
        """A file to write to; its size and CRC are put in front of it when the block ends.

        Raises:
            ConfigError: the zip would grow beyond what 32 bits can say.
        """
        raw = (BASE + name).encode("ascii")
        at = self._file.tell()
        self._file.write(_local(raw, 0, 0))
        self.start = self._file.tell()
        body = _Body(self._file)
        yield body
        end = self._file.tell()
        if end > _LIMIT or len(self._entries) >= MAX_ENTRIES:
            raise ConfigError("bundle: larger than 4 GiB or 65,534 files, which a zip of this form cannot hold; export to a folder")
        self._file.seek(at)
        self._file.write(_local(raw, body.size, body.crc))
        self._file.seek(end)
        self._entries.append(Entry(name, at + _LOCAL.size + len(raw), body.size, body.crc))

    def finish(self) -> None:
        """Writes the directory."""
        self._file.write(_tail(self._entries))


class _Body:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = self.crc = 0

    def write(self, data: bytes, /) -> int:
        self.size += len(data)
        self.crc = zlib.crc32(data, self.crc)
        return self._file.write(data)


def read_directory(file: BinaryIO) -> list[Entry]:
    """The entries of a zip in its one spelling. CRCs are the caller's to check, when it reads the files.

    Raises:
        Rejected: a comment, extra field, compression, duplicate, gap or overlap between entries, or anything else that our writer would not write.
    """
    size = file.seek(0, 2)
    if size < _END.size:
        raise Rejected("zip: too short to be one")
    file.seek(size - _END.size)
    magic, _, _, _, number, length, offset, _ = _END.unpack(file.read(_END.size))
    if magic != b"PK\x05\x06" or offset + length + _END.size != size:
        raise Rejected("zip: does not end in a plain directory (comments and bytes after the end are refused)")
    if length > number * (_CENTRAL.size + _NAME_BYTES):
        raise Rejected(f"zip: a directory of {length} bytes for {number} files")
    file.seek(offset)
    directory = file.read(length)
    entries: list[Entry] = []
    place = start = 0
    for _ in range(number):
        if place + _CENTRAL.size > length:
            raise Rejected("zip: directory cut short")
        fields = _CENTRAL.unpack_from(directory, place)
        crc, entry_size, name_length = fields[7], fields[8], fields[10]
        raw = directory[place + _CENTRAL.size : place + _CENTRAL.size + name_length]
        name = raw.decode("ascii", "replace")
        if not name.startswith(BASE) or not name.isascii():
            raise Rejected(f"zip: entry {ascii(name)[:80]} does not stand under {BASE}")
        begin = start + _LOCAL.size + name_length
        if begin + entry_size > offset:
            raise Rejected(f"zip: entry {ascii(name)[:80]} reaches into the directory")
        file.seek(start)
        if file.read(begin - start) != _local(raw, entry_size, crc):
            raise Rejected(f"zip: entry {ascii(name)[:80]} is not stored plainly (compression, extra fields, flags and gaps are refused)")
        entries.append(Entry(name[len(BASE) :], begin, entry_size, crc))
        place += _CENTRAL.size + name_length
        start = begin + entry_size
    file.seek(offset)
    if start != offset or file.read() != _tail(entries):
        raise Rejected("zip: its directory is not in the one spelling that is accepted (comments, extra fields and attributes are refused)")
    if len({entry.name for entry in entries}) != len(entries):
        raise Rejected("zip: an entry stands twice")
    return entries


class _Slice(RawIOBase):
    """A stretch of a file as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._at, 2: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        self._file.seek(self._start + self._at)
        data = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def open_entry(path: Path, entry: Entry) -> BufferedReader:
    """The bytes of one entry, through a file handle of its own."""
    return BufferedReader(_Slice(path.open("rb"), entry.start, entry.size), 2**18)
