"""Payloads of the gateway's Sparkplug node, read by the edge's decoder, which shares no code with it."""

import math
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given

from edge.sparkplug.payload import bd_seq_of, decode, rebirth_request, value_of
from gateway.sparkplug.devices import device_of
from gateway.sparkplug.metrics import Metric, asks_for_rebirth, birth, data, device_death, metric_of, node_death
from gateway.sparkplug.numbers import BdSeq
from tests.unit.gateway.plant import workshop
from workshop.reading import Quality, Value
from workshop.signal import Signal, SignalKind
from workshop.wire import LatestReading

WORDS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)
VALUES = st.one_of(st.none(), st.integers(-(2**70), 2**70), st.floats(), WORDS, st.just(2**63), st.just(-(2**63)))


@given(VALUES, st.sampled_from(SignalKind), st.sampled_from(Quality), st.integers(1, 2**52))
def test_a_value_arrives_exactly_or_as_bad(value: Value, kind: SignalKind, quality: Quality, time_us: int) -> None:
    metric = metric_of(Signal("s", "r", kind, "W"), 7)
    metric.value, metric.quality, metric.time_us = value, quality, time_us
    for payload in (decode(birth(time_us, 255, [metric])), decode(data(time_us, 255, [metric]))):
        (one,) = payload.metrics
        assert (one.alias, one.time_us, payload.seq) == (7, time_us // 1000 * 1000, 255)
        found, trust, _ = value_of(one, metric.datatype)
        if found is None:
            text_or_number = isinstance(value, str) is (kind in (SignalKind.EVENT, SignalKind.TEXT))
            fits = isinstance(value, (int, float)) and math.isfinite(value) and -(2**63) <= value < 2**63 and float(value) == value == int(value)
            assert trust is Quality.BAD and (quality is Quality.BAD or value is None or not text_or_number or not (isinstance(value, str) or fits))
        else:
            assert trust is quality and (found == value or (isinstance(found, str) and found == str(value)))


def test_commands_and_deaths() -> None:
    assert asks_for_rebirth(rebirth_request(1_000)) and not asks_for_rebirth(b"\xff\xff") and not asks_for_rebirth(b"")
    assert bd_seq_of(decode(node_death(1_000, 255))) == 255 and decode(node_death(1_000, 3)).seq is None
    assert decode(device_death(1_000, 9)).seq == 9


@given(st.binary(max_size=200))
def test_any_command_is_survived(payload: bytes) -> None:
    assert asks_for_rebirth(payload) in (True, False)


def test_the_number_of_the_connection_goes_on_after_a_restart_and_begins_anew_after_255(tmp_path: Path) -> None:
    file = tmp_path / "n.bdseq"
    assert [BdSeq(file).next() for _ in range(258)] == [*range(256), 0, 1]
    file.write_text("nonsense")
    assert BdSeq(file).next() == 0


def test_a_machine_lives_while_its_link_is_up_and_fresh() -> None:
    device = device_of(workshop().equipment[0], 1, 500_000)
    assert [metric.alias for metric in device.metrics.values()] == [1, 2, 3, 4, 5, 6, 7] and not device.lives(0)

    def link(value: Value, quality: Quality = Quality.GOOD) -> bool:
        assert device.take([LatestReading("m-1/link_state", 10_000_000, value, quality), LatestReading("m-1/stranger", 0, 1)]) == [device.link]
        return device.lives(13_500_000)

    assert [link(1), link(0), link(1, Quality.BAD), link(None, Quality.BAD), link(1)] == [True, False, False, False, True]
    assert not device.lives(13_500_001), "the edge itself is silent"


def test_a_device_without_a_link_state_lives_from_its_first_value() -> None:
    device = device_of(workshop().equipment[0], 1, 0)
    device.link = None
    assert not device.lives(0)
    device.take([LatestReading("m-1/gauge", 1, 1.0)])
    assert device.lives(10**15)


def test_data_are_in_the_order_of_their_times() -> None:
    metrics = [Metric("a", 1, 10, 1.0, 3000, Quality.GOOD), Metric("b", 2, 10, 2.0, 1000, Quality.GOOD)]
    assert [metric.alias for metric in decode(data(5000, 1, metrics)).metrics] == [2, 1]
