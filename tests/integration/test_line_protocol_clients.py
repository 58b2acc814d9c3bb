"""What InfluxDB's own client and Telegraf send, to a real gateway: every precision, gzip, batches, bad lines; sealed like any edge's rows."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from influxdb_client import InfluxDBClient, Point, WriteOptions, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from gateway.opening import open_house
from store.signing import verify
from tests.unit.gateway.plant import START_US, admin_of, bearer, configure, gateway_in_thread, until
from workshop.batch import Provenance, decode_header

TABLE = """{ org = "works", bucket = "line", body_bytes = 1000000, map = [
  { measurement = "press", field = "watts", tags = { host = "a b" }, signal = "m-1/gauge" },
  { measurement = "press", field = "parts", signal = "m-1/count" },
  { measurement = "press", field = "program", signal = "m-1/text" },
  { field = "load", signal = "{machine}/other" },
] }""".replace("\n", " ")
NS = START_US * 1000


class Works:
    """A gateway that takes line protocol, and the tokens to write and read."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.client = url, httpx.Client(base_url=url)
        admin = bearer(admin_of(folder))
        self.token, self.viewer = (
            self.client.post("/v1/tokens", json={"role": role, "subject": "telegraf"}, headers=admin).json()["token"] for role in ("writer", "viewer")
        )

    def write(self, body: bytes, query: str = "org=works&bucket=line", **headers: str) -> httpx.Response:
        """A request as Telegraf's influxdb_v2 output makes it."""
        telegraf = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "Telegraf/1.30.0 Go/1.22.2"}
        return self.client.post(f"/api/v2/write?{query}", content=body, headers=telegraf | {"Authorization": f"Token {self.token}"} | headers)

    def influx(self, **options: Any) -> InfluxDBClient:
        return InfluxDBClient(self.url, token=self.token, org="works", **options)

    def read(self, signal: str, count: int) -> list[tuple[int, Any]]:
        """The signal's rows, once there are so many: µs after the start, and value."""
        query = {"signal": signal, "from_us": START_US - 10**12, "to_us": START_US + 10**12}
        read = lambda: self.client.get("/v1/readings", params=query, headers=bearer(self.viewer)).json()  # noqa: E731
        answer = until(lambda: found if len((found := read())["value"]) >= count else None, f"{count} rows of {signal}")
        return [(at - START_US, value) for at, value in zip(answer["source_time_us"], answer["value"], strict=True)]

    def counted(self, outcome: str) -> float:
        name = f'chejian_line_protocol_total{{outcome="{outcome}"'
        line = next(one for one in self.client.get("/metrics").text.splitlines() if one.startswith(name))
        return float(line.split()[1])


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    with gateway_in_thread(tmp_path, line_protocol=TABLE) as url:
        made = Works(url, tmp_path)
        yield made
        made.client.close()


def test_points_of_the_official_client_in_every_precision(works: Works) -> None:
    with works.influx() as client, client.write_api(write_options=SYNCHRONOUS) as writer:
        for number, (precision, step) in enumerate((
            (WritePrecision.NS, 1), (WritePrecision.US, 1_000), (WritePrecision.MS, 1_000_000), (WritePrecision.S, 1_000_000_000),
        )):
            at = (NS + number * 10**9) // step
            writer.write("line", record=Point("press").tag("host", "a b").field("watts", number + 0.5).time(at, precision), write_precision=precision)
        writer.write("line", record={"measurement": "press", "tags": {"host": "x,=y"}, "fields": {"parts": 7, "program": 'O"1\\'}, "time": NS})
        writer.write("line", record=[f"press,machine=m-2 load={n} {NS + n * 1000}" for n in range(5)])
    assert works.read("m-1/gauge", 4) == [(number * 10**6, number + 0.5) for number in range(4)]
    assert works.read("m-1/count", 1) == [(0, 7)]
    assert works.read("m-1/text", 1) == [(0, 'O"1\\')]
    assert works.read("m-2/other", 5) == [(n, float(n)) for n in range(5)]


def test_the_official_client_in_batches_and_compressed(works: Works) -> None:
    failed: list[Any] = []
    options = WriteOptions(batch_size=100, flush_interval=200)
    with works.influx(enable_gzip=True) as client, client.write_api(options, error_callback=lambda *given: failed.append(given)) as writer:
        for number in range(1, 251):
            writer.write("line", record=f"press parts={number}i {NS + number * 10**6}")
    assert failed == []
    assert works.read("m-1/count", 250) == [(number * 1000, number) for number in range(1, 251)]


def test_bad_lines_are_named_and_nothing_of_their_body_is_stored(works: Works) -> None:
    body = f"press parts=1i {NS}\npress parts= {NS}\npress parts=2i {NS + 1}\nnonsense"
    with works.influx() as client, client.write_api(write_options=SYNCHRONOUS) as writer, pytest.raises(ApiException) as caught:
        writer.write("line", record=body)
    assert caught.value.status == 400
    assert caught.value.message == f"unable to parse 'press parts= {NS}': missing field value\nunable to parse 'nonsense': missing fields"
    answer = works.write(body.encode())
    assert answer.status_code == 400 and answer.json()["code"] == "invalid" and answer.headers["x-platform-error-code"] == "invalid"
    assert works.write(f"press parts=3i {NS}".encode()).status_code == 204
    assert works.read("m-1/count", 1) == [(0, 3)]
    assert works.counted("malformed") == 4


def test_a_conflict_of_types_is_a_partial_write_and_the_rest_is_stored(works: Works) -> None:
    answer = works.write(f'press parts="three" {NS}\npress parts=3i {NS}\npress parts=18446744073709551615u,program="A" {NS}'.encode())
    assert answer.status_code == 422 and answer.json() == {
        "code": "unprocessable entity",
        "message": "failure writing points to database: partial write: field type conflict: "
                   'input field "parts" on measurement "press" is type string, already exists as type float dropped=2',
    }
    assert works.read("m-1/count", 1) == [(0, 3)]


@pytest.mark.parametrize(("line", "is_", "has"), [
    ('press parts="a",parts=2i', "string", "float"), ('press parts=2i,parts="a"', "string", "float"),
    ('press parts=1i,program="A",parts="x",parts=3i', "string", "float"), ('press program=1,program="A"', "float", "string"),
    ('press program="A",program=2i,program="B"', "integer", "string"),
])
def test_a_field_that_a_line_names_with_two_types_is_a_conflict_and_its_point_is_left_out(works: Works, line: str, is_: str, has: str) -> None:
    """As `tsdb/field_validator.go` of InfluxDB 2 does it: every value of the field is held against its type, not only the one that is kept."""
    field = "program" if line.startswith("press program") else "parts"
    answer = works.write(f"{line} {NS}\npress parts=7i {NS + 1000}\npress parts=1i,parts=8.5 {NS + 2000}".encode())
    assert answer.status_code == 422 and answer.json()["message"] == (
        "failure writing points to database: partial write: field type conflict: "
        f'input field "{field}" on measurement "press" is type {is_}, already exists as type {has} dropped=1')
    assert works.read("m-1/count", 2) == [(1, 7), (2, 8.5)]


def test_series_that_the_table_does_not_map_are_counted_once_in_quarantine(works: Works) -> None:
    for number in range(3):
        assert works.write(f"cpu,host=h usage={number} {NS}\npress,host=other watts=1 {NS}\nload,machine=m-9 load=1 {NS}".encode()).status_code == 204
    rows = works.client.get("/v1/quarantine", headers=bearer(works.viewer)).json()
    assert sorted(row["reason"].split(":")[0] for row in rows) == ["cpu,host=h usage", "load,machine=m-9 load", "press,host=other watts"]
    assert {row["edge"] for row in rows} == {"line-protocol"} and works.counted("unmapped") == 9


@pytest.mark.parametrize(("change", "status", "message"), [
    ({"query": "org=works&bucket=line&precision=m"}, 400, "invalid precision; valid precision units are ns, us, ms, and s"),
    ({"query": "org=works"}, 404, "bucket not found"),
    ({"query": "org=works&bucket=other"}, 404, 'bucket "other" not found'),
    ({"query": "org=elsewhere&bucket=line"}, 404, 'organization name "elsewhere" not found'),
    ({"Authorization": ""}, 401, "unauthorized access"),
    ({"Authorization": "Token wrong"}, 401, "unauthorized access"),
    ({"Content-Encoding": "gzip"}, 400, "unable to read data: gzip: invalid header"),
    ({"Content-Encoding": "br"}, 400, "content encoding 'br': send gzip or none"),
])
def test_errors_have_influxdb_s_codes_and_words(works: Works, change: dict[str, str], status: int, message: str) -> None:
    answer = works.write(f"press parts=1i {NS}".encode(), **change)
    assert (answer.status_code, answer.json()["message"]) == (status, message)


def test_roles_limits_and_bombs(works: Works, tmp_path: Path) -> None:
    assert works.write(b"press parts=1i", Authorization=f"Token {works.viewer}").json()["message"] == "insufficient permissions for write"
    assert works.client.get("/v1/signals", headers=bearer(works.token)).status_code == 403
    assert works.write(b"press parts=1i", Authorization=f"Bearer {admin_of(tmp_path)}").status_code == 204
    bomb = gzip.compress(b"press parts=1i 1\n" * 10**7)
    answer = works.write(bomb, **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request too large")
    assert works.write(b"x" * 2**20).status_code == 413
    assert works.write(gzip.compress(b"press parts=2i 1\n")[:-9], **{"Content-Encoding": "gzip"}).status_code == 400
    two = gzip.compress(f"press parts=5i {NS}\n".encode()) + gzip.compress(f"press parts=6i {NS + 1000}\n".encode())
    assert works.write(two, **{"Content-Encoding": "gzip"}).status_code == 204
    assert works.read("m-1/count", 2) == [(0, 5), (1, 6)]
    assert works.write(b"").status_code == 204 and works.write(b"# nothing\n\n").status_code == 204


def test_what_was_written_is_a_signed_chain_of_third_party_batches_over_a_restart(tmp_path: Path) -> None:
    for number in range(2):
        with gateway_in_thread(tmp_path, line_protocol=TABLE) as url:
            works = Works(url, tmp_path)
            for line in range(3):
                assert works.write(f"press parts={line}i {NS + (10 * number + line) * 1000}".encode()).status_code == 204
            works.client.close()
    with open_house(configure(tmp_path), lambda: START_US) as house:
        edge = house.archive.edge("line-protocol")
        stored = list(house.archive.batches(0, house.archive.data_size))
    assert edge is not None and edge.provenance is Provenance.THIRD_PARTY
    headers = [decode_header(item.batch.header) for item in stored]
    assert [header.seq for header in headers] == [1, 2, 3, 4, 5, 6] and len({header.epoch for header in headers}) == 1
    assert all(header.provenance is Provenance.THIRD_PARTY for header in headers)
    assert [header.prev for header in headers[1:]] == [item.batch.digest for item in stored[:-1]]
    assert all(verify(edge.public_key, "batch", item.batch.header, item.batch.signature) for item in stored)
