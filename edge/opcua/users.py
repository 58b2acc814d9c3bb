"""Who we are to a server: nobody in particular, a name with a password from a file, or the holder of a user certificate."""

from typing import Any

import msgspec
from asyncua import ua
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from edge.opcua.settings import OpcUaSettings
from edge.source import SourceContext
from workshop.errors import ConfigError

_KINDS = {ua.UserTokenType.Anonymous: "anonymous", ua.UserTokenType.UserName: "name and password", ua.UserTokenType.Certificate: "certificate"}
_SAFE = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss", "None")


class User(msgspec.Struct, frozen=True):
    """A user of a server; without a name or certificate, the anonymous one."""

    name: str = ""
    password: str = ""
    certificate: Any = None
    key: Any = None

    @property
    def kind(self) -> ua.UserTokenType:
        """How it proves who it is."""
        if self.certificate is not None:
            return ua.UserTokenType.Certificate
        return ua.UserTokenType.UserName if self.name else ua.UserTokenType.Anonymous

    def check_offered(self, tokens: list[ua.UserTokenPolicy], url: str) -> None:
        """Whether the server lets such a user in, and takes the password safely.

        Raises:
            ConfigError: it does not.
        """
        own = [token for token in tokens if token.TokenType == self.kind]
        if not own:
            offered = ", ".join(dict.fromkeys(_KINDS.get(token.TokenType, token.TokenType.name) for token in tokens)) or "none"
            raise ConfigError(
                f"{url}: BadIdentityTokenRejected: users by {_KINDS[self.kind]} are not let in, but by {offered}; set user or user_certificate"
            )
        # asyncua takes the first of our kind. On the encrypted channel a password may travel as it is; not enciphered for an old policy.
        policy = str(own[0].SecurityPolicyUri or "None").rpartition("#")[2]
        if policy not in _SAFE:
            raise ConfigError(f"{url}: BadSecurityPolicyRejected: the user's secret would be enciphered by {policy}, an old policy; change it there")


def load_user(settings: OpcUaSettings, context: SourceContext) -> User:
    """The user of a source, read anew for each connection.

    Raises:
        ConfigError: half of what is needed, or a file that cannot be read.
    """
    where = context.where
    if settings.user_certificate:
        if not settings.user_key:
            raise ConfigError(f"{where}: user_certificate needs user_key, the file of its private key")
        try:
            data = context.path(settings.user_certificate).read_bytes()
            certificate = x509.load_pem_x509_certificate(data) if data.startswith(b"-----BEGIN") else x509.load_der_x509_certificate(data)
            key = serialization.load_pem_private_key(context.path(settings.user_key).read_bytes(), None)
        except OSError as error:
            raise ConfigError(f"{where}: user_certificate: {error.filename}: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{where}: user_certificate (.der, .pem) or user_key (.pem without passphrase) cannot be read: {error}") from error
        if certificate.public_key() != key.public_key():
            raise ConfigError(f"{where}: user_certificate and user_key do not belong together; name the key from which the certificate was made")
        return User(certificate=certificate, key=key)
    if not settings.user:
        return User()
    if not settings.password_file:
        raise ConfigError(f"{where}: user '{settings.user}' needs password_file, a file with the password as its only line")
    try:
        password = context.path(settings.password_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: password_file: {context.path(settings.password_file)}: cannot be read ({error})") from error
    return User(settings.user, password)
