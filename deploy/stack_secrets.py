"""The secrets of the container stack, made by chance at its first start: nothing secret stands in the repository or in an image.

Files are readable within their volume, because the programs that need them run as other users; each volume is mounted only where it is needed.
"""

import base64
import datetime
import hashlib
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

YEARS = 10
ROUNDS = 210_000
MACHINES_ACL = """# Machines publish, and nobody without a password reads them; the last line is for the health check.
topic write chejian/#
topic read $SYS/broker/uptime
"""
CLIENTS_ACL = """# The edge reads what machines say, and says nothing itself.
user edge
topic read chejian/#
"""


def make_secrets(folder: Path) -> None:
    """Writes broker/, edge/, influx/, gateway/ and grafana/; what is there stays."""
    for name in ("broker", "edge", "influx", "gateway", "grafana"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    broker = folder / "broker"
    if not (broker / "broker.crt").exists():
        _certificate(broker, "broker")
    (folder / "edge" / "broker.crt").write_bytes((broker / "broker.crt").read_bytes())
    (broker / "machines.acl").write_text(MACHINES_ACL)
    (broker / "clients.acl").write_text(CLIENTS_ACL)
    if not (broker / "passwords").exists():
        password = secrets.token_urlsafe(24)
        (folder / "edge" / "broker.password").write_text(password + "\n")
        (broker / "passwords").write_text(f"edge:{mosquitto_hash(password)}\n")
    for place in ("influx/admin.password", "influx/admin.token", "grafana/admin.password"):
        if not (folder / place).exists():
            (folder / place).write_text(secrets.token_urlsafe(32))


def mosquitto_hash(password: str) -> str:
    """A password as in mosquitto's password_file: $7$rounds$salt$PBKDF2-HMAC-SHA512."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    return f"$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _certificate(folder: Path, host: str) -> None:
    """A certificate for this host name that signs itself, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5)).not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256())
    )
    (folder / f"{host}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{host}.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
