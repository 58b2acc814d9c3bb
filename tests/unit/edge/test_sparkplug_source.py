"""The Sparkplug source without a broker: whose messages are whose, and what nobody reads."""

from edge.gathering import Gathering
from edge.mqtt_arrived import Arrived
from edge.source import MappedSignal, SourceContext, open_source
from tests.unit.edge.rig import now_us
from tests.unit.edge.rig_sparkplug import MS, US, data, device_birth, field, metric, node_birth, payload
from workshop.signal import SignalKind


def test_devices_that_nobody_reads_are_shown_and_their_numbers_count() -> None:
    signals = (MappedSignal("m-1/load", "m-1", SignalKind.GAUGE, "g/n/m-1#load", "m"),)
    context = SourceContext("cell", "edge.toml: source 'cell'", "edge-1", signals, now_us)
    source = open_source("sparkplug", {"host": "127.0.0.1"}, context)
    gathering = Gathering()
    other = payload([metric("load", 10, field(13, 9.0), alias=7)], 2)
    rows = [
        ("NBIRTH/n", node_birth()), ("DBIRTH/n/m-1", device_birth()), ("DBIRTH/n/m-2", other), ("DDATA/n/m-2", data(3, 8.0, MS + 1, alias=7)),
        ("DDATA/n/m-1", data(4, 2.5, MS + 2)), ("NBIRTH/other", node_birth()), ("NDATA/n", payload([], 5)),
    ]
    for rest, body in rows:
        kind, _, who = rest.partition("/")
        source._take(Arrived(f"spBv1.0/g/{kind}/{who}", body, US, 0, 0, False, False), 100.0, gathering)  # type: ignore[attr-defined]
    deliveries = gathering.deliveries(None)
    assert [reading.value for delivery in deliveries for reading in delivery.block.readings()] == [1.5, 2.5]
    assert not [loss for delivery in deliveries for loss in delivery.losses], "nothing is missing in the node's row of numbers"
    assert source.unmatched.topics == {  # type: ignore[attr-defined]
        "spBv1.0/g/DBIRTH/n/m-2": 1, "spBv1.0/g/DDATA/n/m-2": 1, "spBv1.0/g/NBIRTH/other": 1,
    }
