"""The analytics service as a client of the gateway's API: what it asks and posts besides readings."""

import ssl
from typing import Any, TypeVar

import httpx
import msgspec

from analytics.indicator import Components
from analytics.missing import Missing, missing_of
from store.control_kinds import Prediction
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.register import Workshop
from workshop.register_file import check_register
from workshop.window import HOUR_US, Window
from workshop.wire import ComponentsPost, ComponentsRow

Answer = TypeVar("Answer")
_ROWS_PER_POST = 2_000
_TIMEOUT_S = 30.0


class _RegisterAnswer(msgspec.Struct):
    register: Workshop
    digest: str


class _RevisionRow(msgspec.Struct):
    time_us: int
    digest: str


class _GapRow(msgspec.Struct):
    signals: list[str]
    from_us: int
    to_us: int


class _TouchedWindow(msgspec.Struct):
    from_us: int
    to_us: int


class _Touched(msgspec.Struct):
    next: int
    windows: list[_TouchedWindow]


class PredictionRow(msgspec.Struct):
    """A control entry of kind "prediction"."""

    index: int
    body: dict[str, Any]


class ServiceApi:
    """Blocking calls; every one raises NotConnected when the gateway is away, and ConfigError when it does not let us in."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=self._url, headers=headers, timeout=_TIMEOUT_S, verify=ssl.create_default_context(), trust_env=False)

    def revisions(self) -> list[tuple[int, str]]:
        """(time µs, digest) of every revision of the register, oldest first."""
        return [(row.time_us, row.digest) for row in self._ask("GET", "/v1/workshop/revisions", list[_RevisionRow])]

    def register(self, at_us: int) -> Workshop:
        """The register in force at a time, checked."""
        answer = self._ask("GET", "/v1/workshop", _RegisterAnswer, params={"at_us": at_us})
        check_register(answer.register, f"register of {self._url}")
        if answer.register.digest != answer.digest:
            raise Rejected(f"{self._url}: its register has another digest than it says; are gateway and analytics of one version?")
        return answer.register

    def missing(self, window: Window) -> Missing:
        """The declared gaps that meet the window."""
        rows = self._ask("GET", "/v1/gaps", list[_GapRow], params={"from_us": window.start_us, "to_us": window.end_us})
        return missing_of((row.signals, row.from_us, row.to_us) for row in rows)

    def touched(self, since: int) -> tuple[int, list[Window]]:
        """What batches are about that are indexed since this place in the data log, and the place up to which this answer reaches."""
        answer = self._ask("GET", "/v1/touched", _Touched, params={"since": since})
        return answer.next, [Window(span.from_us, span.to_us) for span in answer.windows]

    def hours_there(self, indicator: str, version: int, window: Window) -> dict[tuple[str, int], str]:
        """Input digests of the full hours that the gateway has, by equipment and start."""
        query: dict[str, str | int] = {"indicator": indicator, "from_us": window.start_us, "to_us": window.end_us}
        rows = self._ask("GET", "/v1/components", ComponentsPost, params=query).rows
        return {
            (row.equipment, row.start_us): row.input_digest for row in rows if row.version == version and row.end_us - row.start_us == HOUR_US
        }

    def post(self, rows: list[ComponentsRow]) -> None:
        """Posts components; the same rows again change nothing."""
        for first in range(0, len(rows), _ROWS_PER_POST):
            body = msgspec.json.encode(ComponentsPost(rows[first : first + _ROWS_PER_POST]))
            self._ask("POST", "/v1/components", dict[str, Any], content=body, headers={"Content-Type": "application/json"})

    def predictions(self) -> list[PredictionRow]:
        """Every prediction on record."""
        return self._ask("GET", "/v1/predictions", list[PredictionRow])

    def predict(self, prediction: Prediction) -> int:
        """Puts a prediction on record; returns the index of its control entry."""
        body = msgspec.json.encode(prediction)
        return self._ask("POST", "/v1/predictions", PredictionRow, content=body, headers={"Content-Type": "application/json"}).index

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _ask(self, method: str, path: str, answer: type[Answer], **arguments: Any) -> Answer:
        where = f"{self._url}{path}"
        try:
            response = self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise NotConnected(f"{where}: {str(error) or type(error).__name__}") from error
        if response.is_success:
            try:
                return msgspec.json.decode(response.content, type=answer)
            except msgspec.DecodeError as error:
                raise Rejected(f"{where}: an answer of another shape ({error}); is this a chejian gateway of this version?") from error
        text = f"{where}: {response.status_code} {response.text[:300]}"
        if response.status_code in (401, 403):
            raise ConfigError(f"{text}; enrol the analytics service as an edge with provenance derived")
        raise NotConnected(text) if response.status_code in (408, 429) or response.status_code >= 500 else Rejected(text)


def row_of(piece: Components, input_digest: str) -> ComponentsRow:
    """Components as they travel."""
    return ComponentsRow(
        piece.indicator, piece.version, piece.equipment, piece.start_us, piece.end_us, input_digest, msgspec.to_builtins(piece),
    )
