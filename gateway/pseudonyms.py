"""Names of people stay in the gateway: logs, bundles and pages know a pseudonym, which only this gateway's key makes out of the name."""

import hmac
import os
import re
import secrets
from pathlib import Path

from workshop.errors import ConfigError

FILE = "pseudonyms.key"
FORM = re.compile(r"p-[0-9a-f]{20}")
OWN_SUBJECTS = ("first start", "set-up link")
"""Of tokens that the gateway makes by itself: no names."""
_BYTES = 32
_DOMAIN = b"chejian pseudonym 1\0"


class Pseudonyms:
    """Name → pseudonym: "p-" and the first 80 bits of HMAC-SHA-256 (RFC 2104), in hexadecimal. Nobody without the key can try names out."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, name: str) -> str:
        """The same for the same name as long as the gateway has this key, in every role."""
        if name in OWN_SUBJECTS:
            return name
        return "p-" + hmac.digest(self._key, _DOMAIN + name.encode("utf-8", "surrogatepass"), "sha256")[:10].hex()


def open_pseudonyms(folder: Path) -> Pseudonyms:
    """With the key of this data folder, which the first start makes, readable by its owner only.

    Raises:
        ConfigError: the file cannot be read or written, or is no key.
    """
    file = folder / FILE
    mend = "restore it from the backup, or move it away: then old pseudonyms stay unresolved"
    try:
        if not file.exists():
            scratch = file.with_name(FILE + ".new")
            scratch.unlink(missing_ok=True)
            with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(secrets.token_hex(_BYTES) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            scratch.replace(file)
        key = bytes.fromhex(file.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: cannot be used ({error}); {mend}") from error
    if len(key) != _BYTES:
        raise ConfigError(f"{file}: is no key of {_BYTES} bytes; {mend}")
    return Pseudonyms(key)
