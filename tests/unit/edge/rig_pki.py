"""Certificates of every kind, good and bad, for the tests of trust."""

from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(UTC).replace(microsecond=0)
URI, HOST = "urn:test:server", "127.0.0.1"
DAY = timedelta(days=1)


def key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key that the whole run shares, by name: making one takes a tenth of a second."""
    return _key(name, bits)


@cache
def _key(_: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def name_of(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issue(
    subject: str = "server", *, by: tuple[str, x509.Certificate] | None = None, uri: str | None = URI, hosts: tuple[str, ...] = (HOST,),
    from_: datetime = NOW - DAY, to: datetime = NOW + 400 * DAY, is_authority: bool = False, bits: int = 2048, digest: Any = None,
    purpose: Any = ExtendedKeyUsageOID.SERVER_AUTH, signs: bool = True, path_length: int | None = None, signed_with: str = "", key_name: str = "",
) -> x509.Certificate:
    """A certificate of `subject`, whose key is called so, too; signed by itself unless `by` names a key and its certificate."""
    own = key(key_name or subject, bits)
    issuer = name_of(subject) if by is None else by[1].subject
    builder = x509.CertificateBuilder(issuer, name_of(subject), own.public_key(), x509.random_serial_number(), from_, to)
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)] if uri is not None and not is_authority else []
    for host in () if is_authority else hosts:
        names.append(x509.DNSName(host) if host[-1].isalpha() else x509.IPAddress(ip_address(host)))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=path_length), critical=True)
    usage = x509.KeyUsage(
        digital_signature=signs, content_commitment=True, key_encipherment=True, data_encipherment=True, key_agreement=False,
        key_cert_sign=is_authority, crl_sign=is_authority, encipher_only=False, decipher_only=False,
    )
    builder = builder.add_extension(usage, critical=True)
    if not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.sign(key(signed_with) if signed_with else own if by is None else key(by[0]), digest or hashes.SHA256())


def revoke(by: tuple[str, x509.Certificate], *revoked: x509.Certificate, next_: datetime = NOW + 7 * DAY, key_name: str = "") -> bytes:
    """A revocation list, PEM."""
    builder = x509.CertificateRevocationListBuilder(by[1].subject, min(NOW, next_) - DAY, next_)
    for one in revoked:
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(one.serial_number, NOW).build())
    return builder.sign(key(key_name or by[0]), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def put(folder: Path, **content: bytes) -> Path:
    """Writes files by path, `trusted__ca_der=…` is `trusted/ca.der`."""
    for name, data in content.items():
        place, _, rest = name.partition("__")
        stem, _, ending = rest.rpartition("_")
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / f"{stem}.{ending}").write_bytes(data)
    return folder
