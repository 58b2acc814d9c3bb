"""Who may come to a server and what they may do: users with passwords and certificates, and the server's own certificate.

Folder `pki`: `server.key.pem`, `server.cert.der`, and for every user NAME of the settings `NAME.password` (one line), `NAME.key.pem`,
`NAME.cert.der`. What is missing is made at start, with random passwords; an operator may put other files there before.
"""

import asyncio
import contextvars
import hmac
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.uacrypto import load_certificate, load_private_key
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua.status_codes import StatusCodes
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from simulators.errors import SimulatorError
from simulators.opcua.certificate import server_certificate
from simulators.settings import Policy, server_address
from simulators.settings import Server as ServerSettings

_POLICIES: dict[Policy, tuple[ua.SecurityPolicyType, ...]] = {
    "None": (ua.SecurityPolicyType.NoSecurity,),
    "Basic256Sha256": (ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt, ua.SecurityPolicyType.Basic256Sha256_Sign),
    "Aes128_Sha256_RsaOaep": (ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt, ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign),
    "Aes256_Sha256_RsaPss": (ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt, ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign),
}
_ROLES = {"user": UserRole.User, "admin": UserRole.Admin}
_caller: contextvars.ContextVar[User | None] = contextvars.ContextVar("caller", default=None)


def caller_is_admin() -> bool:
    """Whether the method that is running was called by an admin."""
    user = _caller.get()
    return user is not None and user.role == UserRole.Admin


async def guarded_server(block: ServerSettings) -> Server:
    """A server that is not initialised yet, with the policies and users of its block.

    Raises:
        SimulatorError: the folder of keys and certificates cannot be used.
    """
    policies: list[Policy] = ["None"] if block.security == "None" else list(block.security)
    pki = Path(block.pki)
    uri = f"urn:chejian:simulators:{block.name}"
    try:
        users = {name: await asyncio.to_thread(_password, pki, name) for name in block.users}
        certificates = {await _certificate(pki, name, f"{uri}:{name}", ExtendedKeyUsageOID.CLIENT_AUTH): name for name in users}
        iserver = _GuardedServer(_Users(block, users, certificates))
        server = Server(iserver)
        if policies != ["None"]:
            iserver.certificate = x509.load_der_x509_certificate(await asyncio.to_thread(server_certificate, pki, uri, server_address(block.url)[0]))
            iserver.private_key = await load_private_key(pki / "server.key.pem")
    except OSError as error:
        raise SimulatorError(f"server {block.name!r}: pki: {error.filename}: {error.strerror}; give a folder that can be written to") from error
    # Server.init() hands it to the address space.
    server._application_uri = uri
    server.set_security_policy([mode for policy in policies for mode in _POLICIES[policy]])
    anonymous = [ua.AnonymousIdentityToken] if block.anonymous else []
    server.set_identity_tokens([*anonymous, *([ua.UserNameIdentityToken, ua.X509IdentityToken] if users else [])])
    return server


def _password(pki: Path, name: str) -> str:
    pki.mkdir(parents=True, exist_ok=True)
    path = pki / f"{name}.password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(12) + "\n", encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


async def _certificate(pki: Path, name: str, uri: str, purpose: Any) -> bytes:
    """The DER certificate of this name, made with its key if either is missing."""
    await asyncio.to_thread(pki.mkdir, parents=True, exist_ok=True)
    key, path = pki / f"{name}.key.pem", pki / f"{name}.cert.der"
    await setup_self_signed_certificate(key, path, uri, socket.gethostname(), [purpose], {"organizationName": "chejian simulators"})
    return bytes((await load_certificate(path)).public_bytes(Encoding.DER))


class _Users(UserManager):
    """Knows passwords and certificates. It is only asked about kinds of identity that the server offers."""

    def __init__(self, block: ServerSettings, passwords: Mapping[str, str], certificates: Mapping[bytes, str]) -> None:
        self._block = block
        self._passwords = passwords
        self.certificates = certificates

    def get_user(self, iserver: InternalServer, username: str | None = None, password: str | None = None, certificate: Any = None) -> User | None:
        """The user who has proved who they are; None is refused as BadUserAccessDenied."""
        if username is not None:
            known = self._passwords.get(username)
            right = known is not None and hmac.compare_digest(known.encode(), (password or "").encode())
            return self._user(username) if right else None
        if certificate in self.certificates:
            return self._user(self.certificates[certificate])
        # A session without a name; asyncua's own role Anonymous may not even read.
        return User(role=UserRole.User, name="anonymous") if self._block.anonymous else None

    def _user(self, name: str) -> User:
        return User(role=_ROLES[self._block.users[name]], name=name)


class _GuardedServer(InternalServer):
    """Refuses strange user certificates, and tells methods who is calling."""

    def __init__(self, users: _Users) -> None:
        super().__init__(users)
        self._users = users

    def verify_x509_token(self, isession: Any, token: ua.X509IdentityToken, signature: ua.SignatureData) -> bytes:
        """Only a known certificate is worth checking. The user manager cannot tell a strange one from the certificate of an anonymous client."""
        if token.CertificateData not in self._users.certificates:
            raise ServiceError(StatusCodes.BadIdentityTokenRejected)
        return bytes(super().verify_x509_token(isession, token, signature))

    def create_session(self, name: str, user: User = User(role=UserRole.Anonymous), external: bool = False) -> InternalSession:  # noqa: B008
        """As asyncua's, with a session that remembers its user while a method runs."""
        return _Session(self, self.aspace, self.subscription_service, name, user=user, external=external)


class _Session(InternalSession):
    """asyncua does not tell a method who calls it."""

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        token = _caller.set(self.user)
        try:
            results: list[ua.CallMethodResult] = await super().call(params)
        finally:
            _caller.reset(token)
        return results
