"""[alerts] of gateway.toml: whom to tell, and what is worth telling."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from workshop.errors import ConfigError

_ADDRESS = re.compile(r"[^@\s<>,;]{1,64}@[^@\s<>,;]{1,250}")
_PORTS = {"http": 80, "https": 443}


class EmailSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mail by SMTP."""

    host: str
    """The mail server."""
    sender: str
    """Address that the mail comes from."""
    to: tuple[str, ...]
    """Addresses that get it."""
    port: int = 587
    """TCP port: usually 587 for starttls, 465 for tls."""
    security: str = "starttls"
    """starttls, tls, or none: without encryption no password is sent."""
    user: str = ""
    """To log in with; nobody when empty."""
    password_file: str = ""
    """File with the password, relative to gateway.toml."""

    @property
    def place(self) -> str:
        """host:port."""
        return f"{self.host}:{self.port}"


class WebhookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A POST of JSON."""

    url: str
    """http(s) address; redirects are not followed."""
    secret_file: str = ""
    """File with a secret, relative to gateway.toml: the header X-Chejian-Signature is then sha256=HMAC(secret, body)."""

    @property
    def place(self) -> str:
        """host:port."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, 0)}"


class AlertSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to tell about what."""

    allow: tuple[str, ...]
    """host:port of everything that alerts may be sent to; nothing else is ever called."""
    email: EmailSettings | None = None
    """Mail by SMTP."""
    webhook: tuple[WebhookSettings, ...] = ()
    """POST of JSON, to each of these."""
    digest_s: float = 60.0
    """What comes within so many seconds goes out as one message."""
    silent_s: float = 300.0
    """An edge of which nothing has been accepted for so long is silent."""
    free_bytes: int = 2 * 2**30
    """Less room than this on the disk of the data folder is told."""


def check_alerts(settings: AlertSettings, file: Path) -> AlertSettings:
    """The settings with absolute paths of secrets.

    Raises:
        ConfigError: nobody to tell, an address that is none, or one that is not allowed.
    """
    where = f"{file}: [alerts]"
    if settings.email is None and not settings.webhook:
        raise ConfigError(f"{where} tells nobody; add [alerts.email] or [[alerts.webhook]]")
    email = settings.email
    if email is not None:
        if not email.to or not all(_ADDRESS.fullmatch(one) for one in (email.sender, *email.to)):
            raise ConfigError(f"{where} email: 'sender' and each of 'to' must be an address, such as keeper@example.com")
        if email.security not in ("starttls", "tls", "none"):
            raise ConfigError(f"{where} email: security = '{email.security}'; there are starttls, tls, none")
        if email.user and (email.security == "none" or not email.password_file):
            raise ConfigError(f"{where} email: to log in takes password_file, and starttls or tls: a password never goes out in the clear")
        email = msgspec.structs.replace(email, password_file=_beside(file, email.password_file))
    for hook in settings.webhook:
        if urlsplit(hook.url).scheme not in _PORTS or not urlsplit(hook.url).hostname:
            raise ConfigError(f"{where} webhook: '{hook.url}' is no http(s) address")
    for place in (*([email.place] if email else []), *(hook.place for hook in settings.webhook)):
        if place not in settings.allow:
            raise ConfigError(f"{where} '{place}' is not in allow = {list(settings.allow)}; nothing else is ever called")
    if settings.digest_s < 0 or settings.silent_s < 1:
        raise ConfigError(f"{where} digest_s must be 0 or more, silent_s 1 or more")
    hooks = tuple(msgspec.structs.replace(hook, secret_file=_beside(file, hook.secret_file)) for hook in settings.webhook)
    return msgspec.structs.replace(settings, email=email, webhook=hooks)


def _beside(file: Path, name: str) -> str:
    return str(file.parent / name) if name else ""
