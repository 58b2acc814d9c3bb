"""The open house without its HTTP server: back-pressure, tokens, components, and an engine that cannot write."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import msgspec
import pytest

from analytics.compute import LOOKBACK_US, components_of, needed_signals
from analytics.indicator import Components, load_indicators
from gateway.app import create_app
from gateway.auth import ENROL_TIME_US, Access, Role
from gateway.challenges import Challenges
from gateway.components import ComponentsCache
from gateway.facts import KnownFacts
from gateway.figures import Figures, _rest
from gateway.house import House
from gateway.ingest import Committer
from gateway.live import LiveHub
from gateway.monitoring import Monitoring
from gateway.opening import open_house as open_whole
from gateway.orders import Orders
from gateway.problems import Refusal
from gateway.pseudonyms import Pseudonyms
from gateway.writer import Writer
from store.archive import Archive, Committed
from store.engine import Aggregates, Capabilities, Engine, RefusedRows
from store.engines.duckdb import DuckdbSettings, open_engine
from store.signing import SigningKey
from tests.unit.gateway.plant import START_US, Sender, admin_of, bearer, configure, ramp, reading, until, workshop
from workshop.batch import Gap, Provenance, frame
from workshop.block import Block, block_of, empty_block
from workshop.errors import NotConnected, Rejected
from workshop.register import Workshop
from workshop.window import HOUR_US, Window
from workshop.wire import ComponentsRow, EnrolRequest


class Stuck:
    """An engine whose disk is full until somebody frees it."""

    capabilities = Capabilities(text=True, integers_beyond_2_53=True, resolution_us=1, deduplicates=False, aggregates=False, clustering=False)

    def __init__(self) -> None:
        self.free = threading.Event()
        self.rows, self.at = 0, 0

    def write(self, block: Block, cursor: int) -> Sequence[RefusedRows]:
        if not self.free.is_set():
            raise NotConnected("stuck: disk full")
        self.rows, self.at = self.rows + len(block), cursor
        return ()

    def cursor(self) -> int:
        return self.at

    def read(self, signals: object, window: Window, limit: int | None = None) -> Block:
        return empty_block()

    def aggregate(self, signal: str, window: Window, step_us: int) -> Aggregates:
        raise Rejected("stuck: does not aggregate")

    def latest(self, signals: object = None) -> Block:
        return empty_block()

    def last_before(self, signals: object, time_us: int) -> Block:
        return empty_block()

    def maintain(self, now_us: int) -> None:
        pass

    def count(self) -> int:
        return self.rows

    def close(self) -> None:
        self.free.set()


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        return self.now_us


def open_house(folder: Path, engine: Engine, clock: Time) -> House:
    settings = msgspec.structs.replace(configure(folder), backlog_rows=50)
    archive = Archive.open(folder / "archive.sqlite", key=SigningKey.create(), origin="chejian.local/test", clock=clock)
    archive.revise_register(workshop(), author="test", reason="first")
    monitoring = Monitoring()
    writer = Writer(archive, engine, workshop(), monitoring)
    return House(
        settings, clock, workshop(), archive, engine, ComponentsCache(folder / "components.sqlite"), monitoring, writer,
        Committer(archive, monitoring, writer.notify), LiveHub(name for name, _, _ in workshop().signals()),
        Access(archive, clock, Pseudonyms(bytes(32))), Challenges(archive, workshop(), clock), [], {}, Orders(folder / "orders.sqlite"),
        KnownFacts(archive),
    )


def close_house(house: House) -> None:
    house.committer.close()
    house.engine.close()
    house.components.close()
    house.orders.close()
    house.archive.close()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def house(tmp_path: Path, clock: Time) -> Iterator[House]:
    house = open_house(tmp_path, open_engine(DuckdbSettings(str(tmp_path / "engine.duckdb"))), clock)
    yield house
    close_house(house)


async def test_edges_wait_while_the_engine_does_not_take_rows_and_nothing_is_lost(tmp_path: Path, clock: Time) -> None:
    engine = Stuck()
    house = open_house(tmp_path, engine, clock)
    edge = Sender()
    request = EnrolRequest(house.access.invite("edge-1", Provenance.SIMULATED, author="test"), "edge-1", edge.key.public)
    token = house.access.enrol(request).token
    house.writer.start()
    transport = httpx.ASGITransport(create_app(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=bearer(token)) as client:
        first = await client.post("/v1/batches", content=frame(edge.seal(ramp("m-1/gauge", 0, 60))))
        assert first.status_code == 200
        batch = frame(edge.seal(ramp("m-1/gauge", 60, 60)))
        busy = await client.post("/v1/batches", content=batch)
        assert (busy.status_code, busy.json()["type"], busy.headers["retry-after"]) == (429, "busy", "1")
        until(lambda: not house.writer.moving, "the writer has been refused")
        assert (await client.get("/readyz")).status_code == 503, "an edge may deliver, but nobody would see it"
        engine.free.set()
        until(lambda: house.writer.backlog_rows == 0, "the engine catches up")
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.post("/v1/batches", content=batch)).status_code == 200
    house.writer.stop()
    assert (engine.rows, engine.at) == (120, 2)
    close_house(house)


def test_tokens_end_with_their_time_and_are_not_kept_in_clear(house: House, clock: Time, tmp_path: Path) -> None:
    edge = Sender()
    token = house.access.invite("edge-1", Provenance.PLANT, author="test")
    clock.now_us += ENROL_TIME_US
    with pytest.raises(Refusal) as refused:
        house.access.enrol(EnrolRequest(token, "edge-1", edge.key.public))
    assert refused.value.problem.status == 401
    viewer = house.access.create(Role.VIEWER, "somebody", author="test")
    found = house.access.caller(viewer)
    known = Pseudonyms(bytes(32)).of("somebody")
    assert found is not None and (found.role, found.subject, found.author) == (Role.VIEWER, "somebody", f"viewer:{known}")
    assert house.access.caller(viewer + "x") is None and house.access.caller("") is None
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("archive.sqlite*"))
    assert viewer.encode() not in kept and token.encode() not in kept


def test_a_revoked_edge_is_nobody(house: House) -> None:
    edge = Sender()
    invitation = house.access.invite("edge-1", Provenance.PLANT, author="test")
    answer = house.access.enrol(EnrolRequest(invitation, "edge-1", edge.key.public))
    assert house.access.caller(answer.token) is not None
    house.archive.revoke("edge-1", author="admin:x", reason="stolen")
    assert house.access.caller(answer.token) is None


def test_the_rest_of_a_window_is_what_no_hour_covers() -> None:
    window = Window(HOUR_US // 2, 8 * HOUR_US)
    posted = [Window(2 * HOUR_US, 3 * HOUR_US), Window(3 * HOUR_US, 4 * HOUR_US)]
    rest = _rest(window, posted)
    hours = [(0.5, 1), (1, 2), (4, 5), (5, 6), (6, 7), (7, 8)]
    assert rest == [Window(int(start * HOUR_US), end * HOUR_US) for start, end in hours]
    assert sum(piece.length_us for piece in [*rest, *posted]) == window.length_us
    assert all(piece.length_us <= HOUR_US for piece in rest)
    assert _rest(Window(5, 5), []) == []


def test_hours_that_were_measured_before_are_measured_again_when_rows_or_a_gap_come_late(house: House) -> None:
    hour = START_US // HOUR_US * HOUR_US
    edge, window = Sender(), Window(hour, hour + 3 * HOUR_US)
    house.access.enrol(EnrolRequest(house.access.invite("edge-1", Provenance.SIMULATED, author="test"), "edge-1", edge.key.public))
    indicators = load_indicators()
    indicator, looking = indicators["networking_rate_all"], Figures(house, indicators)

    def deliver(first: int, end: int, gaps: Sequence[Gap] = ()) -> bytes:
        rows = [reading(f"m-1/{name}", hour - START_US + second * 10**6, 1) for name in ("link_state", "state") for second in range(first, end, 2)]
        assert isinstance(house.archive.commit([edge.seal(block_of(rows), gaps)])[0], Committed)
        house.engine.write(block_of(rows), house.archive.data_size)
        return looking.result(indicator, window)

    def known_us(result: bytes) -> int:
        found: int = msgspec.json.decode(result)["detail"]["m-1"]["known_us"]
        return found

    seen = [known_us(deliver(0, 600)), known_us(deliver(7200, 7800)), known_us(deliver(1000, 1600))]
    assert seen[0] < seen[1] < seen[2]
    lost = Gap(("m-1/link_state",), hour + 100 * 10**6, hour + 101 * 10**6, "disk full")
    result = deliver(9000, 9002, [lost])
    assert known_us(result) < seen[2] + 10 * 10**6
    assert result == Figures(house, indicators).result(indicator, window)


def test_posted_hours_are_taken_for_long_windows_and_give_the_same_result(house: House) -> None:
    hour = START_US // HOUR_US * HOUR_US
    rows = [
        reading(f"{machine}/{name}", hour - START_US + second * 10**6, 1)
        for machine in ("m-1", "m-2") for name in ("link_state", "state") for second in range(0, 4 * 3600, 2)
    ]
    house.engine.write(block_of(rows), 1)
    indicators = load_indicators()
    indicator, window = indicators["networking_rate_all"], Window(hour, hour + 4 * HOUR_US)
    figures = Figures(house, indicators)
    from_readings = figures.result(indicator, window)
    made = [piece for piece in _components(house, window) if piece.start_us > hour]
    posted = [
        ComponentsRow(piece.indicator, piece.version, piece.equipment, piece.start_us, piece.end_us, "", msgspec.to_builtins(piece)) for piece in made
    ]
    assert figures.accept(posted) == figures.accept(posted) == len(posted) == 6
    assert len(house.components.find(indicator.id, window)) == 6
    found = figures._posted.find(indicator, window, house.register)
    assert [span for span, _ in found] == [Window(hour + n * HOUR_US, hour + (n + 1) * HOUR_US) for n in (1, 2, 3)]
    assert Figures(house, indicators).result(indicator, window) == from_readings
    assert msgspec.json.decode(from_readings)["value"] is not None


def test_a_window_is_measured_under_the_revision_in_force_then(house: House) -> None:
    hour = START_US // HOUR_US * HOUR_US
    rows = [reading(f"m-1/{name}", hour - START_US + second * 10**6, 1) for name in ("link_state", "state") for second in range(0, 3600, 60)]
    house.engine.write(block_of(rows), 1)
    # Before, a value counted for two minutes; now it is stale after seconds.
    patient = msgspec.structs.replace(house.register, equipment=tuple(
        msgspec.structs.replace(item, signals=tuple(msgspec.structs.replace(signal, max_age_s=120) for signal in item.signals))
        for item in house.register.equipment))
    indicators = load_indicators()
    indicator, window = indicators["networking_rate_all"], Window(hour, hour + HOUR_US)

    def networked(*revisions: tuple[int, Workshop]) -> int:
        changed = msgspec.structs.replace(house, revisions=revisions)
        return int(msgspec.json.decode(Figures(changed, indicators).result(indicator, window))["counts"]["networked"])

    assert networked((1, patient), (window.end_us, house.register)) == 1
    assert networked((window.end_us + 5, patient), (window.end_us + 9, house.register)) == 1, "the first revision counts for time before it"
    assert networked((1, patient), (2, house.register)) == 0
    assert networked((1, house.register)) == networked() == 0


def test_components_that_contradict_their_row_are_refused(house: House) -> None:
    piece = Components("oee", 2, "m-1", 0, 0, HOUR_US, 0, 0, {})
    good = ComponentsRow("oee", 2, "m-1", 0, HOUR_US, "", msgspec.to_builtins(piece))
    figures = Figures(house, load_indicators())
    assert figures.accept([good]) == 1
    for change in ({"equipment": "m-2"}, {"version": 1}, {"end_us": 7}, {"components": {}}, {"indicator": "none"}):
        with pytest.raises(Rejected, match="components of"):
            figures.accept([msgspec.structs.replace(good, **change)])


def test_an_unexpected_error_is_counted_and_answered_without_its_text(house: House) -> None:
    app = create_app(house)

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("secret")

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get("/broken")

    answer = asyncio.run(ask())
    assert answer.status_code == 500 and "secret" not in answer.text and answer.json()["type"] == "error"
    assert b"chejian_errors_total 1.0" in house.monitoring.text()


def test_the_admin_token_is_made_once(tmp_path: Path) -> None:
    settings = configure(tmp_path)
    tokens = []
    for _ in range(2):
        with open_whole(settings, Time()) as whole:
            tokens.append(admin_of(tmp_path))
            caller = whole.access.caller(tokens[-1])
            assert caller is not None and caller.role is Role.ADMIN
    assert tokens[0] == tokens[1]


def _components(house: House, window: Window) -> list[Components]:
    indicator = load_indicators()["networking_rate_all"]
    block = house.engine.read(needed_signals(indicator, house.register), Window(window.start_us - LOOKBACK_US, window.end_us))
    return components_of(indicator, house.register, block, window)
