"""Fault classes 8 to 12 and 22: long outage, flapping link, lost acknowledgements, half-open connections, a busy gateway, a revoked token."""

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from store.journal import JournalLimits, WhenFull
from tests.faults.site import SIGNALS, T0, Site
from tests.faults.wire import Fault
from tests.unit.edge.rig import until
from tests.unit.gateway.plant import Process, admin_of, bearer
from workshop.batch import ClockState
from workshop.reading import Reading

HOUR_US = 3_600_000_000


@pytest.mark.parametrize("every_s", [pytest.param(10, id="short"), pytest.param(1, id="long", marks=pytest.mark.long)])
@pytest.mark.parametrize("policy", list(WhenFull))
async def test_class_8_an_outage_of_72_hours(gateway: Process, tmp_path: Path, policy: WhenFull, every_s: int) -> None:
    """The clock is passed in, so nobody waits. With room for everything all of it arrives; with too little the oldest is dropped and declared."""
    now = [1_700_000_000_000_000]
    drops = policy is WhenFull.DROP_OLDEST
    limits = JournalLimits(min_free_bytes=0, when_full=policy, max_bytes=7_000_000 // (every_s + 1) if drops else 2**30)
    site = Site(tmp_path, gateway, f"edge-8-{policy.value}-{every_s}"[:40].rstrip("-"), limits, clock=lambda: now[0])
    site.wire.set(Fault.CUT)
    async with site.sending() as uplink:
        for hour in range(72):
            start_us = now[0]
            now[0] += HOUR_US
            await site.worker.call(site.emit, 3600 // every_s, start_us=start_us, step_us=every_s * 1_000_000)
            assert site.journal._db.used_bytes < 1.3 * limits.max_bytes, hour
        await until(lambda: uplink.state.state == "waiting", "still away")
        site.wire.set(Fault.NONE)
        await site.delivered()
        # While and after that live readings go on.
        await site.worker.call(site.emit, 5, start_us=now[0], step_us=every_s * 1_000_000)
        await site.delivered()
    counts = site.check()
    assert (counts["in_gaps"] > 0) == drops and counts["stored"] > counts["emitted"] / 10
    assert site.journal.status().dropped_rows == counts["in_gaps"]
    site.close()


@pytest.mark.parametrize("cuts", [pytest.param(8, id="short"), pytest.param(60, id="long", marks=pytest.mark.long)])
async def test_class_9_a_flapping_link_makes_progress_and_doubles_nothing(gateway: Process, tmp_path: Path, cuts: int) -> None:
    site, lots = Site(tmp_path, gateway, f"edge-9-{cuts}"), random.Random(9)
    seen = [0]
    async with site.sending() as uplink:
        for _ in range(cuts):
            # Each connection ends somewhere in a request, now and then between two.
            site.wire.cut_after = lots.choice([lots.randrange(1, 400), lots.randrange(400, 20_000)])
            site.wire.set(Fault.NONE)
            before, opened = site.journal.watermark, site.wire.connections
            await site.worker.call(site.emit, 20)
            await until(lambda b=before, o=opened: site.journal.watermark > b or site.wire.connections > o + 1, "tried")
            site.wire.set(Fault.CUT)
            assert site.journal.watermark >= seen[-1], "progress is monotone"
            seen.append(site.journal.watermark)
        site.wire.cut_after = None
        site.wire.set(Fault.NONE)
        await site.delivered()
        assert uplink._body.encode(bytes(10_000), "x/y")[1]["Content-Encoding"] == "zstd", "the gateway has said that it takes that"
    assert site.check()["in_gaps"] == 0 and site.wire.connections > cuts
    site.close()


async def test_class_10_an_acknowledgement_lost_after_the_commit_doubles_nothing(gateway: Process, tmp_path: Path) -> None:
    site = Site(tmp_path, gateway, "edge-10")
    site.wire.set(Fault.LOSE_ANSWERS)
    async with site.sending():
        for _ in range(4):
            await site.worker.call(site.emit, 10)
        await until(lambda: site.wire.lost_answers >= 3, "answers are lost")
        assert site.journal.watermark == 0, "not acknowledged, so not forgotten"
        site.wire.set(Fault.NONE)
        await site.delivered()
    assert site.check()["in_gaps"] == 0
    async with httpx.AsyncClient(base_url=gateway.url, headers=bearer(admin_of(gateway.folder))) as client:
        row = next(row for row in (await client.get("/v1/edges")).json() if row["edge"] == "edge-10")
        assert row["watermark"] == site.journal.status().last_seq and not row["alarms"], "both count the same"
    site.close()


async def test_class_11_a_half_open_connection_is_given_up_and_made_anew(gateway: Process, tmp_path: Path) -> None:
    site = Site(tmp_path, gateway, "edge-11")
    async with site.sending(keep_alive_s=0.5) as uplink:
        await site.worker.call(site.emit, 5)
        await site.delivered()
        opened = site.wire.connections
        site.wire.set(Fault.BLACK_HOLE)
        began = asyncio.get_running_loop().time()
        await site.worker.call(site.emit, 5)
        await until(lambda: uplink.state.failures, "found", 20)
        waited_s = asyncio.get_running_loop().time() - began
        assert uplink.state.state == "waiting"
        limits = uplink._client.timeout
        assert limits.read is not None and limits.read < 2 * 0.5, "what bounds it; the rest of the time is this computer's"
        assert waited_s >= limits.read, "not given up early either"
        site.wire.set(Fault.NONE)
        await site.delivered()
        assert site.wire.connections > opened, "over a new connection"
    assert site.check()["in_gaps"] == 0
    site.close()


async def test_class_12_a_busy_gateway_is_asked_seldom_and_catches_up(gateway: Process, tmp_path: Path) -> None:
    """Several edges meet 503 with Retry-After; none asks again before that, and all deliver once the gateway has time."""
    sites = [Site(tmp_path, gateway, f"edge-12-{number}") for number in range(6)]
    for site in sites:
        site.wire.set(Fault.BUSY)
        site.emit(20)

    async def deliver(site: Site) -> None:
        async with site.sending() as uplink:
            await until(lambda: site.wire.busy >= 2, "asked again")
            assert uplink.state.state == "waiting" and "503" in uplink.state.why
            await site.worker.call(site.emit, 5)
            site.wire.set(Fault.NONE)
            asked = site.wire.busy
            await site.delivered()
            assert asked <= 3, "Retry-After: 1 was kept"

    await asyncio.gather(*(deliver(site) for site in sites))
    for site in sites:
        assert site.check()["in_gaps"] == 0
        site.close()


async def test_class_22_a_revoked_token_is_refused_and_a_new_one_taken_without_a_restart(gateway: Process, tmp_path: Path) -> None:
    site = Site(tmp_path, gateway, "edge-22")
    async with site.sending() as uplink:
        await site.worker.call(site.emit, 5)
        await site.delivered()
        async with httpx.AsyncClient(base_url=gateway.url, headers=bearer(admin_of(gateway.folder))) as client:
            assert (await client.post("/v1/edges/edge-22/revocation", json={"reason": "stolen"})).status_code == 204
        await site.worker.call(site.emit, 5)
        await until(lambda: uplink.is_stopped, "refused at once")
        assert "401" in uplink.state.why or "403" in uplink.state.why
        for _ in range(3):
            await site.worker.call(site.emit, 5)
        assert site.journal.watermark < site.journal.status().last_seq, "the journal keeps filling"
        await asyncio.to_thread(site.enrol)
        await site.delivered()
    assert site.check()["in_gaps"] == 0
    site.close()


async def test_back_fill_is_announced_before_it_is_delivered_once_and_after_a_restart_too(gateway: Process, tmp_path: Path) -> None:
    """Batches of the past are on record for as long as they lie in the journal; what came live is not announced."""
    site = Site(tmp_path, gateway, "edge-past")
    old = [Reading(signal, T0 + step, T0 + 10**9, 1.5) for step in (5, 9) for signal in SIGNALS]
    site.emit(3, start_us=T0 - 10**6)
    async with site.recording() as recorder:
        await site.record(recorder, old, is_historical=True)
    site.journal.close()  # the fragment is on disk, and nobody was told
    site.journal = site.open()
    site.journal.seal(ClockState())
    site.emit(3, start_us=T0 + 2 * 10**9)
    said = {"edge": "edge-past", "epoch": site.journal.epoch, "from_seq": 2, "to_seq": 2, "from_us": T0 + 5, "to_us": T0 + 10, "why": "back-fill"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=bearer(admin_of(gateway.folder))) as client:

        async def announced() -> list[dict[str, Any]]:
            return [row for row in (await client.get("/v1/announcements")).json() if row["body"]["edge"] == "edge-past"]

        site.wire.set(Fault.LOSE_ANSWERS)  # said, and the edge does not know: it says it again
        async with site.sending():
            await until(lambda: site.wire.lost_answers >= 3, "answers are lost")
            assert [row["body"] for row in await announced()] == [said]
            assert site.journal.watermark == 0, "nothing is delivered before it is announced"
            site.wire.set(Fault.NONE)
            await site.delivered()
        assert site.journal.unannounced(100) == []
        site.journal.announce_again(2)
        assert [past.from_seq for past in site.journal.unannounced(100)] == [2]
        site.emit(3, start_us=T0 + 3 * 10**9)
        async with site.sending():
            await site.delivered()
        assert [row["body"] for row in await announced()] == [said], "the same again is one entry"
    assert site.check(is_ordered=False)["in_gaps"] == 0
    site.close()
