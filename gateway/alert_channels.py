"""Ways to tell people: mail by SMTP, POST to a webhook. Each knows its protocol; when to try again is `gateway.alerts`'s business."""

import hashlib
import hmac
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Protocol

import httpx
import msgspec

from gateway.alert_settings import AlertSettings, EmailSettings, WebhookSettings
from workshop.errors import ConfigError, NotConnected

TIMEOUT_S = 20.0
SIGNATURE = "X-Chejian-Signature"


class Alert(msgspec.Struct, frozen=True):
    """Something that a person should know."""

    kind: str
    """edge-silent, edge-alarm, engine, quarantine, gap, disk, or test."""
    about: str
    """The edge, or empty."""
    text: str
    """In words, Chinese and English."""
    time_us: int
    over: bool = False
    """It has come right again."""
    count: int = 1
    """How often it was said since the last message."""


class Message(msgspec.Struct, frozen=True):
    """What goes out at once; the body of a webhook's POST."""

    v: int
    origin: str
    """Name of the gateway's logs."""
    alerts: tuple[Alert, ...]
    left_out: int
    """Further alerts that did not fit."""


class Channel(Protocol):
    """One way out."""

    place: str

    def send(self, message: Message) -> None:
        """Delivers the message, or raises NotConnected with the reason."""


def open_channels(settings: AlertSettings) -> list[Channel]:
    """The ways out that the settings name.

    Raises:
        ConfigError: a file with a secret that cannot be read.
    """
    hooks: list[Channel] = [_Webhook(hook) for hook in settings.webhook]
    return [*([_Email(settings.email)] if settings.email is not None else []), *hooks]


class _Email:
    def __init__(self, settings: EmailSettings) -> None:
        self._settings, self.place = settings, settings.place
        self._password = _secret(settings.password_file)

    def send(self, message: Message) -> None:
        try:
            with self._connect() as server:
                if self._settings.user:
                    server.login(self._settings.user, self._password)
                refused = server.send_message(_mail(self._settings, message))
        except (OSError, smtplib.SMTPException) as error:
            raise NotConnected(f"mail server {self.place}: {error or type(error).__name__}") from error
        if refused:
            raise NotConnected(f"mail server {self.place}: refuses {', '.join(sorted(refused))}")

    def _connect(self) -> smtplib.SMTP:
        host, port = self._settings.host, self._settings.port
        if self._settings.security == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
        if self._settings.security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server


class _Webhook:
    def __init__(self, settings: WebhookSettings) -> None:
        self._settings, self.place = settings, settings.place
        self._secret = _secret(settings.secret_file).encode()

    def send(self, message: Message) -> None:
        data = msgspec.json.encode(message)
        headers = {"Content-Type": "application/json"}
        if self._secret:
            headers[SIGNATURE] = "sha256=" + hmac.new(self._secret, data, hashlib.sha256).hexdigest()
        try:
            # A redirect would lead past the list of allowed places. A stranger's answer is not read to its end.
            with httpx.stream("POST", self._settings.url, content=data, headers=headers, timeout=TIMEOUT_S, trust_env=False,
                              follow_redirects=False) as answer:
                status = answer.status_code
        except httpx.HTTPError as error:
            raise NotConnected(f"webhook {self.place}: {error or type(error).__name__}") from error
        if not 200 <= status < 300:
            raise NotConnected(f"webhook {self.place}: answers {status}")


def _mail(settings: EmailSettings, message: Message) -> EmailMessage:
    mail = EmailMessage()
    first = message.alerts[0]
    more = f" (+{len(message.alerts) - 1 + message.left_out})" if len(message.alerts) + message.left_out > 1 else ""
    mail["Subject"] = f"[chejian] {' '.join(f'{first.kind} {first.about}'.split())}{more}"
    mail["From"], mail["To"] = settings.sender, ", ".join(settings.to)
    mail["Date"], mail["Message-ID"] = formatdate(first.time_us / 1e6), make_msgid(domain="chejian.invalid")
    # Alerts go to people, not to a vacation program.
    mail["Auto-Submitted"] = "auto-generated"
    lines = [f"{message.origin}", ""]
    for alert in message.alerts:
        times = f" ×{alert.count}" if alert.count > 1 else ""
        state = "恢复 over" if alert.over else "告警 alert"
        lines.append(f"{formatdate(alert.time_us / 1e6)}  {state}  {alert.kind}  {alert.about}{times}\n    {alert.text}")
    if message.left_out:
        lines.append(f"… {message.left_out} 条未列出 further ones left out")
    mail.set_content("\n".join(lines) + "\n")
    return mail


def _secret(file: str) -> str:
    if not file:
        return ""
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read ({error}); gateway.toml names it in [alerts]") from error
