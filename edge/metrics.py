"""What an edge counts about itself, for Prometheus: `GET /metrics` on a port of its own, off unless `[metrics]` gives one.

Text exposition format 0.0.4, written by hand: the edge's install has no client library, and what it says is one look at its status.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator

from edge.status import EdgeStatus
from workshop.errors import NotConnected

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TIMEOUT_S = 5.0
AT_ONCE = 8
_LONGEST_HEAD = 8192
_STATES = ("idle", "sending", "waiting", "stopped")

_log = logging.getLogger(__name__)
Sample = tuple[dict[str, str], float]


def exposition(status: EdgeStatus) -> str:
    """The status as Prometheus reads it. Names of sources are the only labels, so that the number of series stays that of the settings file."""
    lines = []
    for name, kind, words, samples in _families(status):
        lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
        for labels, value in samples:
            said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            lines.append(f"{name}{{{said}}} {value!r}" if said else f"{name} {value!r}")
    return "\n".join(lines) + "\n"


def _families(status: EdgeStatus) -> Iterator[tuple[str, str, str, list[Sample]]]:
    journal, uplink = status.journal, status.uplink
    oldest_s = 0.0 if journal.oldest_us is None else max(0, status.time_us - journal.oldest_us) / 1e6
    gauges = (
        ("status_time_seconds", "When this was looked at, by the edge's clock", status.time_us / 1e6),
        ("journal_pending_batches", "Sealed batches that the gateway has not acknowledged", journal.pending_batches),
        ("journal_pending_bytes", "Their size", journal.pending_bytes),
        ("journal_unsealed_readings", "Readings on disk that are in no batch yet", journal.unsealed_rows),
        ("journal_oldest_seconds", "Age of the oldest of what the gateway has not acknowledged; 0 when it has everything", oldest_s),
        ("journal_bytes", "Size of the journal on disk, with what is kept after delivery", journal.bytes_on_disk),
        ("journal_max_bytes", "How large it may become", journal.max_bytes),
        ("journal_full", "1 while nothing more may be stored", int(bool(journal.full or status.disk))),
        ("disk_free_bytes", "Free on its disk", journal.free_bytes),
        ("journal_gaps", "Losses declared in this epoch", journal.gaps),
        ("journal_dropped_readings", "Readings of this epoch that made room for newer ones, and were declared", journal.dropped_rows),
        ("journal_quarantined", "Items of source data in quarantine", journal.quarantined),
        ("equipment", "Machines that this edge reads", len(status.equipment)),
        ("equipment_linked", "Machines whose link is up", sum(bool(life.link) for life in status.equipment.values())),
        ("clock_synchronised", "1 when the operating system says that it keeps its clock to a time source", int(status.clock_synchronised)),
    )
    counters = (
        ("stored_readings_total", "Readings stored since the start", journal.stored_rows),
        ("delivered_readings_total", "Readings that the gateway has acknowledged since the start", journal.acknowledged_rows),
        ("commits_total", "Commits of the journal since the start; each is one fsync", journal.commits),
        ("sent_batches_total", "Batches sent since the start", uplink.sent_batches),
        ("sent_bytes_total", "Bytes of bodies sent since the start", uplink.sent_bytes),
        ("uplink_failures_total", "Deliveries that failed since the start", uplink.failures),
        ("live_posts_total", "Posts of live values since the start", status.live_posts),
        ("live_failures_total", "Posts of live values that failed since the start", status.live_failures),
        ("repeated_readings_total", "Readings that came again and were dropped, since the start", status.repeated),
        ("skewed_readings_total", "Readings stored as uncertain for their time, since the start", status.skewed),
    )
    for name, words, value in gauges:
        yield f"chejian_edge_{name}", "gauge", words, [({}, value)]
    for name, words, value in counters:
        yield f"chejian_edge_{name}", "counter", words, [({}, value)]
    if status.clock_offset_us is not None:
        yield "chejian_edge_clock_offset_seconds", "gauge", "This edge's clock minus the gateway's", [({}, status.clock_offset_us / 1e6)]
    yield "chejian_edge_uplink_state", "gauge", "1 for the state in which the uplink is", [
        ({"state": state}, int(uplink.state == state)) for state in _STATES]
    for name, kind, words in (
        ("connected", "gauge", "1 while the source is connected"), ("readings_total", "counter", "Readings stored since the start"),
        ("failures_total", "counter", "Connections that failed or were lost since the start"),
    ):
        yield f"chejian_edge_source_{name}", kind, words, [
            ({"source": source}, int(getattr(state, name.removesuffix("_total")))) for source, state in status.sources.items()]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


async def serve(listen: str, port: int, look: Callable[[], EdgeStatus | None], ready: Callable[[int], None] = lambda _: None) -> None:
    """Answers until cancelled.

    Args:
        port: 0 takes a free one.
        look: the last status; None before the first.
        ready: is told the port.
    Raises:
        NotConnected: the port cannot be had.
    """
    open_now = asyncio.Semaphore(AT_ONCE)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if open_now.locked():
            writer.close()
            return
        try:
            async with open_now, asyncio.timeout(TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head, look()))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asks so slowly, or for so much, is nobody who scrapes
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(answer, listen, port, limit=_LONGEST_HEAD)
    except OSError as error:
        reason = f"cannot listen there ({error.strerror or error})"
        raise NotConnected(f"[metrics] {listen}:{port}: {reason}; choose another port in the edge's file, or 0 for none") from error
    ready(int(server.sockets[0].getsockname()[1]))
    async with server:
        await server.serve_forever()


def _response(head: bytes, status: EdgeStatus | None) -> bytes:
    words = head.split(b"\r\n", 1)[0].split(b" ")
    path = words[1].split(b"?")[0] if len(words) == 3 else b""
    if len(words) != 3 or words[0] not in (b"GET", b"HEAD"):
        code, kind, body = "405 Method Not Allowed", "text/plain", "GET /metrics\n"
    elif path != b"/metrics":
        code, kind, body = "404 Not Found", "text/plain", "there is /metrics\n"
    elif status is None:
        code, kind, body = "503 Service Unavailable", "text/plain", "not yet: the edge starts\n"
    else:
        code, kind, body = "200 OK", CONTENT_TYPE, exposition(status)
    data = body.encode()
    lines = (f"HTTP/1.1 {code}", f"Content-Type: {kind}", f"Content-Length: {len(data)}", "Connection: close", "X-Content-Type-Options: nosniff")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if words[0] == b"HEAD" else data)
