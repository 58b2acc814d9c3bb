"""Sparkplug without a broker: order, births, deaths, rebirth requests, and whatever bytes may come."""

from hypothesis import given
from hypothesis import strategies as st

from edge.gathering import Gathering
from edge.sparkplug.births import MOST_METRICS
from edge.sparkplug.order import Order
from edge.sparkplug.payload import bd_seq_of, decode, rebirth_request, value_of
from tests.integration import sparkplug_host
from tests.unit.edge.rig_sparkplug import MS, US, Seen, data, death, device_birth, field, metric, node_birth, payload
from workshop.errors import Rejected
from workshop.reading import Quality


@given(st.binary(max_size=300))
def test_no_payload_breaks_the_decoder_or_the_node(body: bytes) -> None:
    try:
        for one in decode(body).metrics:
            for datatype in (*range(36), 2**32 - 1):
                try:
                    value, quality, _ = value_of(one, datatype)
                    assert (value is None) == (quality is Quality.BAD)
                except Rejected as error:
                    assert str(error)
    except Rejected as error:
        assert str(error)
    seen = Seen().born()
    for kind in ("NBIRTH", "DBIRTH", "DDATA", "NDATA", "DDEATH", "NDEATH"):
        seen.take(kind, body).wait(5)


# (kind, step of seq, fields of the load: number and value); what is emitted is known whatever becomes of it.
_VALUES = st.sampled_from([
    field(13, 2.5), field(10, 7), field(15, b"text"), field(7, 1), field(17, b""), field(13, float("nan")), b"", field(16, b"x"),
])
_STEPS = st.tuples(
    st.sampled_from(["DDATA"] * 6 + ["DBIRTH", "NBIRTH", "NDEATH", "DDEATH", "NDATA"]), st.sampled_from([1, 1, 1, 1, 2, 3, 0, -1, 40]), _VALUES,
    st.sampled_from([0.0, 0.1, 3.0]), st.sampled_from([0, 1]), st.booleans(),
)


@given(st.lists(_STEPS, max_size=25))
def test_every_row_that_a_node_sends_is_a_reading_or_in_quarantine_or_lies_in_a_gap(steps: list[tuple[str, int, bytes, float, int, bool]]) -> None:
    """And nothing is a reading that nobody sent."""
    seen, seq, emitted = Seen().born(), 1, {("m-1/load", US): (0, False, b"")}
    for number, (kind, step, value, pause, bd_seq, is_historical) in enumerate(steps, 1):
        seq = 0 if kind == "NBIRTH" else (seq + step) % 256
        ms, before = MS + number, (seen.lost.count("m-1/load"), seen.gap_is_open)
        if kind in ("DDATA", "NDATA"):
            body = payload([metric(None, None, value, alias=1, ms=ms, historical=is_historical)], seq)
        elif kind == "DBIRTH":
            body = payload([metric("load", 10, value, alias=1, ms=ms), metric("parts", 4, field(11, 7), alias=2, ms=ms)], seq)
        else:
            body = node_birth(bd_seq) if kind == "NBIRTH" else death(bd_seq) if kind == "NDEATH" else payload([], seq)
        seen.take(kind, body)
        if kind in ("DDATA", "DBIRTH"):
            emitted["m-1/load", ms * 1000] = *before, body
        seen.wait(pause)
    seen.wait(60)
    stored = {(one.signal, one.source_time_us): one for one in seen.readings if one.signal == "m-1/load"}
    assert set(stored) <= set(emitted)
    assert all(one.value in (None, 2.5, 7.0, 1.5) for one in stored.values())
    for key, (losses, gap_is_open, body) in emitted.items():
        assert key in stored or body in seen.refused or gap_is_open or seen.lost.count("m-1/load") > losses, key


def test_what_waits_for_its_turn_when_the_node_dies_is_kept_and_the_hole_before_it_declared() -> None:
    seen = Seen().born().take("DDATA", data(3, 3.0, MS + 20)).take("NDEATH", death(0))
    assert seen.loads() == [1.5, 3.0] and seen.losses[0] == "Sparkplug messages lost" and seen.losses[-1] == "edge node g/n died"


def test_two_messages_of_one_number_are_not_one() -> None:
    seen = Seen().born().take("DDATA", data(3, 3.0, MS + 20)).take("DDATA", data(3, 4.0, MS + 30)).take("DDATA", data(3, 3.0, MS + 20))
    assert seen.refusals == ["g/n: DDATA: another message has the same seq 3"]


def test_a_death_of_another_connection_asks_how_things_are_and_one_without_number_is_refused() -> None:
    seen = Seen().born().take("NDEATH", death(3)).wait(1)
    assert seen.asked == 1 and not seen.losses and not seen.node.stale, "34: wrong bdSeq"
    seen = Seen().born().take("NDEATH", payload([], None)).wait(1)
    assert seen.refusals == ["g/n: NDEATH without bdSeq"] and seen.asked == 1 and seen.losses


def test_a_node_cannot_define_without_bound() -> None:
    seen = Seen().born()
    many = payload([metric(f"x{number}", 10, field(13, 1.0)) for number in range(MOST_METRICS // 2)], None)
    for number in range(3):
        gathering = Gathering()
        faults = seen.node.births.define(f"d{number}", decode(many))
        assert not gathering.deliveries(None) and bool(faults) == (number >= 1)
    assert len(seen.node.births._names) == MOST_METRICS and "more than 50000 metrics" in faults[0] and len(faults) == 1
    seen.take("DBIRTH", device_birth(2, 8.0, MS + 9)).wait(2)
    assert seen.loads() == [1.5, 8.0], "the register's own signals are always known"


@given(st.integers(0, 600), st.permutations(range(6)))
def test_order_is_restored_over_the_wrap_around(start: int, places: list[int]) -> None:
    order: Order[int] = Order()
    order.begin()
    for number in range(1, start + 1):
        assert order.take(number % 256, number) == [number]
    got = [one for place in places for one in order.take((start + 1 + place) % 256, start + 1 + place)]
    assert got == list(range(start + 1, start + 7)) and not order.waits


def test_a_message_that_comes_in_time_stops_the_clock_and_one_that_does_not_asks_for_a_rebirth() -> None:
    seen = Seen().born().take("DDATA", data(3, 3.0, MS + 20)).wait(1.5).take("DDATA", data(2, 2.0, MS + 10)).wait(30)
    assert seen.loads() == [1.5, 2.0, 3.0] and not seen.asked and not seen.losses
    seen.take("DDATA", data(5, 5.0, MS + 50)).wait(1.9)
    assert not seen.asked and seen.loads()[-1] == 3.0
    seen.wait(0.2)
    assert seen.asked == 1 and seen.losses[0] == "Sparkplug messages lost" and seen.loads()[-1] == 5.0
    # Its rebirth says everything again; what is new of it counts.
    seen.take("NBIRTH", node_birth()).take("DBIRTH", device_birth(load=6.0, ms=MS + 60)).wait(2).take("DDATA", data(2, 7.0, MS + 70)).wait(30)
    assert seen.loads() == [1.5, 2.0, 3.0, 5.0, 6.0, 7.0] and seen.asked == 1


def test_data_before_a_birth_asks_for_it_but_not_too_often() -> None:
    seen = Seen().wait(0.2)
    for _ in range(50):
        seen.take("DDATA", data(9, 1.0, MS)).wait(0.1)
    assert seen.asked == 1 and not seen.readings
    seen.wait(10)
    seen.born()
    seen.take("DDATA", data(2, 2.0, MS + 1, alias=99)).wait(20)
    assert seen.asked == 3 and "alias 99 was in no birth" in seen.losses[-1]


def test_a_repeated_birth_is_not_a_second_reading_unless_something_may_be_lost() -> None:
    seen = Seen().born().take("NBIRTH", node_birth()).take("DBIRTH", device_birth()).wait(2)
    assert seen.loads() == [1.5] and not seen.losses
    seen.take("NBIRTH", node_birth(1)).take("DBIRTH", device_birth()).wait(2)
    assert seen.loads() == [1.5, 1.5] and seen.losses == ["edge node g/n connected again"], "the recorder drops it, and knows that nothing was lost"


def test_deaths() -> None:
    seen = Seen().born().take("NDEATH", death(3))
    assert seen.links == [True] and not seen.node.stale, "the Will of another connection"
    seen.take("DDEATH", payload([], 2))
    assert seen.links == [True, False] and seen.node.stale["m-1/load"] == "stale: device m-1 died"
    seen.take("DBIRTH", device_birth(3, 2.5, MS + 5)).wait(1)
    assert seen.links == [True, False, True] and not seen.node.stale
    seen.take("NDEATH", death(0))
    assert seen.links[-1] is False and set(seen.node.stale) == {"m-1/load", "m-1/parts"}
    assert seen.losses == ["device m-1 died", "edge node g/n died"]


def test_what_was_kept_comes_before_the_values_of_the_birth() -> None:
    seen = Seen().born().take("NDEATH", death(0)).take("NBIRTH", node_birth(1)).take("DBIRTH", device_birth(1, 9.0, MS + 900))
    for number in range(2, 6):
        seen.take("DDATA", data(number, float(number), MS + 100 * number, historical=True))
    seen.take("DDATA", data(6, 10.0, MS + 1000))
    assert seen.loads() == [1.5, 2.0, 3.0, 4.0, 5.0, 9.0, 10.0]
    assert [reading.status for reading in seen.readings if reading.signal == "m-1/load"] == ["", *["Historical"] * 4, "", ""]


def test_births_with_faults() -> None:
    seen = Seen().take("NBIRTH", payload([], 0))
    assert "NBIRTH without bdSeq" in seen.refusals[0] and not seen.node.is_alive
    faulty = payload([metric("load", 16, field(17, b""), alias=1), metric(None, 10, b"", alias=4)], 1)
    seen.take("NBIRTH", node_birth()).take("DBIRTH", faulty).wait(2)
    assert seen.node.births.problems["m-1/load"].startswith("a DataSet") and "has no metric 'parts'" in seen.node.births.problems["m-1/parts"]
    seen.take("DBIRTH", payload([metric("other", 10, field(13, 1.0), alias=1)], 2), "m-2")
    assert "alias 1 of 'other' belongs to 'load' already" in seen.refusals[-1]


def test_the_request_is_what_the_checklist_wants() -> None:
    said = sparkplug_host.decode(rebirth_request(US))
    assert said == {"timestamp": MS, "metrics": [
        {"name": "Node Control/Rebirth", "timestamp": MS, "datatype": 11, "field": "boolean", "value": True},
    ]}
    assert bd_seq_of(decode(node_birth(255))) == 255 and bd_seq_of(decode(b"")) is None
