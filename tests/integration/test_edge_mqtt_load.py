"""The benchmark at a broker, small: numbered messages, none lost, none twice, with both versions and both qualities of service."""

import pytest

from benchmarks.edge_mqtt import measure
from tests.integration.mqtt_plant import MOSQUITTO

pytestmark = [pytest.mark.long, pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")]


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@pytest.mark.parametrize("qos", [0, 1])
def test_every_message_is_in_a_signed_batch(qos: int, version: str) -> None:
    assert MOSQUITTO is not None
    figures = measure(3000, 2.0, qos, version, MOSQUITTO)
    assert (figures["sent"], figures["lost"]) == (6000, 0)
    assert figures["in batches"] + (figures["dropped by broker"] if qos == 0 else 0) == 6000
