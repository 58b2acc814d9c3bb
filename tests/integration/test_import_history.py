"""The folder that `chejian simulate history` writes goes into a real gateway: announced, in whole days, exactly once whatever stops it."""

import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from chejian.enrolment import enrol_folder
from chejian.history_folder import Lot, lots_of
from chejian.import_edge import Importer
from chejian.importing import Sieve
from evidence.verify import verify
from simulators.history import history
from simulators.settings import load_settings
from tests.unit.gateway.plant import START_US, Sender, admin_of, bearer, gateway_in_thread, until
from workshop.block import Block
from workshop.errors import ConfigError, NotConnected
from workshop.register_file import parse_register

DEMO = Path(__file__).parents[2] / "config" / "demo"
DAY_US = 86_400 * 10**6


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of one compressor, tomorrow and the day after: a window is judged by a register that was logged before its end."""
    out, demo = tmp_path_factory.mktemp("past") / "history", load_settings(DEMO / "simulators.toml")
    machines = [item for block in demo.blocks() for item in block.equipment if item.id == "compressor-01"]
    server = msgspec.structs.replace(demo.server[0], equipment=machines)
    history(msgspec.structs.replace(demo, server=[server], broker=[]), days=2, out=out, end_us=time.time_ns() // 1000 + 3 * DAY_US, workers=1)
    return out


@pytest.fixture
def works(tmp_path: Path) -> Iterator[httpx.Client]:
    text = (DEMO / "workshop.toml").read_text()
    with gateway_in_thread(tmp_path, register_text=text) as url, httpx.Client(base_url=url, headers=bearer(admin_of(tmp_path))) as client:
        yield client


def chejian(*words: str | Path) -> bytes:
    done = subprocess.run([sys.executable, "-m", "chejian", *map(str, words)], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def options(client: httpx.Client, folder: Path) -> list[str | Path]:
    token = ["--admin-token", folder / "data" / "admin.token"]
    return ["--register", folder / "workshop.toml", "--url", str(client.base_url), "--data", folder / "import", *token, "--json"]


def test_a_history_goes_in_day_by_day_and_a_bundle_over_it_verifies(works: httpx.Client, past: Path, tmp_path: Path) -> None:
    about = msgspec.json.decode((past / "history.json").read_bytes())
    dry = msgspec.json.decode(chejian("import", past, *options(works, tmp_path), "--dry-run"))
    assert (dry["rows"], dry["files"], dry["refused"]) == (about["readings"], 2, {}) and works.get("/v1/edges").json() == []
    done = msgspec.json.decode(chejian("import", past, *options(works, tmp_path)))
    assert done["rows"] == about["readings"]
    until(lambda: works.get("/v1/count").json()["rows"] == about["readings"], "indexed")

    entries = [row["body"] for row in works.get("/v1/imports").json()]
    assert [(item["file"], item["edge"]) for item in entries] == [(f"readings/{day.name}", "import") for day in sorted((past / "readings").iterdir())]
    assert sum(item["rows"] for item in entries) == about["readings"] and entries[0]["to_seq"] + 1 == entries[1]["from_seq"]
    announced = [row["body"] for row in works.get("/v1/announcements").json()]
    assert [(item["from_seq"], item["to_seq"], item["why"]) for item in announced] == [(i["from_seq"], i["to_seq"], "import") for i in entries]
    assert announced[0]["from_us"] == about["start_us"] and announced[0]["to_us"] <= about["start_us"] + DAY_US <= announced[1]["from_us"]
    assert announced[1]["to_us"] <= about["end_us"]

    again = msgspec.json.decode(chejian("import", past, *options(works, tmp_path)))
    assert again["rows"] == 0 and len(again["examples"]) == 2 and len(works.get("/v1/imports").json()) == 2

    answer = works.post("/v1/bundles", json={"from_us": announced[0]["from_us"], "to_us": announced[0]["to_us"]}, timeout=60)
    assert answer.status_code == 200, answer.text
    (tmp_path / "bundle.zip").write_bytes(answer.content)
    assert zipfile.ZipFile(tmp_path / "bundle.zip").testzip() is None
    found = verify(tmp_path / "bundle.zip", None)
    assert found.predicate is not None and [step.ok for step in found.steps if not step.ok] == [False], "consistent, signer unknown"


class Stop(Exception):
    """The process ends here."""


def stopped(blocks: Iterator[Block], after: int) -> Iterator[Block]:
    for number, block in enumerate(blocks):
        if number == after:
            raise Stop
        yield block


def test_an_import_that_is_stopped_goes_on_and_takes_every_row_once(
    works: httpx.Client, past: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chejian.import_edge.SEAL_ROWS", 3_000)
    monkeypatch.setattr("chejian.history_parquet.ROWS_AT_ONCE", 1_000)
    register, lot = parse_register((tmp_path / "workshop.toml").read_text(), "workshop.toml"), lots_of(past)[0]
    invited = works.post("/v1/edges", json={"edge": "import", "provenance": "imported"}).json()["token"]
    enrol_folder(str(works.base_url), invited, "import", tmp_path / "import")

    def blocks() -> Iterator[Block]:
        sieve = Sieve(register, {})
        return (block for file in lot.files for block in sieve.blocks(file, lambda _: None))

    for after in (2, 5, 7, 11):
        importer = Importer(str(works.base_url), "import", tmp_path / "import", lambda: START_US, "rules")
        with pytest.raises(Stop):
            importer.take(lot, stopped(blocks(), after))
        importer.close()
    importer = Importer(str(works.base_url), "import", tmp_path / "import", lambda: START_US, "rules")
    importer.take(lot, blocks())
    assert importer.taken(lot)
    importer.close()
    expected = sum(len(block) for block in blocks())
    until(lambda: works.get("/v1/count").json()["rows"] == expected, "every row once")
    entry = works.get("/v1/imports").json()[0]["body"]
    assert (entry["from_seq"], entry["rows"], entry["sha256"]) == (1, expected, lot.sha256)
    until(lambda: works.get("/readyz").json()["ready"], "ready")


def test_a_gateway_that_is_away_is_said_so_and_nothing_is_lost(past: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chejian.import_edge.PATIENCE_S", 0.0)
    text = (DEMO / "workshop.toml").read_text()
    with gateway_in_thread(tmp_path, register_text=text) as url, httpx.Client(base_url=url, headers=bearer(admin_of(tmp_path))) as client:
        invited = client.post("/v1/edges", json={"edge": "import", "provenance": "imported"}).json()["token"]
        enrol_folder(url, invited, "import", tmp_path / "import")
    sieve, lot = Sieve(parse_register(text, "workshop.toml"), {}), lots_of(past)[0]
    importer = Importer(url, "import", tmp_path / "import", lambda: START_US, "rules")
    with pytest.raises(NotConnected, match="goes on where it was"):
        importer.take(lot, (block for file in lot.files for block in sieve.blocks(file, lambda _: None)))
    assert not importer.taken(lot)
    importer.close()


def test_only_an_importing_edge_declares_imports_and_only_its_own(works: httpx.Client, tmp_path: Path) -> None:
    body = {"file": "x", "sha256": "ab" * 32, "rows": 1, "edge": "box", "epoch": START_US, "from_seq": 1, "to_seq": 1}
    plant, imported = Sender("plant-edge"), Sender("box")
    plant.enrol(works, admin_of(tmp_path))
    invited = works.post("/v1/edges", json={"edge": "box", "provenance": "imported"}).json()["token"]
    answer = works.post("/v1/enrol", json={"token": invited, "edge": "box", "public_key": imported.key.public}).json()
    assert works.post("/v1/imports", json=body, headers=bearer(plant.token)).status_code == 403
    said = works.post("/v1/imports", json=body, headers=bearer(answer["token"]))
    assert said.status_code == 400 and "not in the log" in said.json()["detail"]


@pytest.mark.parametrize(("made", "words"), [
    ({}, "nor a history"), ({"readings/2026-01-01/a.parquet": b""}, "history was not finished"), ({"history.json": b"{}"}, "not the one"),
    ({"history.json": b'{"days": 1, "readings": 5}'}, "there are 0 days with 0 readings"), ({"a.txt": b""}, "nor a history"),
    ({"history.json": b'{"days": 1, "readings": 5}', "readings/2026-01-01/a.parquet": b"x"}, "no Parquet file"),
])
def test_a_folder_that_is_no_history_is_refused_in_words(tmp_path: Path, made: dict[str, bytes], words: str) -> None:
    for name, content in made.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        lots_of(tmp_path)


def test_the_digest_of_a_day_is_what_sha256sum_gives(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"2")):
        (tmp_path / name).write_bytes(content)
    # (cd FOLDER && sha256sum a b | sha256sum)
    assert Lot("x", (tmp_path / "a", tmp_path / "b")).sha256 == "68c2919f4305e50800082ab7f11eb17d96c7832f59154e97b1d373a5179a63ea"
