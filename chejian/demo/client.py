"""The demo as a client of the gateway's API: what an administrator, a viewer and an evaluator would ask."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from workshop.batch import Provenance
from workshop.errors import ConfigError, NotConnected


class GatewayClient:
    """HTTP calls with one bearer token; errors in our words.

    Args:
        token: bearer token, or None for what needs none.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False, verify=ssl.create_default_context())

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON answer of a GET."""
        return self._ask("GET", path, params=parameters).json()

    def pages(self, path: str, **parameters: Any) -> Iterator[Any]:
        """The items of all pages of a list, page by page."""
        page: str | None = None
        while True:
            answer = self._ask("GET", path, params=parameters | ({"page": page} if page is not None else {}))
            yield from answer.json()
            if (page := answer.headers.get("x-next-page")) is None:
                return

    def post(self, path: str, body: Any) -> Any:
        """The JSON answer of a POST."""
        return self._ask("POST", path, json=body).json()

    def tell(self, path: str, body: Any) -> None:
        """A POST that is answered by nothing (204)."""
        self._ask("POST", path, json=body)

    def download(self, path: str, body: Any, out: Path) -> None:
        """Streams the answer of a POST into a file.

        Raises:
            NotConnected, ConfigError: as `get`.
        """
        try:
            with self._http.stream("POST", path, json=body, timeout=600) as answer, out.open("wb") as file:
                if answer.status_code >= 400:
                    answer.read()
                    raise ConfigError(f"{self.url}{path}: {answer.status_code} {answer.text[:300]}")
                for piece in answer.iter_bytes():
                    file.write(piece)
        except httpx.HTTPError as error:
            raise NotConnected(f"gateway {self.url}: {error}") from error

    def ready(self) -> bool:
        """Whether the gateway says that its line moves."""
        try:
            return self._http.get("/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def new_edge(self, edge: str, provenance: Provenance) -> str:
        """A one-time token for the enrolment of an edge; needs the administrator's token."""
        return str(self.post("/v1/edges", {"edge": edge, "provenance": provenance.value})["token"])

    def new_token(self, role: str, subject: str) -> str:
        """A bearer token of this role; needs the administrator's token."""
        return str(self.post("/v1/tokens", {"role": role, "subject": subject})["token"])

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise NotConnected(f"gateway {self.url}: {error or type(error).__name__}") from error
        if answer.status_code >= 500:
            raise NotConnected(f"gateway {self.url}{path}: {answer.status_code} {answer.text[:300]}")
        if answer.status_code >= 400:
            raise ConfigError(f"gateway {self.url}{path}: {answer.status_code} {answer.text[:300]}")
        return answer
