"""[northbound] of gateway.toml: the platform above, and what it gets."""

from enum import StrEnum
from pathlib import Path

import msgspec

from workshop.batch import Provenance
from workshop.errors import ConfigError

ROLE = "platform_link_state"
"""A signal of this role of an equipment becomes 1 while the platform has its values, and 0 when it has not."""


class Form(StrEnum):
    """How the platform wants it."""

    JSON = "json"
    SPARKPLUG = "sparkplug"
    """Sparkplug B 3.0: the gateway is an edge node, the machines are its devices."""


class NorthSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An MQTT broker that gets latest values, indicators and alarms."""

    host: str
    """The broker."""
    port: int = 8883
    """TCP port: usually 8883 with TLS, 1883 without."""
    tls: bool = True
    """Encrypt; without it no password is sent."""
    ca_file: str = ""
    """Certificates to trust, PEM, relative to gateway.toml; the system's when empty."""
    user: str = ""
    """To log in with; nobody when empty."""
    password_file: str = ""
    """File with the password, relative to gateway.toml."""
    form: Form = Form.JSON
    """json or sparkplug."""
    group: str = ""
    """Sparkplug: the group id; the workshop's id when empty."""
    node: str = "chejian"
    """Sparkplug: the edge node id, unique within its group."""
    primary_host: str = ""
    """Sparkplug: id of the host application that must be online before anything is sent; none when empty."""
    topic: str = "chejian"
    """JSON: begin of all topics: <topic>/<workshop>/state, …/<equipment>/latest, …/indicators/<id>, …/alarms."""
    every_s: float = 5.0
    """How often the values that have changed go out."""
    indicators: tuple[str, ...] = ()
    """Indicators to send; none when empty."""
    indicators_every_s: float = 300.0
    """How often they go out, over the last `indicators_hours`."""
    indicators_hours: float = 8.0
    """Length of their window."""
    edge: str = "northbound"
    """Id of the edge that the gateway is for what it measures here."""
    provenance: Provenance = Provenance.PLANT
    """Of that edge: simulated where the machines are."""

    @property
    def gap_us(self) -> int:
        """Two acknowledgements further apart than this leave a hole in the connected time."""
        return round(2.5 * self.every_s * 1e6)


def check_northbound(settings: NorthSettings, file: Path) -> NorthSettings:
    """The settings with absolute paths.

    Raises:
        ConfigError: what cannot be, in words.
    """
    where = f"{file}: [northbound]"
    if settings.user and not (settings.tls and settings.password_file):
        raise ConfigError(f"{where} to log in takes password_file and tls: a password never goes out in the clear")
    if not settings.topic or any(letter in settings.topic for letter in "+#\0") or settings.topic.startswith(("/", "$")):
        raise ConfigError(f"{where} topic = '{settings.topic}' must begin with a word and hold neither + nor #")
    for key in ("group", "node", "primary_host"):
        given = getattr(settings, key)
        if any(letter in given for letter in "+/#\0") or len(given.encode()) > 200 or (key == "node" and not given):
            raise ConfigError(f"{where} {key} = '{given:.80}' must be a Sparkplug id: a short name without + / #")
    if settings.form is Form.JSON and (settings.group or settings.primary_host):
        raise ConfigError(f"{where} group and primary_host are Sparkplug's: form = \"sparkplug\"")
    if not 0.1 <= settings.every_s <= 3600 or settings.indicators_every_s < 1 or not 0 < settings.indicators_hours <= 24 * 31:
        raise ConfigError(f"{where} every_s must be 0.1 to 3600, indicators_every_s 1 or more, indicators_hours up to 744")
    if settings.provenance not in (Provenance.PLANT, Provenance.SIMULATED):
        raise ConfigError(f"{where} provenance must be plant or simulated")
    paths = {name: str(file.parent / given) for name in ("ca_file", "password_file") if (given := getattr(settings, name))}
    return msgspec.structs.replace(settings, **paths)
