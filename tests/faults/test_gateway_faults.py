"""Fault classes 14, 21 and 22 at the gateway, in a process of its own: killed in the middle of batches, a cloned edge, certificates that end."""

import asyncio
import datetime
import ipaddress
import random
import shutil
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.config import SealBlock
from edge.uplink import Uplink
from store.journal import EdgeJournal
from tests.faults.oracle import Delivered
from tests.faults.site import LIMITS, T0, Site
from tests.unit.edge.rig import now_us, until
from tests.unit.gateway.plant import Process, Sender, admin_of, bearer
from workshop.batch import ClockState, Provenance
from workshop.block import block_of
from workshop.reading import Reading


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Process]:
    """A gateway of the test's own, which it may kill."""
    (tmp_path / "gateway").mkdir()
    process = Process(tmp_path / "gateway")
    process.start()
    yield process
    process.close()


@pytest.mark.parametrize("kills", [pytest.param(3, id="short"), pytest.param(25, id="long", marks=pytest.mark.long)])
async def test_class_14_a_gateway_killed_in_the_middle_of_batches_keeps_them_whole_and_once(own: Process, tmp_path: Path, kills: int) -> None:
    site, lots = Site(tmp_path, own, "edge-14"), random.Random(14)
    async with site.sending():
        for _ in range(kills):
            before = site.journal.watermark
            for _ in range(lots.randrange(20, 60)):
                await site.worker.call(site.emit, 200)
            # Posts of many batches are under way: some are committed, one is not, and nobody heard of either.
            await until(lambda b=before: site.journal.watermark > b, "delivering")
            await asyncio.to_thread(own.end, signal.SIGKILL)
            await site.worker.call(site.emit, 50)
            await asyncio.to_thread(own.start)
        await site.delivered(120)
    counts = site.check()
    assert counts["in_gaps"] == 0 and counts["stored"] == counts["emitted"] > 1000 * kills
    async with httpx.AsyncClient(base_url=own.url, headers=bearer(admin_of(own.folder))) as client:
        for _ in range(600):
            count = (await client.get("/v1/count")).json()
            if count["rows"] == counts["stored"]:
                break
            await asyncio.sleep(0.05)
        assert count["rows"] == counts["stored"], "in the engine, too: all, and once"
    site.close()


async def test_class_21_of_an_edge_and_its_cloned_machine_one_is_refused_and_it_is_said(gateway: Process, tmp_path: Path) -> None:
    site = Site(tmp_path, gateway, "edge-21")
    async with site.sending():
        await site.worker.call(site.emit, 5)
        await site.delivered()
        # The virtual machine is copied while it is at rest: same name, key, token, epoch and numbers.
        site.journal.close()
        copied(tmp_path, tmp_path / "clone")
        site.journal = site.open()
    async with site.sending():
        await site.worker.call(site.emit, 5)
        await site.delivered()
        clone = EdgeJournal.open(
            tmp_path / "clone" / "edge-21.sqlite", edge="edge-21", provenance=Provenance.SIMULATED, key=site.sender.key, clock=now_us, limits=LIMITS,
        )
        own, site.journal, emitted = site.journal, clone, dict(site.emitted)
        site.emit(3, start_us=1_800_000_000_000_000)
        site.journal, site.emitted = own, emitted
        uplink = Uplink(gateway.url, site.sender.token, clone, seal=SealBlock(every_s=0.1, away_s=0.1))
        assert not await uplink.drain(20) and uplink.is_stopped, "the second one stops, and keeps what it has"
        assert "409" in uplink.state.why or "conflict" in uplink.state.why, uplink.state.why
        assert clone.watermark < clone.status().last_seq
        await uplink.close()
        clone.close()
        await site.worker.call(site.emit, 5)
        await site.delivered()
    assert site.check()["in_gaps"] == 0, "the first one goes on, and nothing of the other is among its readings"
    async with httpx.AsyncClient(base_url=gateway.url, headers=bearer(admin_of(gateway.folder))) as client:
        rows = {row["edge"]: row for row in (await client.get("/v1/edges")).json()}
        assert [alarm["what"] for alarm in rows["edge-21"]["alarms"]] == ["conflict"]
    site.close()


def copied(folder: Path, where: Path) -> None:
    """Copies an edge's journal."""
    where.mkdir()
    for file in folder.glob("edge-21.sqlite*"):
        shutil.copy(file, where / file.name)


def certificate(folder: Path, serial: int, *, days: int) -> None:
    """Writes cert.pem and cert.key for 127.0.0.1, which end that many days from now; authority.pem knows it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"gateway {serial}")])
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(serial).not_valid_before(
        end - datetime.timedelta(days=30)).not_valid_after(end).add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False).add_extension(
        x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "cert.pem").write_bytes(pem)
    (folder / "cert.key").write_bytes(secret)
    with (folder / "authority.pem").open("ab") as file:
        file.write(pem)


async def test_class_22_a_certificate_that_has_ended_is_renewed_without_a_restart_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "gateway"
    folder.mkdir()
    certificate(folder, 1, days=1)
    process = Process(folder, tls_certificate='"cert.pem"', tls_key='"cert.key"')
    process.url = process.url.replace("http:", "https:")
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
    process.start()
    try:
        sender = Sender("edge-22")
        with httpx.Client(base_url=process.url, verify=ssl.create_default_context(cafile=str(folder / "authority.pem"))) as client:
            sender.enrol(client, admin_of(folder))
        journal = EdgeJournal.open(
            tmp_path / "edge-22.sqlite", edge="edge-22", provenance=Provenance.SIMULATED, key=sender.key, clock=now_us, limits=LIMITS,
        )
        emitted: dict[tuple[str, int], float] = {}

        def emit() -> None:
            rows = [Reading("m-1/gauge", T0 + number * 1000, T0 + number * 1000, number / 7) for number in range(len(emitted), len(emitted) + 5)]
            journal.append([block_of(rows)])
            journal.seal(ClockState())
            emitted.update({(row.signal, row.source_time_us): float(row.value or 0) for row in rows})

        emit()
        assert await drained(process.url, sender.token, journal)
        # The file is replaced by one that has ended: new connections refuse it, and the edge keeps what it has.
        certificate(folder, 2, days=-1)
        await until(lambda: serial_of(process.port) == 2, "the ended one is shown")
        emit()
        assert not await drained(process.url, sender.token, journal, 3.0) and journal.watermark < journal.status().last_seq
        # A certificate without its key is said and not taken.
        (folder / "cert.key").write_bytes(b"nonsense")
        await until(lambda: "cannot be renewed" in (folder / "gateway.log").read_text(), "said")
        await until(lambda: serial_of(process.port) == 2, "the old one stays")
        certificate(folder, 3, days=10)
        await until(lambda: serial_of(process.port) == 3, "the new one is shown")
        emit()
        assert await drained(process.url, sender.token, journal)
        assert Delivered.of_gateway(folder / "data", "edge-22").check(emitted)["in_gaps"] == 0
        journal.close()
    finally:
        process.close()



def serial_of(port: int) -> int:
    """The serial number of the certificate that a new connection is shown; 0 where nobody answers in time."""
    try:
        shown = ssl.get_server_certificate(("127.0.0.1", port), timeout=5)
    except OSError:
        return 0
    return x509.load_pem_x509_certificate(shown.encode()).serial_number


async def drained(url: str, token: str, journal: EdgeJournal, within_s: float = 30.0) -> bool:
    uplink = Uplink(url, token, journal, max_retry_s=0.2)
    try:
        return await uplink.drain(within_s)
    finally:
        await uplink.close()
