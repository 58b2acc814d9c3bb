"""Ready is said only while the line moves: batches can be stored, and the engine takes their rows (that half: test_house)."""

import asyncio
import threading
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.house import House
from tests.unit.gateway.plant import Sender, bearer, ramp, until
from tests.unit.gateway.test_house import clock, house
from workshop.batch import Provenance, decode_header, frame
from workshop.errors import NotConnected
from workshop.wire import EnrolRequest

__all__ = ["clock", "house"]


async def test_a_gateway_that_can_store_no_batches_is_not_ready_until_it_can_again(
    house: House, monkeypatch: pytest.MonkeyPatch,
) -> None:
    edge = Sender()
    token = house.access.enrol(EnrolRequest(house.access.invite("edge-1", Provenance.SIMULATED, author="test"), "edge-1", edge.key.public)).token
    house.writer.start()
    until(lambda: house.writer.moving, "the writer has been round")

    def full(*_: object) -> None:
        raise NotConnected("archive.sqlite: disk full")

    monkeypatch.setattr("gateway.ingest.TRY_S", 0.0)
    transport = httpx.ASGITransport(create_app(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=bearer(token)) as client:
        batch = frame(edge.seal(ramp("m-1/gauge", 0, 5)))
        assert (await client.get("/readyz")).json()["ready"] is True
        with monkeypatch.context() as patch:
            patch.setattr(house.archive, "commit", full)
            patch.setattr(house.archive, "set_meta", full)
            assert (await client.post("/v1/batches", content=batch)).status_code == 503
            for _ in range(2):
                answer = await client.get("/readyz")
                assert (answer.status_code, answer.json()["ready"], answer.json()["stuck"]) == (503, False, "the archive stores no batches")
        # Nobody sends meanwhile: that the disk has room again is seen all the same.
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.post("/v1/batches", content=batch)).status_code == 200
    house.writer.stop()


async def test_a_commit_that_hangs_is_no_line_that_moves(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, go_on = threading.Event(), threading.Event()
    commit = house.archive.commit

    def slow(*given: Any) -> Any:
        hanging.set()
        go_on.wait(20)
        return commit(*given)

    edge = Sender()
    house.access.enrol(EnrolRequest(house.access.invite("edge-1", Provenance.SIMULATED, author="test"), "edge-1", edge.key.public))
    monkeypatch.setattr(house.archive, "commit", slow)
    batch = edge.seal(ramp("m-1/gauge", 0, 5))
    done = house.committer.submit([(decode_header(batch.header), batch)])
    assert await asyncio.to_thread(hanging.wait, 20)
    assert house.committer.moving, "not yet: a commit may take a moment"
    monkeypatch.setattr("gateway.ingest.STALLED_S", 0.0)
    assert not house.committer.moving
    go_on.set()
    assert done.result(20).watermark == 1 and house.committer.moving
