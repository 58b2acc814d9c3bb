"""Security of a connection: which endpoint, whose certificate, which user. Nothing is trusted because the server says so.

Order (OPC 10000-4, 6.1): ask for the endpoints without security; choose the one that the file wants; check its certificate; open the channel with
exactly this certificate; when the session is there, compare its endpoints with those that were told before. The endpoints' own addresses are never
followed: an answer must not lead us to another computer.
"""

import logging
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies
from cryptography import x509

from edge.opcua.certificates import Refused, Wanted, check_server, utc
from edge.opcua.own import Own, load_own
from edge.opcua.settings import OpcUaSettings
from edge.opcua.trust import keep_rejected, load_trust, split_chain, state_of
from edge.opcua.users import User, load_user
from edge.source import SourceContext
from workshop.errors import ConfigError, NotConnected

_log = logging.getLogger(__name__)
POLICIES: dict[str, Any] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
"""What may be written in `security` besides None; always signed and encrypted. Older ones can be broken and are not offered."""
UNSAFE = 'security = "None": anybody on this network can read and forge what this source delivers; give the machine a certificate'
_PREFIX = "http://opcfoundation.org/UA/SecurityPolicy#"
_LOOK_S, _CHECK_S = 5.0, 3600.0


class Guard:
    """Security of one source, for one connection after the other."""

    def __init__(self, settings: OpcUaSettings, context: SourceContext) -> None:
        """
        Raises:
            ConfigError: a policy that there is not, or a user whose password would travel openly.
        """
        if settings.security not in ("None", *POLICIES):
            given = f"'{settings.security}'" if settings.security else "not stated"
            raise ConfigError(f'{context.where}: security is {given}; write one of {", ".join(POLICIES)}, or "None" for a connection without any')
        if settings.security == "None" and (settings.user or settings.user_certificate):
            raise ConfigError(f'{context.where}: with security = "None" the user\'s password would travel openly; write security = "Basic256Sha256"')
        self.warnings = [UNSAFE] if settings.security == "None" else []
        self._settings, self._context = settings, context
        self._pki = pki_of(settings.pki, context)
        self._shown: list[x509.Certificate] = []
        self._wanted = Wanted("", "")
        self._told: set[tuple[int, str, tuple[tuple[int, str], ...]]] = set()
        self._own: Own | None = None
        self._user = User()
        self._state: tuple[tuple[str, int, int], ...] = ()
        self._look_at = self._check_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether there is nothing to guard: `security = "None"`."""
        return self._settings.security == "None"

    @property
    def step(self) -> str:
        """What opening the channel proves, for messages."""
        return "open the channel" if self.is_open else "open the secure channel (the server needs the key of the certificate that it shows)"

    def prepare(self, client: Client) -> None:
        """Reads our certificate and the user's from disk, anew for each connection.

        Raises:
            ConfigError: there are none, or they cannot be used.
        """
        if self.is_open:
            return
        self._state, self._look_at = state_of(self._pki), monotonic() + _LOOK_S
        self._own = load_own(self._pki)
        self._user = load_user(self._settings, self._context)
        client.application_uri = self._own.uri

    def choose(self, client: Client, endpoints: list[ua.EndpointDescription]) -> None:
        """Chooses the endpoint, checks its certificate, and binds the client to it.

        Raises:
            ConfigError: it is not offered, or its certificate is refused.
        """
        assert self._own is not None  # noqa: S101 – prepare() comes first
        url, policy = self._settings.url, POLICIES[self._settings.security]
        wanted = [one for one in endpoints if _is_ours(one, policy)]
        if not wanted:
            offered = ", ".join(sorted({_named(one) for one in endpoints})) or "nothing"
            raise ConfigError(
                f"{url}: BadSecurityPolicyRejected: {self._settings.security} SignAndEncrypt is not offered, but {offered}; switch it on there "
                "(if it was on before, somebody may stand between), or write another policy"
            )
        endpoint = wanted[0]
        try:
            self._shown = split_chain(endpoint.ServerCertificate or b"")
        except ValueError as error:
            raise ConfigError(f"{url}: BadCertificateInvalid: the server shows no readable certificate ({error}); have it make one") from error
        uri = self._settings.server_uri or str(endpoint.Server.ApplicationUri)
        self._wanted = Wanted(self._settings.server_name or str(client.server_url.hostname), uri)
        self._check(utc(self._context.clock()))
        self._told = {_facts(one) for one in endpoints}
        secured = policy(self._shown[0], self._own.certificate, self._own.key, ua.MessageSecurityMode.SignAndEncrypt)
        client.security_policy = secured
        client.uaclient.set_security(secured)

    def compare(self, endpoints: list[ua.EndpointDescription] | None) -> None:
        """Compares what the session says of the server with what was told before it was secured.

        Raises:
            ConfigError: they differ: what was told was not told by this server; or nobody may come in as our kind of user.
        """
        own = [one for one in endpoints or () if _is_ours(one, POLICIES[self._settings.security])]
        if not own or any(_facts(one) not in self._told for one in endpoints or ()):
            raise ConfigError(
                f"{self._settings.url}: BadSecurityChecksFailed: the server's list of endpoints, told again over the secured channel, is not the one "
                "that was told before: somebody between may have changed it; look at the network, or at the machine if it was set up just now"
            )
        if {str(one.Server.ApplicationUri) for one in own} != {self._wanted.uri}:
            raise ConfigError(f"{self._settings.url}: BadCertificateUriInvalid: the session is with another application than '{self._wanted.uri}'")
        self._user.check_offered([token for one in own for token in one.UserIdentityTokens or ()], self._settings.url)

    async def activate(self, client: Client) -> None:
        """Activates the session as the user of the file."""
        user = self._user
        client.user_private_key = user.key
        await client.activate_session(username=user.name or None, password=user.password or None, certificate=user.certificate)

    def watch(self, *, anew: bool = False) -> None:
        """Looks every few seconds whether certificates or lists were changed: what was trusted and no longer is, is left at once.

        Args:
            anew: look now, and at the calendar as well: a certificate that expired during a connection is good for this connection and no other.

        Raises:
            ConfigError: the server's certificate is refused by now.
            NotConnected: we have another certificate ourselves; connect again with it.
        """
        if self.is_open or not (anew or monotonic() >= self._look_at):
            return
        self._look_at = monotonic() + _LOOK_S
        before, self._state = self._state, state_of(self._pki)
        if self._state == before and not anew and monotonic() < self._check_at:
            return
        if self._state != before:
            _log.info("%s: certificates or lists in %s have changed", self._context.where, self._pki)
        self._check(utc(self._context.clock()), is_begun=not anew)
        if [one for one in before if one[0].startswith("own/")] != [one for one in self._state if one[0].startswith("own/")]:
            raise NotConnected(f"{self._settings.url}: this edge has a new certificate; connecting again with it")

    def _check(self, now: datetime, *, is_begun: bool = False) -> None:
        assert self._own is not None  # noqa: S101 – as above
        self._check_at = monotonic() + _CHECK_S
        try:
            self.warnings = check_server(self._shown, load_trust(self._pki), self._wanted, now) + self._own.warnings(now)
        except Refused as error:
            if is_begun and error.code == "BadCertificateTimeInvalid":
                # Nothing about the channel got worse at midnight; losing data would not make it better.
                self.warnings = [f"{error}: refused at the next connect", *self._own.warnings(now)]
                return
            keep_rejected(self._pki, self._shown[0])
            raise ConfigError(f"{self._settings.url}: {error}") from error


class Offer(msgspec.Struct, frozen=True):
    """One endpoint of a server, in words."""

    policy: str
    mode: str
    users: list[str]


def offers(endpoints: list[ua.EndpointDescription]) -> list[Offer]:
    """What a server offers, for people."""
    found = []
    for one in endpoints:
        users = [token.TokenType.name for token in one.UserIdentityTokens or ()]
        found.append(Offer(str(one.SecurityPolicyUri).removeprefix(_PREFIX), one.SecurityMode.name.rstrip("_"), users))
    return found


def _is_ours(endpoint: ua.EndpointDescription, policy: Any) -> bool:
    return bool(endpoint.SecurityPolicyUri == policy.URI and endpoint.SecurityMode == ua.MessageSecurityMode.SignAndEncrypt)


def _named(endpoint: ua.EndpointDescription) -> str:
    policy, mode = str(endpoint.SecurityPolicyUri).removeprefix(_PREFIX), endpoint.SecurityMode.name.rstrip("_")
    return policy if policy == mode else f"{policy} {mode}"


def _facts(endpoint: ua.EndpointDescription) -> tuple[int, str, tuple[tuple[int, str], ...]]:
    """What must be the same in both answers (OPC 10000-4, 5.6.2.2); addresses may be told differently."""
    users = sorted((int(token.TokenType), str(token.SecurityPolicyUri or "")) for token in endpoint.UserIdentityTokens or ())
    return int(endpoint.SecurityMode), str(endpoint.SecurityPolicyUri), tuple(users)


def pki_of(pki: str, context: SourceContext) -> Path:
    """The folder of certificates of a source; `pki` as its options name it."""
    return context.path(pki) if pki else context.data / "pki"
