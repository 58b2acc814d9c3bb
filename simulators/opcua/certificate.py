"""The certificate of a simulated server: it names the application, this computer, and the address at which clients reach the server."""

import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAYS = 365


def server_certificate(pki: Path, uri: str, host: str) -> bytes:
    """The DER certificate of a server, made with its key if either is missing; what an operator puts there is taken as it is.

    Args:
        host: host of the server's url, a name or an IP address.
    """
    pki.mkdir(parents=True, exist_ok=True)
    key_file, file = pki / "server.key.pem", pki / "server.cert.der"
    if not (key_file.exists() and file.exists()):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        key_file.touch(mode=0o600)
        key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        file.write_bytes(_signed(key, uri, host).public_bytes(serialization.Encoding.DER))
    return file.read_bytes()


def _signed(key: rsa.RSAPrivateKey, uri: str, host: str) -> x509.Certificate:
    """OPC 10000-6, 6.2.2; it vouches for itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, uri), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "chejian simulators")])
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri), x509.DNSName(socket.gethostname())]
    try:
        names.append(x509.IPAddress(ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=_DAYS))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True, key_agreement=False, key_cert_sign=False,
        crl_sign=False, encipher_only=False, decipher_only=False,
    )
    builder = builder.add_extension(usage, critical=True)
    return builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False).sign(key, hashes.SHA256())
