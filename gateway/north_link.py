"""What both forms of the uplink are made of: the platform as the rounds see it, and an MQTT client as the settings want it."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway.alert_channels import Alert
from gateway.north_settings import NorthSettings
from workshop.errors import ConfigError
from workshop.reading import Quality
from workshop.window import Clock, Window
from workshop.wire import LatestReading


class Told(msgspec.Struct, frozen=True):
    """Whom a platform tells what: functions that any thread may call."""

    came: Callable[[], None]
    """The platform is there (again): everything is news to it."""
    acknowledged: Callable[[str], None]
    """It has confirmed values of this machine."""
    wake: Callable[[], None]
    """Something is to be sent before the next round is due."""
    clock: Clock


class Platform(Protocol):
    """The platform above, over one connection that comes and goes. The rounds call it from one thread."""

    @property
    def connected(self) -> bool:
        """Whether something can be sent now."""

    def start(self) -> None:
        """Begins to connect; a platform that is away is tried again and again."""

    def send_latest(self, machines: Mapping[str, Sequence[LatestReading]]) -> bool:
        """Sends what has changed, by machine, which may be nothing; whether alarms and indicators may follow."""

    def send_alarm(self, alarm: Alert) -> None:
        """Sends one alarm."""

    def send_indicator(self, name: str, window: Window, result: bytes) -> None:
        """Sends an indicator's result (JSON)."""

    def close(self) -> None:
        """Says that we go, and disconnects."""


def open_client(settings: NorthSettings, client_id: str) -> mqtt.Client:
    """A client that does not connect yet, MQTT 3.1.1 with a clean session, and tries again for ever.

    Raises:
        ConfigError: certificates or password cannot be read.
    """
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
    client.reconnect_delay_set(1, 60)
    if settings.tls:
        try:
            client.tls_set_context(ssl.create_default_context(cafile=settings.ca_file or None))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{settings.ca_file}: no certificates there ({error}); it is ca_file of [northbound]") from error
    if settings.user:
        client.username_pw_set(settings.user, _password(settings.password_file))
    return client


def is_heard(readings: Sequence[LatestReading]) -> bool:
    """Whether these count as values of a connected machine: bad readings alone (the link to it is down) do not."""
    return any(one.quality != Quality.BAD for one in readings if not one.signal.endswith("/link_state"))


def _password(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read ({error}); it is password_file of [northbound]") from error
