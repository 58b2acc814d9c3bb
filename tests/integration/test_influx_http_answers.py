"""The gateway's write API answers as a running InfluxDB 2.7.12 did: status, code and words."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.gateway.influx_http import Asked, ask, of_environment, recorded, requests
from tests.unit.gateway.plant import admin_of, bearer, gateway_in_thread

TABLE = '{ org = "works", bucket = "line", map = [ { measurement = "press", field = "parts", signal = "m-1/count" } ] }'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    with gateway_in_thread(folder, line_protocol=TABLE) as url:
        made = httpx.post(f"{url}/v1/tokens", json={"role": "writer", "subject": "telegraf"}, headers=bearer(admin_of(folder)))
        yield url, made.json()["token"]


@pytest.mark.parametrize("answer", recorded(), ids=lambda answer: answer.name)
def test_every_recorded_answer_is_ours(gateway: tuple[str, str], answer: Asked) -> None:
    assert ask(answer, gateway[0], "works", "line", gateway[1]) == answer


def test_all_that_is_asked_is_recorded() -> None:
    assert [(one.name, one.body, one.query, one.token, one.encoding) for one in recorded()] == [
        (one.name, one.body, one.query, one.token, one.encoding) for one in requests()]


@pytest.mark.parametrize("answer", recorded(), ids=lambda answer: answer.name)
def test_influxdb_still_answers_so(answer: Asked) -> None:
    if not os.environ.get("CHEJIAN_INFLUX_URL"):
        pytest.skip("no InfluxDB 2 server: set CHEJIAN_INFLUX_URL")
    assert of_environment(answer) == answer
