"""Enrolment: an edge shows its one-time token and its new public key, and learns its bearer token and whom it talks to."""

import ssl

import httpx
import msgspec

from edge.gateway_link import check_gateway
from store.signing import SigningKey
from workshop.errors import ConfigError, NotConnected
from workshop.wire import EnrolAnswer, EnrolRequest, Problem

_TIMEOUT_S = 10.0


def enrol(url: str, token: str, edge: str, key: SigningKey) -> EnrolAnswer:
    """Enrols this edge at the gateway.

    Raises:
        ConfigError: the gateway refuses: unknown or used token, another edge's token, or it is not a gateway.
        NotConnected: nobody there, or it cannot answer now; the token is still good.
    """
    check_gateway(url)
    request = EnrolRequest(token, edge, key.public)
    where = f"{url}/v1/enrol"
    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/v1/enrol", content=msgspec.json.encode(request), headers={"Content-Type": "application/json"}, timeout=_TIMEOUT_S,
            trust_env=False, verify=ssl.create_default_context(),
        )
    except httpx.HTTPError as error:
        raise NotConnected(f"{where}: {str(error) or type(error).__name__}; is the gateway running there?") from error
    if answer.status_code == 429 or answer.status_code >= 500:
        raise NotConnected(f"{where}: answers {answer.status_code}; try again later")
    if not answer.is_success:
        raise ConfigError(f"{where}: refuses edge '{edge}': {_detail(answer)}; ask for a new one-time token (POST /v1/edges)")
    try:
        given = msgspec.json.decode(answer.content, type=EnrolAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: {answer.status_code} but no enrolment in the answer; is that the gateway?") from error
    if given.edge != edge:
        raise ConfigError(f"{where}: the token is that of edge '{given.edge}', not '{edge}'; ask for a new one-time token")
    return given


def _detail(answer: httpx.Response) -> str:
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"{answer.status_code} {answer.reason_phrase}"
    return problem.detail or problem.title
