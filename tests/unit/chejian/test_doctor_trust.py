"""What the doctor says about OPC UA sources: no security, no certificate, nobody trusted, and what is well."""

from pathlib import Path

from chejian.doctor import Finding, Level
from chejian.doctor_trust import look_at_trust
from edge.opcua.own import make_own
from tests.unit.edge.rig import now_us, settings_of
from tests.unit.edge.rig_pki import DAY, der, issue, put

SOURCE = """
[[source]]
name = "cell"
protocol = "opcua"
url = "opc.tcp://127.0.0.1:9/"
security = "Basic256Sha256"
equipment = [{ id = "cnc-01", map = "cnc" }]
[source.map.cnc]
load = "nsu=urn:x;s=load"
"""


def look(folder: Path, text: str = SOURCE, after_us: int = 0) -> list[Finding]:
    return list(look_at_trust(settings_of(text), folder / "edge.toml", lambda: now_us() + after_us))


def test_trust_is_looked_at(tmp_path: Path) -> None:
    (open_,) = look(tmp_path, SOURCE.replace("Basic256Sha256", "None"))
    assert open_.level is Level.WARNING and "anybody on that network" in open_.said
    (nothing,) = look(tmp_path)
    assert nothing.level is Level.BAD and "edge certificate" in nothing.mend
    make_own(tmp_path / "run" / "pki", "edge-1", "box.example", now_us)
    (nobody,) = look(tmp_path)
    assert nobody.level is Level.BAD and "every server will be refused" in nobody.said
    put(tmp_path / "run" / "pki", trusted__cell_der=der(issue()))
    (well,) = look(tmp_path)
    assert well.level is Level.OK and "1 certificates trusted" in well.said
    old, well = look(tmp_path, after_us=int(720 * DAY.total_seconds()) * 1_000_000)
    assert (old.level, well.level) == (Level.WARNING, Level.OK) and "--renew" in old.mend
    put(tmp_path / "run" / "pki", crl__ca_crl=b"nonsense")
    (broken,) = look(tmp_path)
    assert broken.level is Level.BAD and "is not a revocation list" in broken.said
