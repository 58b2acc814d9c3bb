"""The edge's way to its gateway: back-off, what Retry-After says, compression, the speed of a backlog, the distance of two clocks."""

import random
import socket

import httpx
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from edge.catch_up import CatchUp
from edge.config import CommitBlock
from edge.gateway_clock import GatewayClock
from edge.gateway_link import Backoff, Body, _socket_options, open_client, retry_after_s
from edge.pace import CommitPace
from gateway.coding import TAKEN, unpack
from gateway.problems import Refusal


def test_a_hundred_edges_do_not_come_at_once() -> None:
    """Class 12: after an outage each comes at a time of its own, also when the gateway has asked all of them to wait for the same time."""
    lots = random.Random(1)
    edges = [Backoff(30, lots.uniform) for _ in range(100)]
    for _ in range(8):
        waits = [edge.next_s() for edge in edges]
    seconds = [int(wait) for wait in waits]
    assert max(seconds.count(second) for second in seconds) <= 15 and max(waits) <= 30
    asked = [edge.next_s(20.0) for edge in edges]
    assert min(asked) >= 20 and max(asked) <= 50 and max([int(wait) for wait in asked].count(second) for second in range(60)) <= 15
    for edge in edges:
        edge.reset()
    assert max(edge.next_s() for edge in edges) <= 0.5, "quick again after a success"



def test_an_idle_connection_is_probed_and_given_up_within_twice_the_keep_alive() -> None:
    """RFC 1122 4.2.3.6 and RFC 5482, as far as this system has them; an answer is waited for no longer."""
    asked = {(level, name): value for level, name, value in _socket_options(5.0)}
    with socket.socket() as one:
        for (level, name), value in asked.items():
            one.setsockopt(level, name, value)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            idle_s, every_s, count = (
                one.getsockopt(socket.IPPROTO_TCP, name) for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle_s <= 5 and idle_s + every_s * count <= 10
            assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 10_000
    timeout = open_client("http://127.0.0.1:9", "t", 60.0, 5.0).timeout
    assert timeout.read is not None and timeout.connect is not None and max(timeout.read, timeout.connect) < 10


@pytest.mark.parametrize(("headers", "seconds"), [
    ({"Retry_After": "120"}, 120), ({}, 0), ({"Retry_After": "soon"}, 0), ({"Retry_After": "-3"}, 0), ({"Retry_After": "٣"}, 0),
    ({"Retry_After": ""}, 0),
    ({"Retry_After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "Fri, 31 Dec 1999 23:59:29 GMT"}, 30),
    ({"Retry_After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0),
    ({"Retry_After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "Sat, 01 Jan 2000 00:00:00 GMT"}, 0),
])
def test_retry_after(headers: dict[str, str], seconds: float) -> None:
    assert retry_after_s(httpx.Response(503, headers={k.replace("_", "-").encode(): v.encode() for k, v in headers.items()})) == seconds


def test_bodies_are_compressed_once_the_gateway_has_said_that_it_takes_that() -> None:
    body, data = Body(), b'{"edge": "edge-1"}' * 100
    assert body.encode(data, "x/y") == (data, {"Content-Type": "x/y"})
    body.hear(httpx.Response(200, headers=TAKEN))
    packed, headers = body.encode(data, "x/y")
    assert len(packed) < len(data) / 10 and headers == {"Content-Type": "x/y", "Content-Encoding": "zstd"}
    assert unpack(packed, "zstd", len(data)) == data
    assert body.encode(b"short", "x/y")[1] == {"Content-Type": "x/y"}
    body.hear(httpx.Response(415, headers=TAKEN))
    assert body.encode(data, "x/y")[0] == data


@pytest.mark.parametrize(("data", "coding", "status"), [
    (zstandard.compress(bytes(10**8)), "zstd", 413), (b"no zstd", "zstd", 400), (b"", "gzip", 415),
    (zstandard.compress(b"x" * 5000)[:-9], "zstd", 400),
])
def test_a_bomb_and_nonsense_are_refused(data: bytes, coding: str, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        unpack(data, coding, 10_000)
    assert refused.value.problem.status == status


@given(st.binary(max_size=300))
def test_no_bytes_make_unpacking_crash(data: bytes) -> None:
    try:
        assert len(unpack(data, "zstd", 1000)) <= 1000
    except Refusal as refused:
        assert refused.problem.status in (400, 413)


def test_a_backlog_leaves_half_of_the_gateways_time_and_keeps_its_limit() -> None:
    pace = CatchUp(1_000_000)
    assert pace.wait_s(10**6, 0.1, is_behind=False) == 0
    assert pace.wait_s(500_000, 0.1, is_behind=True) == pytest.approx(0.4), "by the limit"
    assert pace.wait_s(1000, 0.3, is_behind=True) == pytest.approx(0.3), "by the gateway's speed"
    assert pace.wait_s(1000, 60.0, is_behind=True) == 1.0


def test_the_distance_of_clocks_is_that_of_the_quickest_exchange() -> None:
    clock = GatewayClock()
    assert clock.offset_us is None
    clock.note(1000, 401_000, 0)
    assert clock.offset_us is None, "a gateway that does not say"
    hour_us, now_us = 3_600_000_000, 1_700_000_000_000_000
    clock.note(now_us, now_us + 400_000, now_us + 350_000)
    clock.note(now_us + 10**6, now_us + 1_010_000, now_us + 995_000)
    assert (clock.offset_us, clock.round_us) == (10_000, 10_000)
    for number in range(8):
        clock.note(now_us + number, now_us + number + 90_000, now_us + number + 45_000 - hour_us)
    assert clock.offset_us == hour_us, "old exchanges are forgotten: a step shows"


@pytest.mark.parametrize(("rows", "took_s", "end_s"), [(1, 0.0005, 0.02), (600, 0.001, 0.2), (1, 0.03, 0.2)])
def test_commits_wait_longer_under_load_and_on_a_slow_disk(rows: int, took_s: float, end_s: float) -> None:
    pace = CommitPace(CommitBlock())
    assert pace.wait_s == pytest.approx(0.02)
    for _ in range(10):
        pace.note(rows, took_s)
        assert 0.02 <= pace.wait_s <= 0.2
    assert pace.wait_s == pytest.approx(end_s)
    for _ in range(10):
        pace.note(1, 0.0001)
    assert pace.wait_s == pytest.approx(0.02), "quick again when little comes"


