"""Fault class 22, OPC UA: certificates rotated, taken back and given again during a run; nothing is lost without a word, nothing is restarted."""

from pathlib import Path

import pytest

from edge.opcua.own import make_own
from edge.opcua.trust import TRUSTED
from tests.unit.edge.rig import Record, now_us, register_of, running_edge, settings_of, until
from tests.unit.edge.rig_opcua import URI, Guarded
from tests.unit.edge.rig_pki import der, put


async def test_class_22_rotated_and_revoked_during_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.opcua.security._LOOK_S", 0.05)
    machines = Guarded()
    await machines.start()
    pki = tmp_path / "run" / "pki"
    make_own(pki, "edge-1", "box.example", now_us)
    assert machines.server.iserver.certificate is not None
    trusted = der(machines.server.iserver.certificate)
    put(pki, trusted__cell_der=trusted)
    mapped = "\n".join(f'{name} = "nsu={URI};s={{equipment}}.{name}"' for name in ("load", "parts", "program", "state"))
    settings = settings_of(f"""
[[source]]
name = "cell"
protocol = "opcua"
url = "opc.tcp://127.0.0.1:{machines.port}/"
security = "Basic256Sha256"
publishing_ms = 50
keep_alive_count = 2
equipment = [{{ id = "cnc-01", map = "cnc" }}, {{ id = "cnc-02", map = "cnc" }}]
[source.map.cnc]
{mapped}
""")
    await machines.scan()
    machines.emitted.clear()
    await machines.scan()
    async with running_edge(tmp_path, settings, register_of("cnc-01", "cnc-02"), str(tmp_path / "edge.toml")) as edge:

        async def working(failures: int) -> None:
            await until(lambda: (status := edge.status()) and status.ready and status.sources["cell"].failures >= failures, "connected again")
            before = edge.stored("cell")
            await machines.offer(10)
            await until(lambda: edge.stored("cell") >= before + 8, "readings again")

        await working(0)
        make_own(pki, "edge-1", "box.example", now_us)
        await machines.offer(5)
        await working(1)
        (pki / TRUSTED / "cell.der").unlink()
        await until(lambda: (status := edge.status()) and not status.ready and "BadCertificateUntrusted" in status.sources["cell"].error, "refused")
        await machines.offer(10)
        put(pki, trusted__cell_der=trusted)
        await working(2)
    counts = Record(tmp_path).check(machines.emitted)
    assert counts["in_gaps"] >= 8 * 8, counts
    await machines.server.stop()
