"""The container of a bundle: a BagIt bag (RFC 8493) as a folder or a zip, in one spelling, so that nothing can be hidden in it."""

import hashlib
import re
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from evidence.zipped import Entry, ZipWriter, open_entry, read_directory
from workshop.errors import ConfigError, NotConnected, Rejected

STATEMENT = "data/statement.dsse.json"
CONTROL_LOG = "data/control.log"
PROOFS = "data/proofs.json"
REGISTER = "data/register.json"
CLAIMS = "data/claims.json"
CHECKPOINTS = {"data": "data/checkpoints/data.txt", "control": "data/checkpoints/control.txt"}
REQUIRED = (CHECKPOINTS["control"], CHECKPOINTS["data"], CLAIMS, CONTROL_LOG, PROOFS, REGISTER, STATEMENT)
SEGMENT = re.compile(r"data/segments/([0-9]{12})-([0-9]{12})\.seg")
PACK = re.compile(r"data/packs/([a-z0-9]+(?:-[a-z0-9]+)*)\.json")

BAGIT_TXT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
TAG_FILES = ("bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt")
MAX_FILES = 60_000
MAX_TEXT_FILE = 64 * 2**20
_PIECE = 2**20


class Summary:
    """SHA-256, CRC-32 and size of a file."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.size = self.crc = 0

    def add(self, data: bytes) -> None:
        """The next bytes of the file."""
        self._sha256.update(data)
        self.crc = zlib.crc32(data, self.crc)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """64 lower-case hexadecimal digits."""
        return self._sha256.hexdigest()


class _Tee:
    def __init__(self, file: BinaryIO, number: int, start: int) -> None:
        self._file, self.summary = file, Summary()
        self.number, self.start = number, start
        """Number among the writer's `files`, and offset there, at which this file begins."""

    def write(self, data: bytes, /) -> int:
        self.summary.add(data)
        self._file.write(data)
        return len(data)


def tag_files(payload: Mapping[str, tuple[str, int]]) -> dict[str, bytes]:
    """The four tag files that belong to this payload (name → SHA-256, size), in the order in which they are written."""
    size = sum(size for _, size in payload.values())
    files = {
        "bagit.txt": BAGIT_TXT,
        "bag-info.txt": f"Bag-Software-Agent: chejian\nPayload-Oxum: {size}.{len(payload)}\n".encode(),
        "manifest-sha256.txt": "".join(f"{payload[name][0]}  {name}\n" for name in sorted(payload)).encode(),
    }
    listed = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return {**files, "tagmanifest-sha256.txt": listed.encode()}


class BagWriter:
    """Writes the payload of a new bag, in the sorted order of its names, then its tag files; a path ending in .zip makes a zip."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError: the path exists already, or cannot be made."""
        self._path, self._zip, self._file = path, None, None
        self.payload: dict[str, tuple[str, int]] = {}
        self.files: list[str] = []
        """Paths for those who read back at offsets what was written: the zip itself, or the files one after the other."""
        try:
            if path.suffix == ".zip":
                self._file = path.open("xb")
                self._zip = ZipWriter(self._file)
            else:
                path.mkdir()
        except FileExistsError as error:
            raise ConfigError(f"{path}: exists already; a bundle is never overwritten, choose another name") from error
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written ({error}); choose another place") from error

    @contextmanager
    def file(self, name: str) -> Iterator[_Tee]:
        """A file to write to. Payload files must come in sorted order, so that the zip has one spelling."""
        if self._zip is not None:
            with self._zip.file(name) as body:
                tee = _Tee(cast(BinaryIO, body), 0, self._zip.start)
                self.files = [str(self._path)]
                yield tee
            cast(BinaryIO, self._file).flush()
        else:
            target = self._path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as opened:
                tee = _Tee(opened, len(self.files), 0)
                self.files.append(str(target))
                yield tee
        if name not in TAG_FILES:
            if self.payload and name < max(self.payload):
                raise ValueError(f"payload files out of order: {name} after {max(self.payload)}")
            self.payload[name] = (tee.summary.sha256, tee.summary.size)

    def add(self, name: str, data: bytes) -> None:
        """A whole file at once."""
        with self.file(name) as file:
            file.write(data)

    def finish(self) -> None:
        """Writes the tag files and closes."""
        for name, data in tag_files(dict(self.payload)).items():
            self.add(name, data)
        if self._zip is not None:
            self._zip.finish()
        self.close()

    def close(self) -> None:
        """Closes without finishing; what stands there is no bundle."""
        if self._file is not None:
            self._file.close()


class BagReader:
    """A bag to verify; only names that a bundle may have, only regular files."""

    def __init__(self, path: Path) -> None:
        """Lists the files; nothing of their content is checked.

        Raises:
            NotConnected: there is nothing at this path.
            Rejected: a link or special file, an empty folder, a name that no bundle has, too many files, or a zip that is not in its one spelling.
        """
        self._path = path
        self._entries: dict[str, Entry] = {}
        try:
            if path.is_dir():
                self.sizes = dict(self._walk())
            else:
                with path.open("rb") as file:
                    entries = read_directory(file)
                self._entries = {entry.name: entry for entry in entries}
                self.sizes = {entry.name: entry.size for entry in entries}
                payload = [entry.name for entry in entries if entry.name not in TAG_FILES]
                if [entry.name for entry in entries] != [*sorted(payload), *TAG_FILES]:
                    raise Rejected("zip: its files must be the payload in sorted order, then the four tag files")
        except OSError as error:
            raise NotConnected(f"{path}: cannot be read ({error}); give the folder or zip of a bundle") from error
        if len(self.sizes) > MAX_FILES:
            raise Rejected(f"more than {MAX_FILES} files")
        if missing := [name for name in (*REQUIRED, *TAG_FILES) if name not in self.sizes]:
            raise Rejected(f"file '{missing[0]}' is missing")
        for name in self.sizes:
            if name not in REQUIRED and name not in TAG_FILES and not SEGMENT.fullmatch(name) and not PACK.fullmatch(name):
                raise Rejected(f"file {ascii(name)[:120]} has no place in a bundle")

    def _walk(self) -> Iterator[tuple[str, int]]:
        folders = [self._path]
        while folders:
            folder = folders.pop()
            items = list(folder.iterdir())
            if not items:
                raise Rejected(f"folder {folder.name!a} is empty")
            for item in items:
                name = item.relative_to(self._path).as_posix()
                state = item.lstat()
                if stat.S_ISDIR(state.st_mode):
                    folders.append(item)
                elif stat.S_ISREG(state.st_mode):
                    yield name, state.st_size
                else:
                    raise Rejected(f"{ascii(name)[:120]} is a link or a special file")

    @property
    def segments(self) -> list[tuple[str, int, int]]:
        """(name, first, end) of the data log's segment files, sorted."""
        found = ((name, SEGMENT.fullmatch(name)) for name in sorted(self.sizes))
        return [(name, int(match[1]), int(match[2])) for name, match in found if match]

    @property
    def packs(self) -> dict[str, str]:
        """Names of the packs' files by pack id, sorted."""
        found = ((name, PACK.fullmatch(name)) for name in sorted(self.sizes))
        return {match[1]: name for name, match in found if match}

    def open(self, name: str) -> BinaryIO:
        """The bytes of one file, as a stream."""
        if name in self._entries:
            return cast(BinaryIO, open_entry(self._path, self._entries[name]))
        return (self._path / name).open("rb")

    @property
    def files(self) -> tuple[str, ...]:
        """Paths that hold the segment files, for those who read at offsets: the zip itself, or every file."""
        return (str(self._path),) if self._entries else tuple(str(self._path / name) for name, _, _ in self.segments)

    def location(self, name: str) -> tuple[int, int]:
        """Number in `files`, and offset there, at which a segment file begins."""
        if self._entries:
            return 0, self._entries[name].start
        return [item for item, _, _ in self.segments].index(name), 0

    def read(self, name: str) -> bytes:
        """The whole of one small file.

        Raises:
            Rejected: larger than 64 MiB.
        """
        if self.sizes[name] > MAX_TEXT_FILE:
            raise Rejected(f"file '{name}': {self.sizes[name]} bytes, at most {MAX_TEXT_FILE}")
        with self.open(name) as file:
            return file.read(MAX_TEXT_FILE)

    def check(self) -> dict[str, str]:
        """Reads every file once and compares with the manifests, which must be in their one spelling.

        Returns:
            SHA-256 of every payload file by name.
        Raises:
            Rejected: a digest, CRC or size that differs, a file not listed, or a tag file spelt otherwise.
        """
        payload: dict[str, tuple[str, int]] = {}
        for name in sorted(set(self.sizes) - set(TAG_FILES)):
            payload[name] = (self._summary(name).sha256, self.sizes[name])
        for name, expected in tag_files(payload).items():
            if self.sizes[name] != len(expected) or self.read(name) != expected:
                where = self._where(name, expected)
                raise Rejected(f"'{name}' does not fit the files: one was changed, added or removed after the bundle was made{where}")
            if name in self._entries:
                self._summary(name)
        return {name: digest for name, (digest, _) in payload.items()}

    def _summary(self, name: str) -> Summary:
        summary = Summary()
        with self.open(name) as file:
            while data := file.read(_PIECE):
                summary.add(data)
        if summary.size != self.sizes[name]:
            raise Rejected(f"file '{name}' changed while it was read")
        if name in self._entries and summary.crc != self._entries[name].crc:
            raise Rejected(f"file '{name}': its CRC in the zip is {self._entries[name].crc:08x}, its bytes give {summary.crc:08x}")
        return summary

    def _where(self, name: str, expected: bytes) -> str:
        """The first line that differs, for the message."""
        got = self.read(name).decode("utf-8", "replace").splitlines()
        for have, want in zip(got, expected.decode().splitlines(), strict=False):
            if have != want:
                return f" (got {ascii(have)[:120]}, expected '{want[:120]}')"
        return ""
