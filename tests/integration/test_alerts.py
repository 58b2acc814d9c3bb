"""Alerts against a real SMTP server and a real HTTP server: digests, retries, signatures, the test button; and what a gateway finds worth telling."""

import datetime
import email
import hashlib
import hmac
import ipaddress
import queue
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.alert_channels import SIGNATURE, Alert, Message, open_channels
from gateway.alert_settings import AlertSettings, EmailSettings, WebhookSettings
from gateway.alerts import MOST, RECENT, Alerts
from gateway.monitoring import Monitoring
from gateway.settings import parse_gateway
from tests.unit.gateway.plant import PATIENCE_S, START_US, Sender, admin_of, bearer, free_port, gateway_in_thread, ramp, until
from workshop.errors import ConfigError, NotConnected

ALERT = Alert("engine", "", "时序库不接收数据。no rows", START_US)


class Mailbox:
    """An SMTP server's handler; `refusals` are said first."""

    def __init__(self) -> None:
        self.mails = queue.Queue[EmailMessage]()
        self.refusals: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refusals:
            return self.refusals.pop(0)
        self.mails.put(email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default))  # type: ignore[arg-type]
        return "250 kept"


@contextmanager
def mail_server(**more: Any) -> Iterator[tuple[Mailbox, int]]:
    box, port = Mailbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, **more)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


class Hooks:
    """An HTTP server that keeps what is posted; `answers` are given first, then 204."""

    def __init__(self) -> None:
        self.posts = queue.Queue[tuple[str, dict[str, str], bytes]]()
        self.answers: list[int] = []
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hooks.posts.put((self.path, dict(self.headers.items()), body))
                self.send_response(hooks.answers.pop(0) if hooks.answers else 204)
                self.send_header("location", "/elsewhere")
                self.end_headers()

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    made = Hooks()
    yield made
    made.close()


def mail_settings(port: int, **more: Any) -> AlertSettings:
    settings = EmailSettings("127.0.0.1", "gw@example.com", ("keeper@example.com", "second@example.com"), port, **{"security": "none", **more})
    return AlertSettings((settings.place,), settings, digest_s=0.05)


@contextmanager
def alerts_of(settings: AlertSettings, monitoring: Monitoring) -> Iterator[Alerts]:
    alerts = Alerts(open_channels(settings), "chejian.local/test", lambda: START_US, monitoring, settings.digest_s, first_retry_s=0.01)
    yield alerts
    alerts.close()


def test_what_comes_together_goes_out_as_one_mail_in_two_languages() -> None:
    with mail_server() as (box, port), alerts_of(mail_settings(port), Monitoring()) as alerts:
        for _ in range(3):
            alerts.say("quarantine", "", "行被隔离。rows were quarantined")
        alerts.say("edge-silent", "edge-1", "采集端无数据。nothing accepted")
        mail = box.mails.get(timeout=PATIENCE_S)
    assert mail["subject"] == "[chejian] quarantine (+1)" and mail["to"] == "keeper@example.com, second@example.com"
    text = mail.get_content()
    assert "×3" in text and "采集端无数据" in text and "chejian.local/test" in text and mail["auto-submitted"] == "auto-generated"
    assert [alert.kind for alert in alerts.recent()] == ["quarantine"] * 3 + ["edge-silent"]


def test_a_mail_server_that_says_later_is_asked_again_and_gets_it_once() -> None:
    monitoring = Monitoring()
    with mail_server() as (box, port), alerts_of(mail_settings(port), monitoring) as alerts:
        box.refusals = ["451 later"] * 3
        alerts.say("engine", "", "x")
        until(lambda: len(box.refusals) < 3, "first refusal")
        alerts.say("engine", "", "x", over=True)
        text = box.mails.get(timeout=PATIENCE_S).get_content()
        assert "alert  engine" in text.replace("告警 ", "") and "over" in text and box.mails.empty()
        until(lambda: monitoring.registry.get_sample_value("chejian_alerts_total", {"outcome": "sent"}) == 2, "counted")
    assert monitoring.registry.get_sample_value("chejian_alerts_total", {"outcome": "failed"}) == 3


def test_nothing_grows_while_the_server_is_away_and_what_is_left_out_is_said(hooks: Hooks) -> None:
    settings = AlertSettings((hooks.place,), webhook=(WebhookSettings(f"http://{hooks.place}/x"),), digest_s=0.0)
    hooks.answers = [503] * 5
    with alerts_of(settings, Monitoring()) as alerts:
        alerts.say("test", "first", "x")
        until(lambda: len(hooks.answers) < 5, "a first attempt")
        for number in range(MOST + 50):
            alerts.say("test", str(number), "x")
        seen = []
        while sum(len(message.alerts) + message.left_out for message in seen if message) < MOST + 51:
            path, _, body = hooks.posts.get(timeout=PATIENCE_S)
            # Answers stand in the order of posts: the first five were refused.
            seen.append(msgspec.json.decode(body, type=Message) if hooks.posts is not None and path == "/x" else None)
            if len(seen) <= 5:
                seen[-1] = None
    assert all(message is None or len(message.alerts) <= MOST for message in seen) and any(message and message.left_out for message in seen)


def test_a_webhook_is_signed_and_redirects_lead_nowhere(hooks: Hooks, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("shared\n")
    settings = AlertSettings((hooks.place,), webhook=(WebhookSettings(f"http://{hooks.place}/hook", str(tmp_path / "secret")),))
    channel, = open_channels(settings)
    hooks.answers = [302, 500]
    for status in (302, 500):
        with pytest.raises(NotConnected, match=f"answers {status}"):
            channel.send(Message(1, "o", (ALERT,), 0))
    channel.send(Message(1, "o", (ALERT,), 0))
    posts = [hooks.posts.get_nowait() for _ in range(3)]
    assert [path for path, _, _ in posts] == ["/hook"] * 3 and hooks.posts.empty(), "nothing went to the redirect's target"
    _, headers, body = posts[-1]
    assert headers[SIGNATURE] == "sha256=" + hmac.new(b"shared", body, hashlib.sha256).hexdigest()
    assert msgspec.json.decode(body, type=Message) == Message(1, "o", (ALERT,), 0)


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    start = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1).not_valid_before(
        start - datetime.timedelta(hours=1)).not_valid_after(start + datetime.timedelta(days=1)).add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False).add_extension(
        x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return folder / "cert.pem"


def test_a_password_goes_only_to_a_server_whose_certificate_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = certificate(tmp_path)
    (tmp_path / "password").write_text("pass word\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, tmp_path / "key.pem")
    logins: list[tuple[bytes, bytes]] = []

    def login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword) -> AuthResult:
        logins.append((given.login, given.password))
        return AuthResult(success=given.password == b"pass word")

    with mail_server(tls_context=context, authenticator=login, auth_required=True) as (box, port):
        channel, = open_channels(mail_settings(port, security="starttls", user="gw", password_file=str(tmp_path / "password")))
        with pytest.raises(NotConnected, match="CERTIFICATE_VERIFY_FAILED"):
            channel.send(Message(1, "o", (ALERT,), 0))
        assert logins == []
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        channel.send(Message(1, "o", (ALERT,), 0))
        assert logins == [(b"gw", b"pass word")] and box.mails.get_nowait()["subject"] == "[chejian] engine"


def test_a_gateway_tells_of_a_silent_edge_an_alarm_and_the_test_button(hooks: Hooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.alert_watch.LOOK_S", 0.05)
    with mail_server() as (box, port):
        table = (f'{{ allow = ["127.0.0.1:{port}", "{hooks.place}"], digest_s = 0, silent_s = 1, webhook = [{{ url = "http://{hooks.place}/" }}], '
                 f'email = {{ host = "127.0.0.1", port = {port}, security = "none", sender = "gw@example.com", to = ["keeper@example.com"] }} }}')
        with gateway_in_thread(tmp_path, alerts=table) as url, httpx.Client(base_url=url, headers=bearer(admin_of(tmp_path))) as client:
            edge = Sender()
            edge.enrol(client, admin_of(tmp_path))
            assert edge.post(client, edge.seal(ramp("m-1/gauge", 0, 10))).status_code == 200
            clone = Sender(key=edge.key)
            clone.token = edge.token
            assert clone.post(client, clone.seal(ramp("m-1/gauge", 5, 10))).status_code == 409
            until(lambda: {"edge-alarm", "edge-silent"} <= {row["kind"] for row in client.get("/v1/alerts").json()}, "told")
            said: set[tuple[str, str, bool]] = set()
            while len(said) < 2:
                message = msgspec.json.decode(hooks.posts.get(timeout=PATIENCE_S)[2], type=Message)
                said |= {(alert.kind, alert.about, alert.over) for alert in message.alerts}
            assert said == {("edge-alarm", "edge-1", False), ("edge-silent", "edge-1", False)}
            assert edge.post(client, edge.seal(ramp("m-1/gauge", 20, 10))).status_code == 200
            over = until(lambda: [row for row in client.get("/v1/alerts").json() if row["over"]], "heard again")
            assert over[0]["about"] == "edge-1"
            outcome = client.post("/v1/alerts/test").json()["outcome"]
            assert outcome == {f"127.0.0.1:{port}": "sent", hooks.place: "sent"}
            text = ""
            while not all(word in text for word in ("edge-alarm", "恢复", "test")):
                text += box.mails.get(timeout=PATIENCE_S).get_content()
            hooks.close()
            assert "webhook" in client.post("/v1/alerts/test").json()["outcome"][hooks.place]


@pytest.mark.parametrize(("table", "words"), [
    ("allow = []", "tells nobody"),
    ('allow = []\n[[alerts.webhook]]\nurl = "http://10.0.0.1/x"', "is not in allow"),
    ('allow = ["a:80"]\n[[alerts.webhook]]\nurl = "ftp://a/x"', "no http"),
    ('allow = ["a:80"]\n[[alerts.webhook]]\nurl = "http://a@b/x"', "'b:80' is not in allow"),
    ('allow = ["m:25"]\n[alerts.email]\nhost = "m"\nport = 25\nsender = "x"\nto = ["a@b"]', "must be an address"),
    ('allow = ["m:25"]\n[alerts.email]\nhost = "m"\nport = 25\nsender = "x@y\\nBcc: z@z"\nto = ["a@b"]', "must be an address"),
    ('allow = ["m:25"]\n[alerts.email]\nhost = "m"\nport = 25\nsecurity = "no"\nsender = "x@y"\nto = ["a@b"]', "there are starttls"),
    ('allow = ["m:25"]\n[alerts.email]\nhost = "m"\nport = 25\nsecurity = "none"\nuser = "u"\nsender = "x@y"\nto = ["a@b"]', "in the clear"),
])
def test_settings_that_cannot_be_are_refused_in_words(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_gateway(f'register = "w.toml"\n[alerts]\n{table}\n', tmp_path / "gateway.toml")


def test_an_uplink_gets_every_alert_once_whatever_the_clock_says() -> None:
    times = iter([5, 5, 3, 9, *range(1000, 2000)])
    alerts = Alerts([], "chejian.local/test", lambda: next(times), Monitoring(), 0.05)
    alerts.say("gap", "", "a")
    seen, first = alerts.since(0)
    # Of the same microsecond, and before it: a clock that was set back.
    alerts.say("gap", "", "b")
    alerts.say("gap", "", "c")
    seen, second = alerts.since(seen)
    assert [[alert.text for alert in found] for found in (first, second)] == [["a"], ["b", "c"]] and alerts.since(seen) == (3, [])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: alerts.say("gap", "", str(number)), range(RECENT - 3)))
    seen, third = alerts.since(seen)
    assert seen == RECENT and sorted(int(alert.text) for alert in third) == list(range(RECENT - 3))
    for number in range(RECENT + 50):
        alerts.say("gap", "", str(number))
    # As many as are kept, the newest.
    assert [int(alert.text) for alert in alerts.since(seen)[1]] == list(range(50, RECENT + 50))
