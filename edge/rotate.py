"""A new key for an edge: a statement that both keys signed goes to the gateway, and only then does the journal sign with the new one."""

import ssl

import httpx
import msgspec

from edge.gateway_link import check_gateway
from workshop.errors import ConfigError, NotConnected
from workshop.wire import Problem, RotationPost

_TIMEOUT_S = 10.0


def send_rotation(url: str, token: str, post: RotationPost) -> None:
    """Gives the statement to the gateway; the same statement again changes nothing.

    Raises:
        ConfigError: the gateway refuses it.
        NotConnected: nobody there, or it cannot answer now; try again with the same statement.
    """
    check_gateway(url)
    where = f"{url.rstrip('/')}/v1/edges/{post.statement.subject}/rotation"
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    try:
        context = ssl.create_default_context()
        answer = httpx.post(where, content=msgspec.json.encode(post), headers=headers, timeout=_TIMEOUT_S, trust_env=False, verify=context)
    except httpx.HTTPError as error:
        raise NotConnected(f"{where}: {str(error) or type(error).__name__}; is the gateway running there?") from error
    if answer.status_code == 429 or answer.status_code >= 500:
        raise NotConnected(f"{where}: answers {answer.status_code}; try again later")
    if not answer.is_success:
        try:
            detail = msgspec.json.decode(answer.content, type=Problem).detail
        except (msgspec.DecodeError, UnicodeDecodeError):
            detail = answer.reason_phrase
        raise ConfigError(f"{where}: {answer.status_code} {detail}")
