"""What an edge file may say about an OPC UA server."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class OpcUaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of `protocol = "opcua"`."""

    url: str
    security: str = ""
    """Must be said aloud: Basic256Sha256, Aes128_Sha256_RsaOaep or Aes256_Sha256_RsaPss, always signed and encrypted; "None" is anonymous and
    unsigned, for a machine network that nobody else reaches."""
    user: str = ""
    """Name of the user at the server, with `password_file`; nobody in particular if empty."""
    password_file: str = ""
    """File whose only line is the password."""
    user_certificate: str = ""
    """File of a certificate that stands for the user instead, with `user_key`."""
    user_key: str = ""
    """File of its private key, PEM."""
    pki: str = ""
    """Folder of certificates and trust lists; `pki` in the edge's data folder if empty."""
    server_name: str = ""
    """Name that the server's certificate carries, where that is not the host of the url."""
    server_uri: str = ""
    """ApplicationUri that the server must have; if empty, what it says of itself, which its certificate must confirm."""
    namespaces: dict[str, str] = {}
    """Short names for namespaces in browse paths: short name → URI."""
    publishing_ms: Annotated[int, Meta(ge=10, le=60_000)] = 200
    keep_alive_count: Annotated[int, Meta(ge=1, le=1000)] = 5
    """A sign of life after so many intervals without data; three missed signs are a lost connection."""
    sampling_ms: Annotated[int, Meta(ge=-1, le=3_600_000)] = 0
    """0: as fast as the server can; -1: the publishing interval."""
    queue: Annotated[int, Meta(ge=100, le=1_000_000)] = 1000
    """Samples that the server keeps for each signal between two publications."""
    lifetime_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    """How long the server keeps the subscription while we do not ask."""
    requests: Annotated[int, Meta(ge=2, le=20)] = 4
    """Publish requests under way at the same time, besides one for each further subscription."""
    trigger: Literal["timestamp", "value", "status"] = "timestamp"
    """What makes the server report: a new source time too, a new value or status, or a new status only."""
    notifications: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000
    """Values in one message at most; 0: as many as the server likes."""
    items: Annotated[int, Meta(ge=0, le=100_000)] = 0
    """Signals in one subscription at most; 0: as many as the server allows."""
    retry_s: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    """How often nodes are tried again that the server refused."""
    watch_s: Annotated[float, Meta(ge=0, le=86_400)] = 10.0
    """How often what the server has not reported lately is read, to see whether it should have been; 0: never."""
    history_s: Annotated[float, Meta(ge=0, le=604_800)] = 3600.0
    """How far back an outage is filled from the server's own history, where it keeps one; 0: never."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0
