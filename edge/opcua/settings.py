"""What an edge file may say about an OPC UA server."""

from typing import Annotated

import msgspec
from msgspec import Meta


class OpcUaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of `protocol = "opcua"`."""

    url: str
    security: str = ""
    """Must be said aloud: "None" is anonymous and unsigned, for a machine network that nobody else reaches."""
    publishing_ms: Annotated[int, Meta(ge=10, le=60_000)] = 200
    keep_alive_count: Annotated[int, Meta(ge=1, le=1000)] = 5
    """A sign of life after so many intervals without data; three missed signs are a lost connection."""
    sampling_ms: Annotated[int, Meta(ge=-1, le=3_600_000)] = 0
    """0: as fast as the server can; -1: the publishing interval."""
    queue: Annotated[int, Meta(ge=100, le=1_000_000)] = 1000
    """Samples that the server keeps for each signal between two publications."""
    lifetime_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    """How long the server keeps the subscription while we do not ask."""
    requests: Annotated[int, Meta(ge=2, le=20)] = 3
    """Publish requests under way at the same time."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0
