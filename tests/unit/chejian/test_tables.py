"""Readers: the same table from every kind of file, and words for what cannot be read."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest

from analytics.maintenance.table import Table, is_text
from chejian.tables import read_table
from workshop.errors import ConfigError

ROWS = [("L", 1.5, 10), ("M", -2.0, 11), ("L", 0.25, 12)]
NAMES = ("type", "heat [K]", "n")


def written(mark: str, header: bool = True) -> bytes:
    lines = ([mark.join(NAMES)] if header else []) + [mark.join(map(str, row)) for row in ROWS]
    return ("\n".join(lines) + "\n").encode()


def parquet(path: Path) -> None:
    columns = {name: [row[i] for row in ROWS] for i, name in enumerate(NAMES)}
    pa.parquet.write_table(pa.table(columns), path)


def excel(path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (NAMES, *ROWS):
        book.worksheets[0].append(row)
    book.save(path)


def read(path: Path, content: bytes, sep: str | None = None) -> Table:
    path.write_bytes(content)
    return read_table(path, sep)


def check(table: Table, names: tuple[str, ...] = NAMES) -> None:
    assert tuple(table.columns) == names
    assert [column.tolist() for column in table.columns.values()] == [["L", "M", "L"], [1.5, -2.0, 0.25], [10.0, 11.0, 12.0]]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_text_with_any_separator(tmp_path: Path, mark: str) -> None:
    check(read(tmp_path / "a.csv", written(mark)))
    check(read(tmp_path / "b.txt.gz", gzip.compress(written(mark), mtime=0)))
    check(read(tmp_path / "c.txt", written(mark), sep=mark))
    check(read(tmp_path / "d.csv", b"\xef\xbb\xbf" + written(mark).replace(b"\n", b"\r\n")))


@pytest.mark.parametrize("write", [parquet, excel], ids=["parquet", "xlsx"])
def test_binary_files(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / f"a.{write.__name__.replace('excel', 'xlsx')}"
    write(path)
    check(read_table(path))


def test_without_header_columns_are_counted(tmp_path: Path) -> None:
    check(read(tmp_path / "a.csv", written(",", header=False)), ("0", "1", "2"))
    table = read(tmp_path / "a.txt", b"1 2   3.5  \n4  5 6e-1 \n")
    assert {name: column.tolist() for name, column in table.columns.items()} == {"0": [1, 4], "1": [2, 5], "2": [3.5, 0.6]}
    assert list(read(tmp_path / "n.csv", b"0,1,2\n5,6,7\n").columns) == ["0", "1", "2"]
    assert len(read(tmp_path / "n.csv", b"0,1,2\n5,6,7\n")) == 1


def test_missing_values_are_missing(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", b"a,b,c\n1,x,\nNA,?,\nnan,,\ninf,y,\n5,z,\n")
    assert np.isnan(table.columns["a"]).tolist() == [False, True, True, True, False]
    assert table.columns["b"].tolist() == ["x", None, None, "y", "z"]
    assert np.isnan(table.columns["c"]).all()


def test_kinds_of_values(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", b'when;flag;decimal;note\n2026-01-31 08:00;True;1,5;"a;b"\n2026-01-31 08:01;False;-2,25;c\n')
    assert is_text(table.columns["when"])
    assert table.columns["flag"].tolist() == [1, 0]
    assert table.columns["decimal"].tolist() == [1.5, -2.25]
    assert table.columns["note"].tolist() == ["a;b", "c"]


def test_names_are_made_distinct(tmp_path: Path) -> None:
    assert list(read(tmp_path / "a.csv", b"x,x,,y\n1,2,3,4\n").columns) == ["x", "x.2", "unnamed 2", "y"]


def test_chinese_encodings(tmp_path: Path) -> None:
    for encoding in ("utf-8", "gb18030"):
        assert list(read(tmp_path / "a.csv", "温度,转速\n1,2\n".encode(encoding)).columns) == ["温度", "转速"]


@pytest.mark.parametrize(("name", "content", "words"), [
    ("a.csv", b"", "is empty"),
    ("a.csv", b"\n\n", "no rows"),
    ("a.csv", b"a,b\n", "header and no rows"),
    ("a.csv", b"a,b\n1,2\n1,2,3\n", "line 3 has 3 fields"),
    ("a.csv", b"a,b\n1\n", "line 2 has 1 fields"),
    ("a.csv.gz", b"a,b\n1,2\n", "no gzip file"),
    ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 999, mtime=0)[:40], "damaged"),
    ("a.csv", b"a\0b\n", "no text file"),
    ("a.parquet", b"PAR1 no", "no Parquet file"),
    ("a.xlsx", b"PK no", "no Excel workbook"),
    ("a.xls", b"x", "no kind of table"),
    ("a.json", b"{}", "no kind of table"),
])
def test_what_cannot_be_read_is_refused_in_words(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refusal:
        read(tmp_path / name, content)
    assert name in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_and_a_strange_separator(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_table(tmp_path / "a.csv")
    with pytest.raises(ConfigError, match="--sep"):
        read(tmp_path / "a.csv", written(","), sep="::")
