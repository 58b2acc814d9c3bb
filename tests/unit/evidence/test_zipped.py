"""Zips in one spelling: what other writers make is refused."""

import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from evidence.zipped import ZipWriter, open_entry, read_directory
from workshop.errors import Rejected

FILES = {"a.txt": b"hello", "data/b.txt": b"", "data/c.bin": bytes(range(256)) * 50}


def ours() -> bytes:
    buffer = BytesIO()
    writer = ZipWriter(buffer)
    for name, data in FILES.items():
        with writer.file(name) as file:
            for at in range(0, len(data), 7):
                file.write(data[at : at + 7])
    writer.finish()
    return buffer.getvalue()


def theirs(compression: int = zipfile.ZIP_STORED, comment: bytes = b"", names: tuple[str, ...] = ("bundle/a.txt",)) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name in names:
            file.writestr(name, "hello" * 100)
        file.comment = comment
    return buffer.getvalue()


def test_it_reads_what_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(ours())
    with path.open("rb") as file:
        entries = read_directory(file)
    for entry in entries:
        with open_entry(path, entry) as opened:
            assert opened.read() == FILES[entry.name]
        with open_entry(path, entry) as opened:
            opened.seek(3)
            opened.seek(2, 1)
            assert opened.read(4) == FILES[entry.name][5:9]
    assert zipfile.ZipFile(BytesIO(ours())).namelist() == [f"bundle/{name}" for name in FILES]


@pytest.mark.parametrize("data", [
    theirs(), theirs(zipfile.ZIP_DEFLATED), theirs(comment=b"hidden"), theirs(names=("bundle/../evil",)), theirs(names=("/etc/passwd",)),
    ours() + b"tail", b"head" + ours(), ours()[:-1], b"", b"PK",
], ids=["time stamps", "deflate", "comment", "dots", "absolute", "tail", "head", "cut", "empty", "short"])
def test_any_other_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(Rejected, match="zip"):
        read_directory(BytesIO(data))


def test_an_entry_that_stands_twice_is_refused() -> None:
    buffer = BytesIO()
    writer = ZipWriter(buffer)
    for data in (b"one", b"two"):
        with writer.file("a.txt") as file:
            file.write(data)
    writer.finish()
    with pytest.raises(Rejected, match="twice"):
        read_directory(buffer)
