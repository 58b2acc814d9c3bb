"""Setting up an InfluxDB 2 for a gateway: its bucket, and a token that may read and write this bucket and nothing else."""

import os
from pathlib import Path
from typing import Any

import httpx

from workshop.errors import ConfigError, NotConnected

TIMEOUT_S = 20.0


def set_up(
    url: str, org: str, bucket: str, admin_token: str, token_file: Path, *, retention_s: int = 0,
    rights: tuple[str, ...] = ("read", "write"),
) -> str:
    """Makes what is missing; a second call changes nothing. Returns in words what was done.

    Args:
        retention_s: of a new bucket; 0 keeps for ever.
        rights: of the token, on this bucket and nothing else.
    Raises:
        ConfigError: no such organisation, the token may not do it, or the file is there although the bucket is new.
        NotConnected: the server does not answer.
    """
    with httpx.Client(base_url=url, headers={"Authorization": f"Token {admin_token}"}, timeout=TIMEOUT_S, trust_env=False) as client:
        found = _ask(client, "GET", "/api/v2/orgs", params={"org": org}).get("orgs", [])
        if not found:
            raise ConfigError(f"{url}: no organisation '{org}'; make it with: influx org create --name {org}")
        org_id = str(found[0]["id"])
        buckets = _ask(client, "GET", "/api/v2/buckets", params={"orgID": org_id, "name": bucket}).get("buckets", [])
        made = []
        if not buckets:
            rules = [{"type": "expire", "everySeconds": retention_s}] if retention_s else []
            buckets = [_ask(client, "POST", "/api/v2/buckets", json={"orgID": org_id, "name": bucket, "retentionRules": rules})]
            made.append(f"bucket '{bucket}'")
        if not token_file.exists():
            bucket_id = str(buckets[0]["id"])
            wanted = [{"action": action, "resource": {"type": "buckets", "id": bucket_id, "orgID": org_id}} for action in rights]
            answer = _ask(client, "POST", "/api/v2/authorizations", json={
                "orgID": org_id, "description": f"chejian gateway, bucket {bucket}", "permissions": wanted})
            _keep(token_file, str(answer["token"]))
            made.append(f"token in {token_file}")
    return f"made {' and '.join(made)}" if made else "all was there"


def _ask(client: httpx.Client, method: str, path: str, **more: Any) -> dict[str, Any]:
    where = f"{client.base_url}{path}"
    try:
        answer = client.request(method, path, **more)
    except httpx.HTTPError as error:
        raise NotConnected(f"{where}: {error or type(error).__name__}; is InfluxDB running there?") from error
    # A name that is not there is a 404 in some versions, an empty list in others.
    if answer.status_code == 404 and method == "GET":
        return {}
    if not answer.is_success:
        raise ConfigError(f"{where}: {answer.status_code} {answer.text[:200]}; the token must be one of an operator of this organisation")
    try:
        return dict(answer.json())
    except ValueError as error:
        raise ConfigError(f"{where}: answers no JSON; is that an InfluxDB 2?") from error


def _keep(file: Path, token: str) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(token + "\n")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error.strerror}); the token is lost, delete it in InfluxDB and try again") from error
