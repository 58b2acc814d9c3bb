"""A disk that can fail: a VFS (https://sqlite.org/vfs.html) around SQLite's own, which keeps apart what was written and what was synchronised.

All SQLite files of this process go through it while it is mounted. It follows what is known of real disks and kernels:

    power loss    what was written since a file's last sync may be there, in part, torn at sectors, in any order, or not at all
    failed sync   the pages count as clean: they can be read on, and no later sync writes them (Rebello et al., USENIX ATC 2020)
    no room       a write beyond the quota fails
"""

import _sqlite3
import ctypes
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, cast, sizeof
from pathlib import Path
from typing import Any

FULL, IOERR_FSYNC, IOERR_WRITE = 13, 10 | 4 << 8, 10 | 3 << 8
SECTOR = 512
_library: Any = ctypes.CDLL(_sqlite3.__file__)
_library.sqlite3_vfs_find.restype = c_void_p
_library.sqlite3_vfs_register.argtypes = [c_void_p, c_int]
_library.sqlite3_vfs_unregister.argtypes = [c_void_p]

_KEPT: list[Any] = []
"""What SQLite points at, for as long as this process lives: a connection may be closed long after its disk is gone."""

_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(Structure):
    _fields_ = [
        ("iVersion", c_int), ("szOsFile", c_int), ("mxPathname", c_int), ("pNext", c_void_p), ("zName", c_char_p), ("pAppData", c_void_p),
        ("xOpen", _Open), ("xDelete", _Delete), *[(f"other{i}", c_void_p) for i in range(14)],
    ]


class _Methods(Structure):
    _fields_ = [
        ("iVersion", c_int), ("xClose", c_void_p), ("xRead", c_void_p), ("xWrite", _Write), ("xTruncate", _Truncate), ("xSync", _Sync),
        *[(f"other{i}", c_void_p) for i in range(13)],
    ]


class _File(Structure):
    _fields_ = [("pMethods", POINTER(_Methods))]


class _Image:
    """One file: its bytes as synchronised, and what was written since. None: it is not in its folder for certain."""

    def __init__(self) -> None:
        self.durable: bytearray | None = None
        self.pending: list[tuple[int, bytes | None]] = []
        """(offset, data), or (size, None) for a truncation."""

    @staticmethod
    def apply(data: bytearray, offset: int, piece: bytes | None) -> None:
        if piece is None:
            del data[offset:]
            data.extend(bytes(max(0, offset - len(data))))
            return
        data.extend(bytes(max(0, offset - len(data))))
        data[offset : offset + len(piece)] = piece


class Disk:
    """The disk, with its faults. Change `quota`, `refuse_writes` and `refuse_syncs` at will; `tick` is called before every write and sync."""

    def __init__(self) -> None:
        self.quota: int | None = None
        """Bytes that all files together may have; as far as it is less than what they have, none grows."""
        self.refuse_writes = self.refuse_syncs = False
        self.syncs = 0
        self.tick: Callable[[], None] | None = None
        self._images: dict[str, _Image] = {}
        self._unlinked: dict[str, bytearray] = {}
        self._names: dict[int, str] = {}

    def power_loss(self, source: Path, target: Path, lots: random.Random) -> None:
        """What a computer finds in the folder `target` that was `source` when its power failed now."""
        target.mkdir()
        names = set(self._images) | set(self._unlinked)
        for name in names:
            if Path(name).parent != source:
                continue
            image = self._images.get(name)
            if image is None or image.durable is None:
                # Deleted and not yet synchronised: the old entry may be there again. Made and not yet synchronised: it is not there.
                data = self._unlinked.get(name) if lots.random() < 0.5 else None
            else:
                data = bytearray(image.durable)
                kind = lots.randrange(3)
                for offset, piece in image.pending[: lots.randrange(len(image.pending) + 1)] if kind == 1 else image.pending:
                    if kind == 0 or (kind == 2 and lots.random() < 0.5):
                        continue
                    whole = piece is None or lots.random() < 0.8
                    _Image.apply(data, offset, piece if whole or piece is None else piece[: lots.randrange(len(piece) + 1) // SECTOR * SECTOR])
            if data is not None:
                (target / Path(name).name).write_bytes(data)

    def process_loss(self, source: Path, target: Path) -> None:
        """What the next process finds when this one is killed and the computer runs on: everything written, synchronised or not, in `target`."""
        target.mkdir()
        for name, image in list(self._images.items()):
            if Path(name).parent == source and Path(name).exists():
                copy = _Image()
                copy.durable = None if image.durable is None else bytearray(image.durable)
                copy.pending = list(image.pending)
                self._images[str(target / Path(name).name)] = copy
                (target / Path(name).name).write_bytes(Path(name).read_bytes())

    @contextmanager
    def mounted(self) -> Iterator["Disk"]:
        """All SQLite files that are opened inside lie on this disk."""
        original = cast(_library.sqlite3_vfs_find(None), POINTER(_Vfs)).contents
        vfs = _Vfs()
        ctypes.memmove(byref(vfs), byref(original), sizeof(_Vfs))
        vfs.zName, vfs.pNext = b"failing-disk", None
        vfs.xOpen, vfs.xDelete = _Open(self._opening(original)), _Delete(self._deleting(original))
        _KEPT.extend((vfs, vfs.xOpen, vfs.xDelete))
        assert _library.sqlite3_vfs_register(byref(vfs), 1) == 0
        try:
            yield self
        finally:
            _library.sqlite3_vfs_unregister(byref(vfs))
            # The registered default was this one; the built-in one takes its place again.
            _library.sqlite3_vfs_register(byref(original), 1)

    def _opening(self, original: _Vfs) -> Callable[..., int]:
        def opened(vfs: int, name: int, file: int, flags: int, out: int) -> int:
            code: int = original.xOpen(vfs, name, file, flags, out)
            if code == 0 and name:
                path = cast(name, c_char_p).value or b""
                self._names[file] = path.decode()
                there = Path(path.decode()).read_bytes()
                image = self._images.setdefault(path.decode(), _Image())
                if image.durable is None and not image.pending and there:
                    image.durable = bytearray(there)
                self._wrap(cast(file, POINTER(_File)).contents)
            return code

        return opened

    def _deleting(self, original: _Vfs) -> Callable[..., int]:
        def delete(vfs: int, name: bytes, sync_folder: int) -> int:
            image = self._images.pop(name.decode(), None)
            self._unlinked.pop(name.decode(), None)
            if image is not None and image.durable is not None and not sync_folder:
                self._unlinked[name.decode()] = image.durable
            code: int = original.xDelete(vfs, name, sync_folder)
            return code

        return delete

    def _wrap(self, file: _File) -> None:
        inner, methods = file.pMethods.contents, _Methods()
        ctypes.memmove(byref(methods), byref(inner), sizeof(_Methods))

        def write(handle: int, data: int, size: int, offset: int) -> int:
            self._step()
            name = self._names[handle]
            if self.refuse_writes:
                return IOERR_WRITE
            if self.quota is not None and offset + size > Path(name).stat().st_size and self._used() + size > self.quota:
                return FULL
            code: int = inner.xWrite(handle, data, size, offset)
            if code == 0:
                self._image(name).pending.append((offset, ctypes.string_at(data, size)))
            return code

        def truncate(handle: int, size: int) -> int:
            code: int = inner.xTruncate(handle, size)
            if code == 0:
                self._image(self._names[handle]).pending.append((size, None))
            return code

        def sync(handle: int, flags: int) -> int:
            self._step()
            image = self._image(self._names[handle])
            pending, image.pending = image.pending, []
            if self.refuse_syncs:
                image.durable = image.durable if image.durable is not None else bytearray()
                return IOERR_FSYNC
            self.syncs += 1
            if image.durable is None:
                # With the first sync of a new log SQLite synchronises the folder, too: what was deleted there before is gone for good.
                folder, image.durable = Path(self._names[handle]).parent, bytearray()
                self._unlinked = {name: data for name, data in self._unlinked.items() if Path(name).parent != folder}
            for offset, piece in pending:
                _Image.apply(image.durable, offset, piece)
            return 0  # the tests are not about this machine's own disk

        methods.xWrite, methods.xTruncate, methods.xSync = _Write(write), _Truncate(truncate), _Sync(sync)
        _KEPT.extend((methods, methods.xWrite, methods.xTruncate, methods.xSync))
        file.pMethods = ctypes.pointer(methods)

    def _image(self, name: str) -> _Image:
        return self._images.setdefault(name, _Image())

    def _used(self) -> int:
        return sum(Path(name).stat().st_size for name in self._images if Path(name).exists())

    def _step(self) -> None:
        if self.tick is not None:
            tick, self.tick = self.tick, None
            try:
                tick()
            finally:
                self.tick = tick
