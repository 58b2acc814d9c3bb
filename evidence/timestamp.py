"""Time stamps of a third party (RFC 3161): that some bytes existed before a time, said under a certificate that the verifier already trusts. Pure."""

from collections.abc import Sequence

import rfc3161_client
from cryptography import x509

from workshop.errors import ConfigError, Rejected

QUERY_TYPE, REPLY_TYPE = "application/timestamp-query", "application/timestamp-reply"


def read_roots(pem: bytes, file: str) -> list[x509.Certificate]:
    """The root certificates in a PEM file.

    Raises:
        ConfigError: there are none.
    """
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigError(f"{file}: no certificate in PEM form ({error}); give the root certificate of the time-stamping authority") from error


def make_request(data: bytes) -> tuple[bytes, int]:
    """A DER request for a stamp over the SHA-256 of the data that asks for the authority's certificate, and its nonce."""
    builder = rfc3161_client.TimestampRequestBuilder().data(data).hash_algorithm(rfc3161_client.HashAlgorithm.SHA256)
    request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
    return bytes(request.as_bytes()), int(request.nonce or 0)


def check_response(response: bytes, data: bytes, roots: Sequence[x509.Certificate], nonce: int | None = None) -> int:
    """The time of a stamp over the data, µs UTC.

    A reply that carries the authority's whole chain (`openssl ts -reply -chain`) is refused by the library below: it must hold the signer's
    certificate alone, or with intermediates that lead to one of the roots.

    Args:
        nonce: of the request, when this is its answer.
    Raises:
        Rejected: not a reply, refused by the authority, over other bytes, or not signed under one of the roots for time stamping.
    """
    try:
        reply = rfc3161_client.decode_timestamp_response(response)
    except ValueError as error:
        raise Rejected(f"time stamp: not a reply of RFC 3161 ({error})") from error
    if reply.status != rfc3161_client.PKIStatus.GRANTED.value:
        raise Rejected(f"time stamp: the authority refused ({', '.join(reply.status_string) or f'status {reply.status}'})")
    try:
        rfc3161_client.VerifierBuilder(roots=list(roots), nonce=nonce).build().verify_message(reply, data)
    except (rfc3161_client.VerificationError, ValueError) as error:
        raise Rejected(f"time stamp: {error}") from error
    return int(reply.tst_info.gen_time.timestamp() * 1_000_000)
