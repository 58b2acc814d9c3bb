"""From one engine to another while the line goes on, and any engine filled anew from the journal."""

from pathlib import Path

import httpx
import pytest

from gateway.rebuild import rebuild
from gateway.settings import load_gateway, parse_gateway
from tests.contracts.servers import Victoria, victoria
from tests.unit.gateway.plant import REGISTER, START_US, Sender, admin_of, bearer, configure, gateway_in_thread, ramp, reading, until
from workshop.block import block_of, concat
from workshop.errors import ConfigError
from workshop.window import Window

__all__ = ["victoria"]
DUCKDB = '{ name = "duckdb" }'


def victoria_table(server: Victoria, folder: Path) -> str:
    return f'{{ name = "victoriametrics", url = "{server.url}", measurement = "{folder.name}", finer_times = "cut", trail_s = 0 }}'


def values(client: httpx.Client) -> list[object]:
    answer = client.get("/v1/readings", params={"signal": "m-1/gauge", "from_us": START_US, "to_us": START_US + 10**9})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["value"])


def test_two_engines_are_fed_at_once_then_the_second_takes_over(victoria: Victoria, tmp_path: Path) -> None:
    edge, table = Sender(), victoria_table(victoria, tmp_path)
    with gateway_in_thread(tmp_path) as url, httpx.Client(base_url=url) as client:
        edge.enrol(client, admin_of(tmp_path))
        assert edge.post(client, edge.seal(ramp("m-1/gauge", 0, 100))).status_code == 200
    admin = bearer(admin_of(tmp_path))
    text = reading("m-1/text", 5000, "不")
    with gateway_in_thread(tmp_path, second_engine=table) as url, httpx.Client(base_url=url, headers=admin) as client:
        assert edge.post(client, edge.seal(concat([ramp("m-1/gauge", 100, 50), block_of([text])]))).status_code == 200
        until(lambda: [row["batches"] for row in client.get("/v1/engines").json()] == [2, 2], "both are fed")
        rows = client.get("/v1/engines").json()
        assert [(row["place"], row["name"], row["of"], row["moving"]) for row in rows] == [
            ("engine", "duckdb", 2, True), ("second_engine", "victoriametrics", 2, True)]
        assert client.get("/v1/count").json() == {"rows": 151, "cursor": 2}, "questions are answered by the first one"
        assert any("text" in row["reason"] for row in client.get("/v1/quarantine").json()), "said before the switch"
        before = values(client)
        text = client.get("/metrics").text
        assert 'chejian_engine_lag_seconds{engine="second_engine"} 0.0' in text and "chejian_engine_write_seconds_count" in text
    victoria.flush()
    with gateway_in_thread(tmp_path, engine=table) as url, httpx.Client(base_url=url, headers=admin) as client:
        assert values(client) == before and len(before) == 150
        assert client.get("/v1/engines").json()[0]["batches"] == 2, "nothing is written again"


def test_any_engine_is_filled_from_the_journal_with_progress(victoria: Victoria, tmp_path: Path) -> None:
    edge = Sender()
    with gateway_in_thread(tmp_path) as url, httpx.Client(base_url=url) as client:
        edge.enrol(client, admin_of(tmp_path))
        for number in range(3):
            assert edge.post(client, edge.seal(ramp("m-1/gauge", number * 10, 10))).status_code == 200
    told: list[tuple[int, int]] = []
    configure(tmp_path, engine=victoria_table(victoria, tmp_path), second_engine=f'{{ name = "duckdb", path = "{tmp_path / "new.duckdb"}" }}')
    settings = load_gateway(tmp_path / "gateway.toml")
    for second in (False, True):
        told.clear()
        rebuild(settings, lambda: START_US, lambda done, total: told.append((done, total)), second=second)
        assert told[0] == (0, 3) and told[-1] == (3, 3)
    victoria.flush()
    for second in (False, True):
        engine = settings.open_engine(second=second)
        assert len(engine.read(["m-1/gauge"], Window(START_US, START_US + 10**9))) == 30 and engine.cursor() == 3
        engine.close()
    assert rebuild(settings, lambda: START_US, lambda done, total: None, second=True) == 30, "again gives the same"


def test_a_rebuild_under_a_mended_register_takes_what_was_set_aside_out_of_quarantine(tmp_path: Path) -> None:
    added = '{ name = "added", role = "pressure", kind = "gauge", unit = "bar" },'
    edge, mended = Sender(), REGISTER.replace('{ name = "other",', f'{added}\n  {{ name = "other",')
    with gateway_in_thread(tmp_path) as url, httpx.Client(base_url=url, headers=bearer(admin_of(tmp_path))) as client:
        edge.enrol(client, admin_of(tmp_path))
        rows = [reading(f"m-1/{name}", number, 1.0) for number, name in enumerate(("gauge", "added", "never"))]
        assert edge.post(client, edge.seal(block_of(rows))).status_code == 200
        until(lambda: client.get("/v1/quarantine/count").json()["records"] == 2, "set aside")
    # The new register is logged at the gateway's next start, and counts for a rebuild from then on.
    with gateway_in_thread(tmp_path, register_text=mended) as url, httpx.Client(base_url=url, headers=bearer(admin_of(tmp_path))) as client:
        assert client.get("/v1/quarantine/count").json()["records"] == 2
    for _ in range(2):
        assert rebuild(load_gateway(tmp_path / "gateway.toml"), lambda: START_US, lambda done, total: None) == 2
    with gateway_in_thread(tmp_path, register_text=mended) as url, httpx.Client(base_url=url, headers=bearer(admin_of(tmp_path))) as client:
        assert [row["reason"] for row in client.get("/v1/quarantine").json()] == [
            "signal 'm-1/never' is not in the register (1 rows from row 2 to row 2)"]


@pytest.mark.parametrize(("tables", "words"), [
    (f"engine = {DUCKDB}\nsecond_engine = {DUCKDB}", "are the same"), (f"engine = {DUCKDB}\nsecond_engine = {{ }}", "lacks the key 'name'"),
    (f'engine = {DUCKDB}\nsecond_engine = {{ name = "gateway" }}', "only reads"),
    ('engine = { name = "victoriametrics" }\nsecond_engine = { name = "victoriametrics" }', "are the same"),
])
def test_two_engines_that_are_one_are_refused(tmp_path: Path, tables: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_gateway(f'register = "w.toml"\n{tables}\n', tmp_path / "gateway.toml")


def test_there_is_no_second_engine_to_rebuild(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no \\[second_engine\\]"):
        rebuild(configure(tmp_path), lambda: START_US, lambda done, total: None, second=True)
