"""What an edge tells Prometheus: its journal's depth above all; read back by Prometheus's own parser, over HTTP, from a running edge."""

import asyncio
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.config import load_edge
from edge.metrics import CONTENT_TYPE, exposition, serve
from edge.status import EdgeStatus, SourceStatus, UplinkState
from store.journal_status import JournalStatus
from tests.unit.edge.rig import HEAD, register_of, running_edge, settings_of, until
from workshop.errors import ConfigError, NotConnected

SOURCE = """
[[source]]
name = "cell"
protocol = "mqtt"
host = "127.0.0.1"
port = 9
equipment = [{ id = "cnc-01", map = "robot" }]
[source.map.robot]
load = "plant/{equipment}/state#v"
[source.payload.robot]
time = "ts"
time_format = "us"
"""
HOSTILE = 'cell "1"\\ \n<b>'


def status() -> EdgeStatus:
    journal = JournalStatus(
        5, 40, 30, unsealed_rows=7, pending_batches=10, bytes_on_disk=5000, gaps=2, quarantined=3, pending_bytes=900, oldest_us=1_000_000,
        max_bytes=9000, free_bytes=8000, dropped_rows=4, stored_rows=600, acknowledged_rows=500, commits=60)
    sources = {HOSTILE: SourceStatus(True, 0, 1, readings=600), "b": SourceStatus(False)}
    return EdgeStatus(1, "edge-1", 61_500_000, [], sources, {}, journal, UplinkState("waiting", "away", 30, 6, 700), 1, 2, 8, 9)


def values(text: str) -> dict[str, float]:
    """Every sample by its name and labels."""
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation and family.type in ("gauge", "counter") for family in families)
    return {f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value for family in families for sample in family.samples}


def test_the_depth_of_the_journal_is_told_and_prometheus_can_read_it() -> None:
    found = values(exposition(status()))
    wanted = {"pending_batches": 10, "pending_bytes": 900, "unsealed_readings": 7, "oldest_seconds": 60.5, "bytes": 5000, "max_bytes": 9000,
              "full": 0, "gaps": 2, "quarantined": 3, "dropped_readings": 4}
    assert {name: found[f"chejian_edge_journal_{name}"] for name in wanted} == wanted
    assert found["chejian_edge_stored_readings_total"] == 600 and found["chejian_edge_delivered_readings_total"] == 500
    assert found[f"chejian_edge_source_connected{[('source', HOSTILE)]}"] == 1 and found["chejian_edge_source_connected[('source', 'b')]"] == 0
    assert found["chejian_edge_uplink_state[('state', 'waiting')]"] == 1 and found["chejian_edge_uplink_state[('state', 'idle')]"] == 0
    assert "chejian_edge_clock_offset_seconds" not in found, "unknown is not nought"
    behind = status()
    behind.clock_offset_us, behind.journal.full, behind.journal.oldest_us = -2_500, "max_mib", None
    found = values(exposition(behind))
    names = ("clock_offset_seconds", "journal_full", "journal_oldest_seconds")
    assert [found[f"chejian_edge_{name}"] for name in names] == [-0.0025, 1, 0]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_it_is_asked_over_http_and_strangers_get_little(host: str) -> None:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    now: list[EdgeStatus | None] = [None]
    serving = asyncio.create_task(serve(host, 0, lambda: now[0], port.set_result))
    at = await asyncio.wait_for(port, 10)
    url = f"http://{'[::1]' if host == '::1' else host}:{at}"
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{url}/metrics")).status_code == 503
            now[0] = status()
            answer = await client.get(f"{url}/metrics?x=1")
            assert answer.status_code == 200 and answer.headers["content-type"] == CONTENT_TYPE and values(answer.text)
            assert (await client.head(f"{url}/metrics")).content == b""
            assert [(await client.get(f"{url}{path}")).status_code for path in ("/", "/../status.json", "/metrics/x")] == [404] * 3
            assert (await client.post(f"{url}/metrics", content=b"x")).status_code == 405
        for sent in (b"\r\n\r\n", b"GET\r\n\r\n", b"\xff\x00" * 9000, b"GET /metrics HTTP/1.1\r\n"):
            reader, writer = await asyncio.open_connection(host, at)
            writer.write(sent)
            writer.write_eof()
            assert b"200" not in (await reader.read()).split(b"\r\n", 1)[0]
            writer.close()
        with pytest.raises(NotConnected, match="cannot listen there"):
            await serve(host, at, lambda: None)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_a_running_edge_answers_and_its_pending_batches_are_those_of_its_journal(tmp_path: Path) -> None:
    source = SOURCE
    settings = settings_of(source)
    assert settings.metrics.port == 0, "off unless it is asked for"
    found = asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    probe = await found
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    settings = load_edge(HEAD.replace("{gateway}", "http://127.0.0.1:9").replace("{drain_s}", "0") + f"[metrics]\nport = {port}\n" + source, "e.toml")
    async with running_edge(tmp_path, settings, register_of("cnc-01")) as edge, httpx.AsyncClient(trust_env=False) as client:
        await until(lambda: edge.status() is not None and edge.status().journal.pending_batches > 0, "link states are sealed")  # type: ignore[union-attr]
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
        found_now = values(answer.text)
        assert found_now["chejian_edge_journal_pending_batches"] >= 1 and found_now["chejian_edge_equipment"] == 1
        assert found_now["chejian_edge_source_connected[('source', 'cell')]"] == 0
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{port}/metrics")


@pytest.mark.parametrize("given", ["port = 70000", "port = -1", "prot = 9", 'listen = 5'])
def test_settings_that_cannot_be_are_refused_in_words(given: str) -> None:
    with pytest.raises(ConfigError, match=r"\[metrics\]"):
        load_edge(HEAD.replace("{gateway}", "http://a").replace("{drain_s}", "0") + f"[metrics]\n{given}\n" + SOURCE, "e.toml")
