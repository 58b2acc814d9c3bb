"""Headers at rest: the same bytes come back, archives of the format before are read on, damage is said in words."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.archive_header import packed, unpacked
from tests.unit.store.gateway_archive import Gateway, chain
from workshop.batch import MAX_HEADER_BYTES
from workshop.errors import ConfigError


@given(text=st.text(max_size=500))
def test_the_same_bytes_come_back(text: str) -> None:
    header = b'{"v":1,"x":' + text.encode("utf-8", "replace") + b"}"
    assert unpacked(packed(header)) == header and len(packed(header)) <= len(header)


@given(data=st.binary(max_size=200))
def test_damage_is_said_in_words(data: bytes) -> None:
    try:
        assert len(unpacked(data)) <= MAX_HEADER_BYTES
    except ConfigError as error:
        assert "damaged" in str(error)


def test_an_archive_of_the_format_before_is_read_and_goes_on(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    batches = chain(4)
    gateway.commit(*batches[:2])
    gateway.archive.close()
    connection = sqlite3.connect(gateway.path)
    stored = connection.execute("SELECT number, header FROM batches").fetchall()
    assert all(len(header) < len(batch.header) for (_, header), batch in zip(stored, batches, strict=False)), "compressed"
    for number, _ in stored:
        connection.execute("UPDATE batches SET header = ? WHERE number = ?", (batches[number].header, number))
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    gateway.archive = gateway.open()
    gateway.commit(*batches[2:])
    assert [one.batch.header for one in gateway.archive.batches(0, 4)] == [batch.header for batch in batches]
    assert [item.index for item in gateway.commit(batches[1])] == [None], "a replay is still known"
    gateway.archive.close()
    connection = sqlite3.connect(gateway.path)
    assert connection.execute("PRAGMA user_version").fetchone() == (3,), "an older program refuses it"
    connection.execute("UPDATE batches SET header = x'28b52ffd00' WHERE number = 3")
    connection.commit()
    connection.close()
    gateway.archive = gateway.open()
    with pytest.raises(ConfigError, match="header is damaged"):
        list(gateway.archive.batches(0, 4))
    gateway.archive.close()
