"""History in and out of a real gateway: CSV and Parquet, a dry run, refused rows, provenance, twice the same file; and orders."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chejian.history_export import write
from chejian.history_files import read
from chejian.importing import Sieve
from store.engines.gateway import GatewaySettings, open_engine
from store.log import split_leaf
from tests.unit.gateway.plant import REGISTER, START_US, Sender, admin_of, bearer, gateway_in_thread, reading, until, workshop
from workshop.block import block_of, concat
from workshop.reading import Quality
from workshop.window import HOUR_US, Window

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
    (tmp_path / "map.toml").write_text('[signals]\npower = "m-2/gauge"\nnever = "m-2/other"\n')
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
    assert {line.split(":")[1] for line in summary["examples"]} == {"4", "5", "6", "10"}
    assert summary["mapping"] == {"m-1/gauge": "m-1/gauge", "power": "m-2/gauge", "m-9/gauge": "m-9/gauge", "m-1/text": "m-1/text",
                                  "m-1/count": "m-1/count"}
    assert (summary["unknown"], summary["unused"]) == (["m-9/gauge"], ["never"])
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


def parquet_of(text: str, file: Path) -> None:
    """The same rows as a CSV's, every column as text."""
    rows = list(csv.DictReader(io.StringIO(text)))
    pq.write_table(pa.table({name: [row[name] or None for row in rows] for name in rows[0]}), file)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_dry_run_shows_the_mapping_and_every_row_that_would_be_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "workshop.toml").write_text(REGISTER)
    (tmp_path / "map.toml").write_text('[signals]\npower = "m-2/gauge"\nnever = "m-2/other"\n')
    many = "".join(f"2026-09-21T15:00:{n:02}Z,x,m-9/gauge,1,,\n" for n in range(9))
    (tmp_path / "in.csv").write_text(CSV + many)
    if kind == "parquet":
        parquet_of(CSV + many, tmp_path / "in.parquet")
    command = ["import", tmp_path / f"in.{kind}", "--register", tmp_path / "workshop.toml", "--map", tmp_path / "map.toml", "--dry-run"]
    shown = chejian(*command, "--refused", tmp_path / "refused.csv")
    assert "m-9/gauge: not in the register" in shown and "never" in shown and "m-2/gauge" in shown
    assert [shown.count(f"in.{kind}:{line}: ") for line in (4, 5, 6, 10, 11, 12, 13)] == [1, 1, 1, 1, 1, 1, 0], "three of each reason"
    with (tmp_path / "refused.csv").open(newline="") as stream:
        rows = [(row["file"], int(row["line"]), row["reason"]) for row in csv.DictReader(stream)]
    assert sorted(line for _, line, _ in rows) == [4, 5, 6, 10, *range(11, 20)] and {file for file, _, _ in rows} == {f"in.{kind}"}
    assert [reason for _, line, reason in rows if line == 6] == ["signal 'm-9/gauge' is not in the register"]
    assert "--refused names a new file" in chejian(*command, "--refused", tmp_path / "refused.csv", code=2)


@pytest.mark.parametrize("row", [
    "m-1/gauge,{at},1_000,,", "m-1/gauge,1_7,1,,", "m-1/gauge,{at},0x10,,", "m-1/gauge,{at},1e999,,", "m-1/gauge,{at},,,1_0.5",
    "m-1/gauge,{at},1,1_7,",
])
def test_what_only_python_takes_for_a_number_is_refused(tmp_path: Path, row: str) -> None:
    (tmp_path / "in.csv").write_text(f"signal,source_time_us,value,received_time_us,value_f64\n{row.format(at=START_US)}\n")
    sieve = Sieve(workshop(), {})
    assert list(sieve.blocks(tmp_path / "in.csv", lambda _: None)) == [] and sum(sieve.summary.refused.values()) == 1


def test_one_row_that_no_batch_can_hold_is_refused_alone(tmp_path: Path) -> None:
    """Neither a time beyond what a batch can say, nor one beyond 64 bits, nor a status without end takes its neighbours with it."""
    late, beyond, long = 2**53, 2**70, "x" * 501
    lines = [f"m-1/gauge,{START_US},1,", f"m-1/gauge,{late},2,", f"m-1/gauge,{beyond},3,", f"m-1/gauge,{START_US + 1},4,{long}",
             f"m-1/gauge,{START_US + 2},5,"]
    (tmp_path / "in.csv").write_text("signal,source_time_us,value,status\n" + "\n".join(lines) + "\n")
    columns = {"signal": ["m-1/gauge"] * 4, "source_time_us": [START_US, late, START_US + 1, START_US + 2], "value": [1.0, 2.0, 4.0, 5.0],
               "status": ["", "", long, ""]}
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    for name, refused in (("in.csv", [3, 4, 5]), ("in.parquet", [3, 4])):
        told: list[int] = []
        sieve = Sieve(workshop(), {}, lambda _, line, __, told=told: told.append(line))  # type: ignore[misc]
        times = [int(at) - START_US for block in sieve.blocks(tmp_path / name, lambda _: None) for at in block.source_time_us]
        assert (times, sorted(told)) == ([0, 2], refused)
        assert sum(sieve.summary.refused.values()) == len(refused)


@pytest.mark.parametrize("again", [[], ["--again"]])
def test_a_folder_that_fed_one_gateway_is_not_taken_for_another(works: httpx.Client, tmp_path: Path, again: list[str]) -> None:
    (tmp_path / "history.csv").write_text(CSV)
    first = ["--admin-token", tmp_path / "data" / "admin.token"]
    assert msgspec.json.decode(chejian("import", tmp_path / "history.csv", *options(works, tmp_path), *first, "--json"))["rows"] == 5
    other = tmp_path / "other"
    other.mkdir()
    with gateway_in_thread(other) as url, httpx.Client(base_url=url, headers=bearer(admin_of(other))) as fresh:
        token = ["--admin-token", other / "data" / "admin.token", *again]
        said = chejian("import", tmp_path / "history.csv", *options(fresh, tmp_path), *token, code=2)
        assert "does not know edge 'import'" in said and "--data" in said and "imported before" not in said
        own = ["--register", tmp_path / "workshop.toml", "--url", url, "--data", other / "import", "--map", tmp_path / "map.toml"]
        assert msgspec.json.decode(chejian("import", tmp_path / "history.csv", *own, *token, "--json"))["rows"] == 5
        until(lambda: fresh.get("/v1/count").json()["rows"] == 5, "the second gateway has them, too")
    # Enrolled there by hand, the folder still remembers batches that this gateway has never seen.
    (tmp_path / "import" / "enrolment.json").rename(tmp_path / "import" / "enrolment.old")
    third = tmp_path / "third"
    third.mkdir()
    with gateway_in_thread(third) as url, httpx.Client(base_url=url) as client:
        token = ["--admin-token", third / "data" / "admin.token", *again]
        said = chejian("import", tmp_path / "history.csv", *options(client, tmp_path), *token, code=2)
        assert "holds 0 of the 1 batches" in said


def test_an_export_holds_no_more_than_a_page_and_loses_nothing_of_a_reading(works: httpx.Client, tmp_path: Path) -> None:
    sender = Sender()
    sender.enrol(works, admin_of(tmp_path))
    rows = [reading("m-1/text", n, f'字,"{n}"\n' if n % 3 else "", status="x,y" if n % 2 else "") for n in range(40)]
    rows += [reading("m-2/gauge", n, None if n % 5 == 0 else n / 7, status="Bad" if n % 5 == 0 else "") for n in range(40)]
    rows += [reading("m-1/count", n, value) for n, value in enumerate((2**63 - 1, -(2**63), 0))]
    rows += [reading("m-1/gauge", 3_700_000_000 + n, 5, quality=Quality.UNCERTAIN) for n in range(7)]
    sender.post(works, sender.seal(block_of(rows)))
    until(lambda: works.get("/v1/count").json()["rows"] == len(rows), "indexed")
    token = works.headers["authorization"].partition(" ")[2]
    engine = open_engine(GatewaySettings(str(works.base_url), token, page_rows=10))
    window = Window(START_US, START_US + 2 * HOUR_US)
    pages = list(engine.pages(engine.signals(), window))
    assert max(map(len, pages)) <= 10 and len(pages) >= len(rows) // 10
    assert concat(pages).readings() == engine.read(engine.signals(), window).readings()
    for name in ("all.csv", "all.parquet"):
        assert write(tmp_path / name, pages) == len(rows)
        found = [item for piece in read(tmp_path / name, {}, {"m-1/text"}.__contains__) for item in piece.block.readings()]
        assert found == concat(pages).readings()
    engine.close()


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
