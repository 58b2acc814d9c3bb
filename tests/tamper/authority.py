"""A time-stamping authority of one's own: `openssl ts`, with a root certificate and a signer under it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from evidence.timestamp import make_request

_SETTINGS = """
[tsa]
default_tsa = t
[t]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[ext]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
basicConstraints = CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[req]
distinguished_name = dn
[dn]
"""


class Authority:
    """Stamps with the present time of this machine."""

    def __init__(self, folder: Path) -> None:
        """Makes keys and certificates in a new folder; skips the test where there is no openssl."""
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed")
        folder.mkdir()
        self.folder = folder
        (folder / "tsa.cnf").write_text(_SETTINGS)
        (folder / "serial").write_text("01\n")
        new = ("-newkey", "rsa:2048", "-nodes", "-config", "tsa.cnf")
        self._openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "30", "-extensions", "ca")
        self._openssl("req", "-new", *new, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Test TSA")
        self._openssl("x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "tsa.pem", "-days", "30",
                      "-extfile", "tsa.cnf", "-extensions", "ext")
        self.root = (folder / "ca.pem").read_text()

    def reply(self, request: bytes) -> bytes:
        """The reply to a request, both DER."""
        (self.folder / "q.tsq").write_bytes(request)
        self._openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq", "-out", "r.tsr")
        return (self.folder / "r.tsr").read_bytes()

    def stamp(self, data: bytes) -> bytes:
        """A reply over these bytes."""
        return self.reply(make_request(data)[0])

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)
