"""The uplink, live values and enrolment against a real HTTP server. The server is a fake gateway: it answers by a script and keeps what it got."""

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chejian.enrolment import ANSWER, enrol_folder
from edge.config import SealBlock
from edge.enrol import enrol
from edge.live import Live
from edge.opcua.own import load_own, make_own
from edge.uplink import Uplink
from store.journal import EdgeJournal, JournalLimits
from store.signing import SigningKey
from tests.unit.edge.rig import Record, now_us, register_of, running_edge, settings_of, until
from tests.unit.edge.rig_gateway import FakeGateway, Script
from workshop.batch import ClockState, Provenance
from workshop.block import block_of
from workshop.errors import ConfigError, NotConnected
from workshop.reading import Quality, Reading


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    gateway = FakeGateway()
    yield gateway
    gateway.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[EdgeJournal]:
    journal = EdgeJournal.open(
        tmp_path / "journal.sqlite", edge="edge-1", provenance=Provenance.SIMULATED, key=SigningKey.create(), clock=now_us,
        limits=JournalLimits(retention_bytes=2**20),
    )
    yield journal
    journal.close()


def fill(journal: EdgeJournal, batches: int, start: int = 0) -> None:
    for number in range(start, start + batches):
        journal.append([block_of([Reading("cnc-01/load", 1_700_000_000_000_000 + number, 1_700_000_000_000_000, number / 3)])])
        journal.seal(ClockState())


@asynccontextmanager
async def sending(gateway: FakeGateway, journal: EdgeJournal) -> AsyncIterator[Uplink]:
    uplink = Uplink(gateway.url, "secret", journal, seal=SealBlock(every_s=0.05, away_s=0.05), timeout_s=2, max_retry_s=0.05)
    stop = asyncio.Event()
    task = asyncio.create_task(uplink.run(stop))
    try:
        yield uplink
    finally:
        stop.set()
        await task
        await uplink.close()


def problem(status: int, type_: str = "about:blank", **more: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    return status, {"type": type_, "title": type_, "status": status, **more}, {}


async def test_promise_2_a_batch_is_forgotten_only_after_the_acknowledgement(gateway: FakeGateway, journal: EdgeJournal) -> None:
    fill(journal, 40)
    assert journal.watermark == 0
    async with sending(gateway, journal):
        await until(lambda: journal.watermark == 40, "acknowledged")
        journal.append([block_of([Reading("cnc-01/load", now_us(), now_us(), 1.0)])])
        await until(lambda: journal.watermark == 41, "sealed and sent by itself")
    assert gateway.watermark == 41
    assert len(gateway.requests) <= 6, "many batches travel in one request"
    assert {authorization for _, authorization, _ in gateway.requests} == {"Bearer secret"}
    assert [seq for seq, _ in journal.from_seq(1, 100)] == list(range(1, 42)), "and kept for a while"


@pytest.mark.parametrize("answers", [
    [problem(500)], [problem(503), problem(502)], [(429, {}, {"Retry-After": "0"})], [None], [(200, {"hello": "proxy"}, {})], [problem(408)],
], ids=["500", "503", "429", "lost-ack", "not-a-gateway", "408"])
async def test_promise_3_what_can_pass_is_tried_again(gateway: FakeGateway, journal: EdgeJournal, answers: Script) -> None:
    gateway.script = list(answers)
    fill(journal, 3)
    async with sending(gateway, journal) as uplink:
        await until(lambda: journal.watermark == 3, "delivered in the end")
        assert uplink.state.failures == len(answers)
        assert not uplink.is_stopped
    assert len(gateway.digests) == 3


@pytest.mark.parametrize(("answer", "said"), [
    (problem(401, "unauthorised"), "401 unauthorised"), (problem(403, "fenced", detail="another edge-1 is at work"), "another edge-1 is at work"),
    (problem(413), "413"), (problem(409, "conflict"), "conflict"), (problem(400, "bad-signature"), "bad-signature"),
    (problem(404), "404"), ((302, {}, {"Location": "http://127.0.0.1:9/"}), "302"),
    ((200, {"edge": "edge-2", "epoch": 1, "watermark": 1}, {}), "not ours"),
])
async def test_what_cannot_pass_stops_the_uplink_and_the_journal_keeps_filling(
    gateway: FakeGateway, journal: EdgeJournal, answer: tuple[int, dict[str, Any], dict[str, str]], said: str
) -> None:
    gateway.script = [answer]
    fill(journal, 1)
    async with sending(gateway, journal) as uplink:
        await until(lambda: uplink.is_stopped, "stopped")
        assert said in uplink.state.why
        journal.append([block_of([Reading("cnc-01/load", now_us(), now_us(), 1.0)])])
        await until(lambda: journal.status().last_seq == 2, "still sealing")
        assert not await uplink.drain(0.1)
    assert len(gateway.requests) == 1
    assert journal.watermark == 0


async def test_a_gateway_restored_from_a_backup_is_sent_what_it_lacks(gateway: FakeGateway, journal: EdgeJournal) -> None:
    fill(journal, 6)
    async with sending(gateway, journal):
        await until(lambda: journal.watermark == 6, "delivered")
        gateway.watermark = 2
        fill(journal, 1, 6)
        await until(lambda: gateway.watermark == 7 and journal.watermark == 7, "delivered again from batch 3")


async def test_a_journal_that_no_longer_has_what_the_gateway_asks_for_says_so(gateway: FakeGateway, tmp_path: Path) -> None:
    limits = JournalLimits(retention_bytes=1)
    journal = EdgeJournal.open(tmp_path / "j", edge="edge-1", provenance=Provenance.SIMULATED, key=SigningKey.create(), clock=now_us, limits=limits)
    fill(journal, 4)
    async with sending(gateway, journal) as uplink:
        await until(lambda: journal.watermark == 4, "delivered")
        gateway.watermark = 1
        fill(journal, 1, 4)
        await until(lambda: uplink.is_stopped, "stopped")
        assert "asks for batch 2" in uplink.state.why and "without a restore" in uplink.state.why
    journal.close()


async def test_a_journal_that_is_an_old_copy_stops(gateway: FakeGateway, journal: EdgeJournal) -> None:
    gateway.script = [problem(409, "sequence-gap", watermark=90)]
    fill(journal, 1)
    async with sending(gateway, journal) as uplink:
        await until(lambda: uplink.is_stopped, "stopped")
        assert "old copy" in uplink.state.why


async def test_nobody_there_and_then_somebody(gateway: FakeGateway, journal: EdgeJournal) -> None:
    fill(journal, 2)
    uplink = Uplink("http://127.0.0.1:9", "t", journal, max_retry_s=0.05)
    assert not await uplink.drain(0.3)
    assert uplink.state.state == "waiting" and "127.0.0.1:9" in uplink.state.why
    await uplink.close()
    uplink = Uplink(gateway.url, "t", journal)
    assert await uplink.drain(5)
    await uplink.close()
    assert journal.watermark == 2


async def test_the_reason_to_wait_stands_while_the_next_attempt_runs(gateway: FakeGateway, journal: EdgeJournal) -> None:
    fill(journal, 1)
    gateway.script = [problem(503, "busy", detail="later") for _ in range(30)]
    seen: set[tuple[str, str]] = set()
    async with sending(gateway, journal) as uplink:

        def note(*_: object) -> None:
            seen.add((uplink.state.state, uplink.state.why))

        uplink._client.event_hooks["request"] = [AsyncNote(note)]
        await until(lambda: journal.watermark == 1, "delivered")
        assert (uplink.state.state, uplink.state.why) in (("idle", ""), ("sending", ""))
    assert len(gateway.requests) > 3
    assert seen - {("sending", "")} == {("waiting", f"{gateway.url}: 503 busy: later")}


class AsyncNote:
    """A hook of the HTTP client."""

    def __init__(self, note: Callable[..., None]) -> None:
        self.note = note

    async def __call__(self, request: object) -> None:
        self.note(request)


async def test_a_request_has_at_most_four_mebibytes(gateway: FakeGateway, journal: EdgeJournal) -> None:
    dice = random.Random(1)
    for start in range(0, 200, 10):
        texts = [base64.b64encode(dice.randbytes(45_000)).decode() for _ in range(10)]
        journal.append([block_of([Reading("cnc-01/program", 1_700_000_000_000_000 + start + i, 0, text) for i, text in enumerate(texts)])])
        journal.seal(ClockState())
    uplink = Uplink(gateway.url, "t", journal)
    assert await uplink.drain(20)
    await uplink.close()
    assert 3 <= len(gateway.requests) <= 10
    assert max(size for _, _, size in gateway.requests) <= 4 * 2**20


@pytest.mark.parametrize("url", ["127.0.0.1:8410", "ftp://host", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused(journal: EdgeJournal, url: str) -> None:
    with pytest.raises(ConfigError, match="gateway url"):
        Uplink(url, "t", journal)


async def test_live_values_are_the_newest_and_never_in_the_way(gateway: FakeGateway) -> None:
    live = Live(gateway.url, "t", "edge-1", every_ms=10)
    live.note(block_of([
        Reading("cnc-01/load", 3, 3, 3.0), Reading("cnc-01/load", 2, 3, 2.0), Reading("cnc-01/program", 3, 3, "P1"),
        Reading("cnc-01/load", 5, 5, 5.0),
        Reading("cnc-02/load", 1, 1, None, Quality.BAD, "BadSensorFailure"),
    ]))
    live.note(block_of([Reading("cnc-01/load", 4, 4, 4.0)]))
    gateway.script = [problem(500)]
    task = asyncio.create_task(live.run())
    await until(lambda: live.failures == 1, "refused, and forgotten")
    live.note(block_of([Reading("cnc-01/load", 6, 6, 6.0)]))
    await until(lambda: len(gateway.posts) == 2, "posted")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await live.close()
    assert sorted(gateway.posts[0]["readings"], key=lambda one: str(one["signal"])) == [
        {"signal": "cnc-01/load", "source_time_us": 5, "value": 5.0, "quality": 0},
        {"signal": "cnc-01/program", "source_time_us": 3, "value": "P1", "quality": 0},
        {"signal": "cnc-02/load", "source_time_us": 1, "value": None, "quality": 2},
    ]
    assert [one["source_time_us"] for one in gateway.posts[1]["readings"]] == [6]


def test_enrolment(gateway: FakeGateway) -> None:
    key = SigningKey.create()
    answer = {"edge": "edge-1", "provenance": "simulated", "token": "bearer", "origin": "o", "gateway_key": "k"}
    gateway.script = [(200, answer, {})]
    given = enrol(gateway.url, "once", "edge-1", key)
    assert (given.token, given.provenance) == ("bearer", Provenance.SIMULATED)
    assert gateway.posts == [{"token": "once", "edge": "edge-1", "public_key": key.public}]
    cases: list[tuple[Any, type[Exception], str]] = [
        (problem(401, "unauthorised", detail="token is used"), ConfigError, "token is used; ask for a new one-time token"),
        (problem(503), NotConnected, "503"), ((200, {"x": 1}, {}), ConfigError, "is that the gateway"),
        ((200, {**answer, "edge": "edge-2"}, {}), ConfigError, "that of edge 'edge-2'"),
    ]
    for scripted, kind, said in cases:
        gateway.script = [scripted]
        with pytest.raises(kind, match=said):
            enrol(gateway.url, "once", "edge-1", key)
    with pytest.raises(NotConnected, match="is the gateway running there"):
        enrol("http://127.0.0.1:9", "once", "edge-1", key)


def test_enrolment_makes_the_certificate_for_machines_keeps_it_and_renews_what_ends_soon(gateway: FakeGateway, tmp_path: Path) -> None:
    answer = {"edge": "edge-1", "provenance": "simulated", "token": "bearer", "origin": "o", "gateway_key": "k"}
    pki, serials = tmp_path / "pki", []
    for days in (0, 0, 710):
        gateway.script = [(200, answer, {})]
        if days:
            make_own(pki, "edge-1", "box.example", lambda: now_us() - 710 * 86_400_000_000)
        enrol_folder(gateway.url, "once", "edge-1", tmp_path)
        serials.append(load_own(pki).certificate.serial_number)
        (tmp_path / ANSWER).unlink()
    assert serials[0] == serials[1] != serials[2] and not load_own(pki).warnings(datetime.now(UTC))
    assert len(list(pki.glob("certificate-until-*.der"))) >= 1, "what was there before is kept"
    (pki / "own" / "key.pem").write_text("damaged")
    asked = len(gateway.posts)
    with pytest.raises(ConfigError, match="cannot be used"):
        enrol_folder(gateway.url, "once", "edge-1", tmp_path)
    assert len(gateway.posts) == asked, "the one-time token is not used up for nothing"


async def test_an_edge_that_hears_nobody_says_so_and_delivers_it(gateway: FakeGateway, tmp_path: Path) -> None:
    sources = '''
[[source]]
name = "cell"
protocol = "opcua"
url = "opc.tcp://127.0.0.1:9/"
security = "None"
equipment = [{ id = "cnc-01", map = "cnc" }]
map = { cnc = { load = "nsu=urn:x;s=load" } }
'''
    async with running_edge(tmp_path, settings_of(sources, gateway.url, drain_s=5), register_of("cnc-01")) as edge:
        await until(lambda: gateway.watermark, "something delivered")
        status = edge.status()
        await edge.end()
        last = edge.status()
    assert status is not None and status.ready == [] and "127.0.0.1:9" in status.sources["cell"].error
    assert last is not None and last.stopped and last.journal.watermark == last.journal.last_seq, "everything was delivered before the end"
    record = Record(tmp_path)
    assert {reading.value for reading in record.of("cnc-01/link_state")} == {0}
    assert not record.gaps, "of a signal that was never heard nothing can be missing"
