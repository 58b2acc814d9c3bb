"""Hostile OPC UA servers: each is refused in words; an honest one comes in by every policy and kind of user."""

import asyncio
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from edge.opcua.own import make_own
from edge.opcua.trust import REJECTED, TRUSTED, accept, fingerprint, rejected
from edge.remedies import remedy
from tests.integration.opcua_stage import CA, GOOD, POLICIES, Stage, open_at, pki, refusal, server, stage, values
from tests.unit.edge.rig import now_us, until
from tests.unit.edge.rig_pki import DAY, NOW, der, issue, put, revoke
from workshop.errors import ConfigError, NotConnected

__all__ = ["pki", "server", "stage"]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("security", POLICIES)
async def test_an_honest_server_comes_in_by_every_policy(stage: Stage, pki: Path, security: str) -> None:
    source = open_at(pki, stage.port, security)
    assert await values(source) == [1.5]
    assert source.warnings == []


async def test_users_by_name_and_by_certificate(stage: Stage, pki: Path) -> None:
    folder = pki.parent.parent
    (folder / "password").write_text("geheim\n")
    make_own(folder / "user", "operator", "box.example", now_us)
    name = 'user = "operator"\npassword_file = "password"'
    assert await values(open_at(pki, stage.port, more=name)) == [1.5]
    certificate = 'user_certificate = "user/own/certificate.der"\nuser_key = "user/own/key.pem"'
    assert await values(open_at(pki, stage.port, more=certificate)) == [1.5]
    (folder / "password").write_text("wrong")
    error = await refusal(open_at(pki, stage.port, more=name))
    assert "BadUserAccessDenied" in str(error) and "geheim" not in str(error) and "wrong" not in str(error)
    error = await refusal(open_at(pki, stage.port, more='user = "operator"\npassword_file = "nothing"'))
    assert isinstance(error, ConfigError) and "password_file" in str(error)


async def test_a_user_whose_certificate_the_server_does_not_know_or_who_lacks_its_key_stays_out(stage: Stage, pki: Path) -> None:
    folder = pki.parent.parent
    own = {name: make_own(folder / name, name, "box.example", now_us) for name in ("operator", "stranger")}
    stage.people.strangers = frozenset({der(own["stranger"].certificate)})

    def user(certificate: str, key: str) -> str:
        return f'user_certificate = "{certificate}/own/certificate.der"\nuser_key = "{key}/own/key.pem"'

    assert await values(open_at(pki, stage.port, more=user("operator", "operator"))) == [1.5]
    error = await refusal(open_at(pki, stage.port, more=user("stranger", "stranger")))
    assert isinstance(error, NotConnected) and "BadUserAccessDenied" in str(error) and "user_certificate" in remedy(str(error)), error
    for more, said in (
        (user("operator", "stranger"), "do not belong together"), ('user_certificate = "operator/own/certificate.der"', "user_key"),
        (user("nobody", "operator"), "No such file"),
    ):
        error = await refusal(open_at(pki, stage.port, more=more))
        assert isinstance(error, ConfigError) and said in str(error)


async def test_no_security_is_a_warning_as_long_as_it_lasts(stage: Stage, pki: Path) -> None:
    source = open_at(pki, stage.port, "None")
    assert await values(source) == [1.5]
    assert len(source.warnings) == 1 and "anybody on this network" in source.warnings[0]


CURES = {"unknown": "edge trust", "expired": "clocks", "revoked": "new certificate", "wrong URI": "server_uri", "wrong host": "server_name"}
HOSTILE = {
    "unknown": (issue, "BadCertificateUntrusted: .*chejian edge trust"),
    "expired": (lambda: issue(by=("ca", CA), to=NOW - DAY / 2), "BadCertificateTimeInvalid: .* expired on"),
    "revoked": (lambda: issue("revoked", by=("ca", CA), key_name="server"), "BadCertificateRevoked: 'CN=revoked' was revoked by 'CN=ca'"),
    "wrong URI": (lambda: issue(by=("ca", CA), uri="urn:another"), "BadCertificateUriInvalid: .*'urn:another'.*'urn:test:server'"),
    "wrong host": (lambda: issue(by=("ca", CA), hosts=("10.9.8.7", "else.example")), "BadCertificateHostNameInvalid: .*not for '127.0.0.1'"),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_bad_certificate_is_refused_before_anything_is_told(stage: Stage, pki: Path, case: str) -> None:
    make, said = HOSTILE[case]
    certificate = make()
    stage.show(certificate)
    if case == "revoked":
        put(pki, crl__ca_crl=revoke(("ca", CA), certificate))
    error = await refusal(open_at(pki, stage.port))
    assert isinstance(error, ConfigError)
    assert re.search(said, str(error)), str(error)
    assert certificate in rejected(pki) and CURES[case] in remedy(str(error))


async def test_a_downgrade_to_none_is_refused(stage: Stage, pki: Path) -> None:
    async def open_only(*arguments: Any, **more: Any) -> list[Any]:
        return [one for one in await stage.endpoints(*arguments, **more) if one.SecurityMode == ua.MessageSecurityMode.None_]

    stage.server.iserver.get_endpoints = open_only
    error = await refusal(open_at(pki, stage.port))
    assert isinstance(error, ConfigError) and "is not offered, but None" in str(error) and "somebody may stand between" in str(error)


async def test_a_list_of_endpoints_that_was_changed_on_the_way_is_noticed(stage: Stage, pki: Path) -> None:
    asked = 0

    async def first_shorter(*arguments: Any, **more: Any) -> list[Any]:
        nonlocal asked
        asked += 1
        every = await stage.endpoints(*arguments, **more)
        return [one for one in every if asked > 1 or not one.SecurityPolicyUri.endswith("RsaPss")]

    stage.server.iserver.get_endpoints = first_shorter
    error = await refusal(open_at(pki, stage.port))
    assert isinstance(error, ConfigError) and "BadSecurityChecksFailed" in str(error) and "not the one that was told before" in str(error)


async def test_somebody_elses_certificate_does_not_help_without_its_key(stage: Stage, pki: Path) -> None:
    stage.show(issue("thief", key_name="thief"), "thief", tell=der(GOOD))
    error = await refusal(open_at(pki, stage.port, more="timeout_s = 0.5"))
    assert isinstance(error, NotConnected) and "the server needs the key of the certificate that it shows): no answer" in str(error)


async def test_an_answer_without_end_is_cut_off(pki: Path) -> None:
    """A server that answers GetEndpoints with chunks for ever, and one that announces a chunk of 2 GB."""
    sent, announced = 0, 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            await reader.readexactly(struct.unpack_from("<I", await reader.readexactly(8), 4)[0] - 8)
            writer.write(struct.pack("<4sI5I", b"ACKF", 28, 0, 65535, 65535, 0, 0))
            head = await reader.readexactly(8)
            body = await reader.readexactly(struct.unpack_from("<I", head, 4)[0] - 8)
            writer.write(opened(body))
            head = await reader.readexactly(8)
            body = await reader.readexactly(struct.unpack_from("<I", head, 4)[0] - 8)
            (request,) = struct.unpack_from("<I", body, 12)
            for sequence in range(2, 100_000):
                writer.write(struct.pack("<4sIIIII", b"MSGC", announced, 1, 1, sequence, request) + bytes(65_000))
                sent += 65_000
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    for announced, said in (  # noqa: B007 – the server above reads it
        (24 + 65_000, "BadResponseTooLarge: an answer of more than 16 MiB"), (2**31 - 1, "BadTcpMessageTooLarge: a chunk of more"),
    ):
        sent = 0
        fake = await asyncio.start_server(endless, "127.0.0.1", 0)
        error = await refusal(open_at(pki, fake.sockets[0].getsockname()[1]))
        fake.close()
        assert isinstance(error, NotConnected) and said in str(error), str(error)
        assert sent < 40 * 2**20


def opened(request: bytes) -> bytes:
    """An answer to an OpenSecureChannel without security: token 1 on channel 1."""
    body = b"\x01\x00" + struct.pack("<H", 449)  # OpenSecureChannelResponse, binary
    header = struct.pack("<qIIB", 0, 1, 0, 0) + struct.pack("<i", -1) + b"\x00\x00\x00"
    token = struct.pack("<IIqI", 1, 1, 0, 3_600_000)
    body += header + struct.pack("<I", 0) + token + struct.pack("<i", -1)
    policy = b"http://opcfoundation.org/UA/SecurityPolicy#None"
    security = struct.pack("<i", len(policy)) + policy + struct.pack("<ii", -1, -1)
    (number,) = struct.unpack_from("<I", request, 4 + len(security) + 4)
    rest = struct.pack("<I", 1) + security + struct.pack("<II", 1, number) + body
    return struct.pack("<4sI", b"OPNF", 8 + len(rest)) + rest


async def test_trust_is_given_and_taken_without_a_restart(stage: Stage, pki: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.opcua.security._LOOK_S", 0.05)
    alone = issue()
    stage.show(alone)
    source = open_at(pki, stage.port)
    assert "BadCertificateUntrusted" in str(await refusal(source))
    accept(pki, fingerprint(alone)[:16])
    await source.connect()
    for _ in range(3):
        await source.read()
    (pki / TRUSTED / f"{fingerprint(alone)}.der").unlink()
    with pytest.raises(ConfigError, match="BadCertificateUntrusted"):
        async with asyncio.timeout(10):
            while True:
                await source.read()
    await source.close()


async def test_a_certificate_that_is_revoked_during_a_run_is_left_at_once_and_a_new_one_of_ours_is_taken(
    stage: Stage, pki: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.opcua.security._LOOK_S", 0.05)
    source = open_at(pki, stage.port)
    await source.connect()
    await source.read()
    make_own(pki, "edge-1", "box.example", now_us)
    with pytest.raises(NotConnected, match="new certificate"):
        async with asyncio.timeout(10):
            while True:
                await source.read()
    await source.close()
    await source.connect()
    put(pki, crl__ca_crl=revoke(("ca", CA), GOOD))
    with pytest.raises(ConfigError, match="BadCertificateRevoked"):
        async with asyncio.timeout(10):
            while True:
                await source.read()
    await source.close()
    assert (pki / REJECTED).is_dir()
    await until(lambda: not stage.server.iserver.subscription_service.subscriptions, "subscriptions are gone")


async def test_what_expires_during_a_connection_is_said_and_refused_at_the_next(stage: Stage, pki: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.opcua.security._LOOK_S", 0.0)
    monkeypatch.setattr("edge.opcua.security._CHECK_S", 0.0)
    later_us = 0
    source = open_at(pki, stage.port, clock=lambda: now_us() + later_us)
    await source.connect()
    later_us = 500 * 86_400_000_000
    async with asyncio.timeout(10):
        while not any("refused at the next connect" in warning for warning in source.warnings):
            await source.read()
    await source.close()
    assert "BadCertificateTimeInvalid" in str(await refusal(source))
