"""Parquet as columns says the same as Parquet row by row; whatever stands in the file, it is taken, refused in words, or a ConfigError."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chejian import history_files
from chejian.history_files import Piece, read
from chejian.history_parquet import columns_of
from workshop.block import check_block
from workshop.errors import ConfigError
from workshop.reading import Reading

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ROW = st.fixed_dictionaries({
    "equipment": st.sampled_from(["m-1", "m-2"]), "name": st.sampled_from(["a", "b", "old"]),
    "source_time_us": st.integers(-(2**53), 2**53) | st.none(), "received_time_us": st.integers(0, 2**53) | st.none(),
    "value_f64": st.floats() | st.none(), "value_i64": st.integers(-(2**63), 2**63 - 1) | st.none(), "value_text": st.sampled_from(["x", "字", None]),
    "quality": st.integers(0, 4) | st.none(), "status": st.sampled_from(["", "BadX", None]),
})
TYPES = {"equipment": pa.string(), "name": pa.string(), "source_time_us": pa.int64(), "received_time_us": pa.int64(), "value_f64": pa.float64(),
         "value_i64": pa.int64(), "value_text": pa.string(), "quality": pa.uint8(), "status": pa.string()}
RENAME = {"m-1/old": "m-1/a", "m-2/old": "m-9/z"}


def sums(pieces: list[Piece]) -> tuple[list[Reading], list[int], list[int]]:
    """Readings, the lines where they stand, and the lines that are refused."""
    for piece in pieces:
        check_block(piece.block)
    refused = sorted(line for piece in pieces for item in piece.refused for line in item.lines)
    return [item for piece in pieces for item in piece.block.readings()], [line for piece in pieces for line in piece.lines.tolist()], refused


@QUICK
@given(rows=st.lists(ROW, min_size=1, max_size=12), dropped=st.sets(st.sampled_from(["received_time_us", "value_text", "quality", "status"])))
def test_columns_and_rows_agree(tmp_path: Path, rows: list[dict[str, Any]], dropped: set[str]) -> None:
    kept = {name: kind for name, kind in TYPES.items() if name not in dropped}
    pq.write_table(pa.table({name: [row[name] for row in rows] for name in kept}, schema=pa.schema(kept.items())), tmp_path / "a.parquet")
    whole = sums(list(read(tmp_path / "a.parquet", RENAME, lambda _: False)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_files, "_whole", lambda *_: None)
        one_by_one = sums(list(read(tmp_path / "a.parquet", RENAME, lambda _: False)))
    assert whole == one_by_one and sorted(whole[1] + whole[2]) == list(range(2, len(rows) + 2))


def test_other_types_of_columns(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    table = {"signal": ["m-1/a", None, "m-1/b"], "time": [moment, moment, None], "value": [1.5, 2.5, 3.5]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    piece, = read(tmp_path / "a.parquet", {}, lambda _: False)
    assert [(item.signal, item.source_time_us, item.value) for item in piece.block.readings()] == [("m-1/a", 1_767_225_600_000_000, 1.5)]
    assert sorted((item.reason, item.lines) for item in piece.refused) == [("no signal id", [3]), ("no time", [4])]
    assert piece.lines.tolist() == [2] and piece.names == {"m-1/a": "m-1/a", "m-1/b": "m-1/b"}
    pq.write_table(pa.table(table | {"value": ["1", "2", "x"]}), tmp_path / "b.parquet")
    assert columns_of(tmp_path / "b.parquet", {}) is None, "texts are read row by row"


@QUICK
@given(content=st.binary(max_size=300), cut=st.integers(0, 2000), at=st.integers(0, 2000))
def test_damage_is_said_in_words(tmp_path: Path, content: bytes, cut: int, at: int) -> None:
    names = ["equipment", "name", "source_time_us", "value_f64"]
    pq.write_table(pa.table({name: [n if TYPES[name] == pa.int64() else None for n in range(50)] for name in names},
                            schema=pa.schema([(name, TYPES[name]) for name in names])), tmp_path / "a.parquet")
    good = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes((good[:at] + content + good[at + len(content):])[: len(good) - cut] if cut else good[:at] + content)
    try:
        for piece in read(tmp_path / "a.parquet", {}, lambda _: False):
            check_block(piece.block)
    except ConfigError as error:
        assert "a.parquet" in str(error)
