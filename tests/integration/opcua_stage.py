"""An OPC UA server whose certificate, endpoints and users a test can change between two connections, and an edge's source in front of it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from cryptography import x509

from edge.config import source_context
from edge.opcua.own import make_own
from edge.source import Source, open_source
from tests.unit.edge.rig import now_us, register_of, settings_of
from tests.unit.edge.rig_pki import URI, der, issue, key, put, revoke
from workshop.errors import ChejianError
from workshop.window import Clock

POLICIES = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
CA = issue("ca", is_authority=True)
GOOD = issue(by=("ca", CA))


class People(UserManager):  # type: ignore[misc]
    """One operator, with a password or a certificate."""

    strangers: frozenset[bytes] = frozenset()
    """Certificates of users that the server does not know. asyncua gives that of the application where a user shows none."""

    def get_user(self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None) -> User | None:
        if username is not None:
            return User(UserRole.User, "operator") if (username, password) == ("operator", "geheim") else None
        return None if certificate in self.strangers else User(UserRole.User, "anonymous")


class Stage:
    """A server whose certificate and endpoints a test can change between two connections."""

    async def start(self) -> None:
        self.people = People()
        self.server = Server(user_manager=self.people)
        await self.server.init()
        self.server.iserver.certificate, self.server.iserver.private_key = GOOD, key("server")
        self.server._application_uri = URI
        await self.server.set_application_uri(URI)
        self.server.set_endpoint("opc.tcp://127.0.0.1:0/")
        kinds = ["NoSecurity", *(f"{policy.replace('_', '')}_{mode}" for policy in POLICIES for mode in ("Sign", "SignAndEncrypt"))]
        self.server.set_security_policy([ua.SecurityPolicyType[kind] for kind in kinds])
        self.server.set_identity_tokens([ua.AnonymousIdentityToken, ua.UserNameIdentityToken, ua.X509IdentityToken])
        index = await self.server.register_namespace("urn:test:cnc")
        await self.server.nodes.objects.add_variable(ua.NodeId("cnc-01.load", index), "load", 1.5, ua.VariantType.Double)
        await self.server.start()
        self.port = self.server.bserver.port
        self.endpoints = self.server.iserver.get_endpoints

    def show(self, certificate: x509.Certificate, own_key: str = "server", tell: bytes | None = None) -> None:
        """Changes the server's certificate; `tell` is what the endpoints say instead."""
        self.server.iserver.certificate, self.server.iserver.private_key = certificate, key(own_key)
        for policy in self.server._policies:
            if policy.certificate is not None:
                policy.certificate, policy.private_key = certificate, key(own_key)
        for endpoint in self.server.iserver.endpoints:
            endpoint.ServerCertificate = tell or der(certificate)
            endpoint.Server.ApplicationUri = URI


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Stage]:
    stage = Stage()
    await stage.start()
    yield stage
    await stage.server.stop()


@pytest.fixture
def stage(server: Stage) -> Iterator[Stage]:
    server.show(GOOD)
    server.people.strangers = frozenset()
    yield server
    server.server.iserver.get_endpoints = server.endpoints


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "pki"
    make_own(folder, "edge-1", "box.example", now_us)
    return put(folder, trusted__ca_der=der(CA), crl__ca_crl=revoke(("ca", CA)))


def open_at(pki: Path, port: int, security: str = "Basic256Sha256", more: str = "", clock: Clock = now_us) -> Source:
    text = f"""
[[source]]
name = "cell"
protocol = "opcua"
url = "opc.tcp://127.0.0.1:{port}/"
security = "{security}"
publishing_ms = 50
keep_alive_count = 2
{more}
equipment = [{{ id = "cnc-01", map = "cnc" }}]
[source.map.cnc]
load = "nsu=urn:test:cnc;s={{equipment}}.load"
"""
    settings = settings_of(text)
    file = str(pki.parent.parent / "edge-1.toml")
    block = settings.source[0]
    return open_source("opcua", block.options, source_context(settings, block, register_of("cnc-01"), file, clock=clock))


async def refusal(source: Source) -> ChejianError:
    with pytest.raises(ChejianError) as caught:
        await source.connect()
    await source.close()
    return caught.value


async def values(source: Source) -> list[Any]:
    await source.connect()
    try:
        while True:
            for delivery in await source.read():
                if len(delivery.block):
                    return [reading.value for reading in delivery.block.readings()]
    finally:
        await source.close()
