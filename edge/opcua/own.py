"""This edge's own certificate for OPC UA: made at enrolment, renewed by a person or by the plant's authority, read anew for each connection."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.opcua.certificates import SOON, utc
from edge.opcua.trust import OWN
from workshop.errors import ConfigError
from workshop.window import Clock

CERTIFICATE, KEY, REQUEST = "certificate.der", "key.pem", "request.pem"
_BITS, _DAYS = 2048, 730


class Own(msgspec.Struct, frozen=True):
    """Certificate and key of this edge."""

    certificate: x509.Certificate
    key: Any
    uri: str
    """ApplicationUri: what we call ourselves, as it stands in the certificate."""

    def warnings(self, now: datetime) -> list[str]:
        """What a person has to do soon."""
        end = self.certificate.not_valid_after_utc
        if end < now:
            return [f"this edge's own certificate expired on {end:%Y-%m-%d}: servers may refuse it; run: chejian edge certificate FILE --renew"]
        if end - now < SOON:
            return [f"this edge's own certificate expires on {end:%Y-%m-%d}; run: chejian edge certificate FILE --renew"]
        return []


def load_own(folder: Path) -> Own:
    """The certificate and key in `own` of this folder.

    Raises:
        ConfigError: there is none, or the two do not belong together.
    """
    place = folder / OWN
    try:
        certificate = x509.load_der_x509_certificate((place / CERTIFICATE).read_bytes())
        key = serialization.load_pem_private_key((place / KEY).read_bytes(), None)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except OSError as error:
        raise ConfigError(f"{place}: this edge has no certificate ({error.strerror}); run: chejian edge certificate FILE") from error
    except (ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise ConfigError(f"{place}: certificate or key cannot be used ({error}); move them away and run: chejian edge certificate FILE") from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1 or not isinstance(key, rsa.RSAPrivateKey) or certificate.public_key() != key.public_key():
        raise ConfigError(f"{place}: {CERTIFICATE} must hold one application URI and belong to {KEY}; make both anew: chejian edge certificate FILE")
    return Own(certificate, key, str(uris[0]))


def make_own(folder: Path, edge: str, host: str, clock: Clock) -> Own:
    """Makes a new key and a certificate that vouches for itself; what was there before is kept beside it, with the time in its name.

    Args:
        host: name of this computer, for the certificate.
        clock: now; the certificate is valid from a day before, because clocks of machines are slow, for two years.
    Raises:
        ConfigError: the folder cannot be written to.
    """
    place = folder / OWN
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    name = _subject(edge)
    now = utc(clock())
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    for extension in _extensions(edge, host):
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.KeyUsage))
    certificate = builder.sign(key, hashes.SHA256())
    try:
        place.mkdir(parents=True, exist_ok=True)
        for file in (CERTIFICATE, KEY):
            if (place / file).exists():
                (place / file).replace(folder / f"{Path(file).stem}-until-{now:%Y%m%dT%H%M%S}{Path(file).suffix}")
        _write(place / KEY, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        _write(place / CERTIFICATE, certificate.public_bytes(serialization.Encoding.DER))
    except OSError as error:
        raise ConfigError(f"{place}: cannot be written to ({error.strerror})") from error
    return load_own(folder)


def request_of(folder: Path, edge: str, host: str) -> Path:
    """Writes a request that the plant's authority can sign; what it answers replaces certificate.der, and no restart is needed.

    Raises:
        ConfigError: there is no key yet, or the folder cannot be written to.
    """
    own = load_own(folder)
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(edge))
    for extension in _extensions(edge, host):
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.KeyUsage))
    file = folder / OWN / REQUEST
    try:
        _write(file, builder.sign(own.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error.strerror})") from error
    return file


def _subject(edge: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"chejian {edge}"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "chejian")])


def _extensions(edge: str, host: str) -> list[x509.ExtensionType]:
    """What OPC 10000-6, 6.2.2 wants in the certificate of a client."""
    return [
        x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:chejian:edge:{edge}"), x509.DNSName(host)]),
        x509.KeyUsage(
            digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True, key_agreement=False, key_cert_sign=False,
            crl_sign=False, encipher_only=False, decipher_only=False,
        ),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
    ]


def _write(path: Path, data: bytes) -> None:
    """Replaces the file whole; readable by its owner only."""
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    draft.replace(path)
