"""The MQTT source at a mosquitto that wants TLS, certificates and passwords, with MQTT 3.1.1 and 5. Skipped where mosquitto is missing."""

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.remedies import remedy
from edge.source import MappedSignal, Source, SourceContext, open_source
from tests.integration.mqtt_plant import AS_ROOT, MOSQUITTO, Broker
from tests.unit.edge.rig import Record, now_us, register_of, running_edge, settings_of, until
from workshop.errors import ConfigError, NotConnected
from workshop.signal import SignalKind

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


def certify(folder: Path, name: str, issuer: str | None, host: str | None = None) -> None:
    """NAME.pem and NAME.key, signed by the issuer or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    ca = x509.load_pem_x509_certificate((folder / f"{issuer}.pem").read_bytes()) if issuer else None
    signer: Any = serialization.load_pem_private_key((folder / f"{issuer}.key").read_bytes(), None) if issuer else key
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(ca.subject if ca else subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
    )
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
    (folder / f"{name}.pem").write_bytes(builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
    ))


class GuardedBroker(Broker):
    """A mosquitto that lets in only who has a certificate of the authority `ca` and the password `secret`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        certify(folder, "ca", None)
        certify(folder, "other-ca", None)
        certify(folder, "broker", "ca", "127.0.0.1")
        certify(folder, "elsewhere", "ca", "192.0.2.1")
        certify(folder, "edge", "ca")
        (folder / "password").write_text("secret\n")
        (folder / "wrong").write_text("guess\n")
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(folder / "users"), "edge", "secret"], check=True, capture_output=True)
        self.certificate = "broker"
        self.folder = folder

    def start(self) -> None:
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {self.folder}/users\ncafile {self.folder}/ca.pem\n"
            f"certfile {self.folder}/{self.certificate}.pem\nkeyfile {self.folder}/{self.certificate}.key\nrequire_certificate true\n"
            f"persistence true\npersistence_location {self.folder}/\n{AS_ROOT}"
        )
        super().start()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[GuardedBroker]:
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto_passwd is not installed")
    (tmp_path / "broker").mkdir()
    broker = GuardedBroker(tmp_path / "broker")
    yield broker
    broker.stop()


def options(broker: Broker, **more: Any) -> dict[str, Any]:
    tls = {"ca": "ca.pem", "certificate": "edge.pem", "key": "edge.key"} | more.pop("tls", {})
    secrets = {"tls": tls, "user": "edge", "password_file": "password"}
    return {"host": "127.0.0.1", "port": broker.port, "payload": {"cnc": {"time": "ts", "time_format": "us"}}, **secrets, **more}


def source(broker: GuardedBroker, **more: Any) -> Source:
    signal = MappedSignal("cnc-01/load", "cnc-01", SignalKind.GAUGE, "plant/cnc-01#load", "cnc")
    context = SourceContext("s", "edge-1.toml: source 's'", "edge-1", (signal,), now_us, folder=broker.folder)
    return open_source("mqtt", options(broker, **more), context)


def publish(broker: GuardedBroker, payload: dict[str, Any]) -> None:
    client = Client(CallbackAPIVersion.VERSION2, "device")
    client.tls_set(str(broker.folder / "ca.pem"), str(broker.folder / "edge.pem"), str(broker.folder / "edge.key"))
    client.username_pw_set("edge", "secret")
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    client.publish("plant/cnc-01", json.dumps(payload), 1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_a_message_comes_through_tls_and_again_until_it_is_acknowledged(guarded: GuardedBroker, version: str) -> None:
    guarded.start()
    one = source(guarded, version=version)
    for turn in range(2):
        await one.connect()
        if not turn:
            await asyncio.to_thread(publish, guarded, {"ts": now_us(), "load": 5})
        async with asyncio.timeout(10):
            deliveries = [delivery for _ in range(2) for delivery in await one.read()]
        assert sum(len(delivery.block) for delivery in deliveries) == (0 if turn else 1), "what was handed over once is not handed over again"
        if turn:
            deliveries[-1].on_committed and deliveries[-1].on_committed()
        await one.close()


@pytest.mark.parametrize(("more", "said"), [
    ({"tls": {"ca": "other-ca.pem"}}, "certificate is refused"),
    ({"password_file": "wrong"}, "does not let us in: not authorised"),
    ({"tls": {"server_name": "192.0.2.9"}}, "certificate is refused"),
])
async def test_who_is_not_who_is_refused(guarded: GuardedBroker, more: dict[str, Any], said: str) -> None:
    guarded.start()
    one = source(guarded, **more)
    with pytest.raises(NotConnected, match=said):
        await one.connect()
    await one.close()


async def test_secrets_and_trust_are_read_anew_at_each_connect(guarded: GuardedBroker) -> None:
    """One source, never restarted: a wrong password or authority is put right beside it, and taken away again."""
    guarded.start()
    folder = guarded.folder
    (folder / "own-password").write_text("wrong")
    (folder / "own-ca.pem").write_bytes((folder / "other-ca.pem").read_bytes())
    one = source(guarded, password_file="own-password", tls={"ca": "own-ca.pem"})
    for file, good, said in (("own-ca.pem", (folder / "ca.pem").read_bytes(), "is refused"), ("own-password", b"secret\n", "does not let us in")):
        with pytest.raises(NotConnected, match=said):
            await one.connect()
        await one.close()
        (folder / file).write_bytes(good)
    await one.connect()
    await one.close()
    (folder / "own-password").write_bytes(b"wrong\n")
    with pytest.raises(NotConnected, match="does not let us in") as caught:
        await one.connect()
    assert "password_file" in remedy(str(caught.value))
    await one.close()


async def test_a_broker_with_the_name_of_another_host_is_refused(guarded: GuardedBroker) -> None:
    guarded.certificate = "elsewhere"
    guarded.start()
    one = source(guarded)
    with pytest.raises(NotConnected, match="certificate is refused"):
        await one.connect()
    await one.close()


@pytest.mark.parametrize(("more", "said"), [
    ({"tls": {"ca": "missing.pem"}}, "missing.pem: cannot be read"), ({"tls": {"ca": "users"}}, "is not PEM"),
    ({"user": None}, "password_file without user"),
    ({"tls": {"key": None}}, "belong together"), ({"tls": {"key": "broker.key"}}, "do not belong together"),
    ({"password_file": "nowhere"}, "nowhere"),
])
def test_secrets_that_are_none_are_said_before_anything_runs(guarded: GuardedBroker, more: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        source(guarded, **more)


def test_tls_is_no_older_than_1_2(guarded: GuardedBroker) -> None:
    from edge.mqtt_access import BrokerOptions, access_of, warnings_of

    access = access_of(BrokerOptions(host="x"), guarded.folder, "w")
    assert access.context is None and access.name == "mqtt://x:1883"
    open_door = BrokerOptions(host="x", user="u", password_file="password")
    assert "for the password neither" in warnings_of(open_door)[0] and not warnings_of(BrokerOptions(host="127.0.0.1"))
    secured = source(guarded)
    assert secured is not None
    context = access_of(secured._settings, guarded.folder, "w").context  # type: ignore[attr-defined]
    assert context is not None and context.minimum_version >= ssl.TLSVersion.TLSv1_2 and context.check_hostname


async def test_mqtt_5_loses_nothing_over_a_kill_and_a_broker_restart(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    (tmp_path / "edge").mkdir()
    broker = Broker(tmp_path / "broker")
    broker.start()
    table = f"""
[[source]]
name = "broker"
protocol = "mqtt"
host = "127.0.0.1"
port = {broker.port}
version = "5"
keepalive_s = 1
equipment = [{{ id = "cnc-01", map = "cnc", parts = {{ line = "L1" }} }}]
[source.map.cnc]
load = "{{line}}/{{equipment}}/{{signal}}#value"
parts = "{{line}}/{{equipment}}/{{signal}}#value"
[source.payload.cnc]
time = "ts"
time_format = "us"
"""
    emitted: dict[tuple[str, int], Any] = {}

    def send(count: int) -> None:
        client = Client(CallbackAPIVersion.VERSION2, "device")
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        for _ in range(count):
            for name, value in (("load", len(emitted) / 7), ("parts", len(emitted))):
                at = now_us()
                emitted[f"cnc-01/{name}", at] = value
                client.publish(f"L1/cnc-01/{name}", json.dumps({"ts": at, "value": value}), 1).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()

    settings, register = settings_of(table), register_of("cnc-01")
    try:
        async with running_edge(tmp_path / "edge", settings, register) as edge:
            await until(lambda: (status := edge.status()) and status.ready, "connected")
            await asyncio.to_thread(send, 10)
            await edge.kill()
        await asyncio.to_thread(send, 10)
        async with running_edge(tmp_path / "edge", settings, register) as edge:
            await until(lambda: edge.stored("broker") >= 20, "what the broker kept")
            broker.stop()
            await until(lambda: (status := edge.status()) and not status.ready, "broker lost")
            broker.start()
            await until(lambda: (status := edge.status()) and status.ready, "broker back")
            await asyncio.to_thread(send, 10)
            await until(lambda: edge.stored("broker") >= 40, "everything")
    finally:
        broker.stop()
    record = Record(tmp_path / "edge")
    assert record.check(emitted) == {"emitted": 60, "stored": 60, "in_gaps": 0} and not record.gaps
