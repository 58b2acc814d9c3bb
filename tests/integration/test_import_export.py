"""History in and out of a real gateway: CSV and Parquet, a dry run, refused rows, provenance, twice the same file; and orders."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from store.log import split_leaf
from tests.unit.gateway.plant import START_US, Sender, admin_of, bearer, gateway_in_thread, reading, until
from workshop.block import block_of

CSV = f"""time,machine,signal,value,quality,status
2026-09-21T22:13:20+08:00,x,m-1/gauge,1.5,,
2026-09-21T14:13:21+00:00,x,power,2,good,
2026-09-21T14:13:22,x,m-1/gauge,3,,
2026-09-21T14:13:23Z,x,m-1/gauge,nan,,
2026-09-21T14:13:24Z,x,m-9/gauge,1,,
2026-09-21T14:13:25Z,x,m-1/gauge,,bad,BadX
2026-09-21T14:13:26Z,x,m-1/text,0012,,
2026-09-21T14:13:27Z,x,m-1/count,{2**63 - 1},0,
2026-09-21T14:13:28Z,x,m-1/count,7,perhaps,
"""
WINDOW = {"from_us": START_US, "to_us": START_US + 10**8}


@pytest.fixture
def works(tmp_path: Path) -> Iterator[httpx.Client]:
    (tmp_path / "history.csv").write_text(CSV)
    (tmp_path / "map.toml").write_text('[signals]\npower = "m-2/gauge"\n')
    with gateway_in_thread(tmp_path) as url, httpx.Client(base_url=url, headers=bearer(admin_of(tmp_path))) as client:
        yield client


def chejian(*words: str | Path, code: int = 0) -> str:
    done = subprocess.run([sys.executable, "-m", "chejian", *map(str, words)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def options(client: httpx.Client, folder: Path) -> list[str | Path]:
    return ["--register", folder / "workshop.toml", "--url", str(client.base_url), "--data", folder / "import", "--map", folder / "map.toml"]


def rows_of(client: httpx.Client, *signals: str) -> list[Any]:
    answer = client.get("/v1/readings", params={"signal": list(signals), **WINDOW}).json()
    return list(zip([at - START_US for at in answer["source_time_us"]], answer["value"], strict=True))


def test_a_csv_goes_in_and_comes_out(works: httpx.Client, tmp_path: Path) -> None:
    summary = msgspec.json.decode(chejian("import", tmp_path / "history.csv", *options(works, tmp_path), "--dry-run", "--json"))
    assert summary["rows"] == 5 and summary["signals"] == {"m-1/gauge": 2, "m-2/gauge": 1, "m-1/text": 1, "m-1/count": 1}
    assert sorted(summary["refused"].values()) == [1, 1, 1, 1]
    assert {line.split(":")[1] for line in summary["examples"]} == {"4", "5", "10"}
    assert works.get("/v1/count").json()["rows"] == 0

    invitation = works.post("/v1/edges", json={"edge": "import", "provenance": "imported"}).json()["token"]
    done = msgspec.json.decode(chejian("import", tmp_path / "history.csv", *options(works, tmp_path), "--token", invitation, "--json"))
    assert done["rows"] == 5
    until(lambda: works.get("/v1/count").json()["rows"] == 5, "indexed")
    assert rows_of(works, "m-1/gauge", "m-2/gauge") == [(0, 1.5), (5_000_000, None), (1_000_000, 2)]
    assert rows_of(works, "m-1/text", "m-1/count") == [(6_000_000, "0012"), (7_000_000, 2**63 - 1)]
    again = chejian("import", tmp_path / "history.csv", *options(works, tmp_path))
    assert "imported before" in again and works.get("/v1/count").json()["rows"] == 5
    assert works.get("/v1/edges").json()[0]["provenance"] == "imported"

    (tmp_path / "token").write_text(admin_of(tmp_path))
    for name in ("out.parquet", "out.csv"):
        where = ["--from-us", str(START_US), "--to-us", str(START_US + 10**8), "--url", str(works.base_url), "--token-file", tmp_path / "token"]
        assert "5 readings" in chejian("export", tmp_path / name, *where)
        round_trip = msgspec.json.decode(chejian("import", tmp_path / name, *options(works, tmp_path), "--dry-run", "--json"))
        assert round_trip["rows"] == 5 and round_trip["refused"] == {}
    with (tmp_path / "out.csv").open(newline="") as stream:
        assert [row["value_text"] for row in csv.DictReader(stream) if row["name"] == "text"] == ["0012"]
    assert "is there already" in chejian("export", tmp_path / "out.csv", *where, code=2)


@pytest.mark.parametrize(("name", "content", "words"), [
    ("a.csv", b"x,y\n1,2\n", "no column signal or equipment"), ("a.parquet", b"no parquet", "no Parquet file"), ("a.txt", b"", "no .csv or .parquet"),
    ("a.csv", b"signal,time,value\n\xff\xfe,1,2\n", "cannot be read"),
])
def test_files_that_are_none_are_refused_in_words(works: httpx.Client, tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert words in chejian("import", tmp_path / name, *options(works, tmp_path), "--dry-run", code=2)


def recorded(works: httpx.Client) -> list[list[dict[str, Any]]]:
    """The orders of each entry of the control log."""
    leaves = [bytes.fromhex(row["leaf"]) for row in works.get("/v1/entries", params={"kind": "orders"}).json()]
    return [json.loads(split_leaf(leaf)[1])["body"]["orders"] for leaf in leaves]


def test_orders_come_in_and_finished_pieces_go_out(works: httpx.Client, tmp_path: Path) -> None:
    sender = Sender()
    sender.enrol(works, admin_of(tmp_path))
    counts = [5, 6, 9, 2, 4]  # a reset after the third
    sender.post(works, sender.seal(block_of([reading("m-1/good", n * 10**6 + 5, value) for n, value in enumerate(counts)])))
    head = "id,product,quantity,work_unit,due_us,planned_start_us,planned_end_us,ideal_cycle_us\n"
    body = head + f"A-1,轴,10,m-1,{START_US + 10**9},{START_US + 10**6},{START_US + 60 * 10**6},\n"
    stored = works.post("/v1/orders", content=body.encode(), headers={"Content-Type": "text/csv; charset=utf-8"})
    assert stored.status_code == 200 and stored.json() == {"stored": 1}
    until(lambda: works.get("/readyz").json()["indexed_batches"] == 1, "indexed")
    found = works.get("/v1/orders", params=WINDOW).json()
    assert found[0]["order"]["product"] == "轴" and found[0]["finished"] == 8
    order = found[0]["order"]
    for wrong in ({"work_unit": "m-9"}, {"quantity": 0}, {"planned_end_us": 0}, {"id": ""}, {"more": 1}):
        assert works.post("/v1/orders", json=[order | wrong]).status_code == 400
    assert works.post("/v1/orders", content=b"id,quantity\nA,x\n", headers={"Content-Type": "text/csv"}).json()["detail"].startswith("orders, line 2")
    assert works.post("/v1/orders", json=[order | {"quantity": 12}]).status_code == 200
    assert [row["order"]["quantity"] for row in works.get("/v1/orders", params=WINDOW).json()] == [12]
    assert works.post("/v1/orders", json=[order | {"quantity": 12}]).status_code == 200  # the same words again
    assert [[item["quantity"] for item in orders] for orders in recorded(works)] == [[10], [12]]
    assert works.post("/v1/orders", json=[order | {"id": f"B-{n}", "cancelled": n == 0} for n in range(1001)]).json() == {"stored": 1001}
    assert [len(orders) for orders in recorded(works)] == [1, 1, 500, 500, 1]
