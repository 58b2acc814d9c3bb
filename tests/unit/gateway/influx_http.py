"""What a running InfluxDB 2.7.12 answered to requests of the write API, and how to ask any server the same.

`python -m tests.unit.gateway.influx_http` records anew.
"""

import gzip
import os
from pathlib import Path

import httpx
import msgspec

RECORDED = Path(__file__).with_name("influxdb_2_7_12_http.jsonl")
_BODY = b"press parts=1i 1790000000000000000"
_OWN = "org=ORG&bucket=BUCKET"
_TIMES = {"ns": 1790000000000000000, "us": 1790000000000000, "ms": 1790000000000, "s": 1790000000}


class Asked(msgspec.Struct, frozen=True):
    """A request, and status, code and message of the answer; `token` is own, wrong, bearer or none, `body` is latin-1."""

    name: str
    body: str
    query: str = _OWN
    token: str = "own"
    encoding: str = ""
    status: int = 0
    code: str = ""
    message: str = ""


def _asked(name: str, body: bytes = _BODY, **more: str) -> Asked:
    return Asked(name, body.decode("latin-1"), **more)  # type: ignore[arg-type]


def requests() -> list[Asked]:
    """All that were asked."""
    made = [_asked(f"precision {name}", f"press parts=1i {at}".encode(), query=f"{_OWN}&precision={name}") for name, at in _TIMES.items()]
    made += [_asked(f"precision '{name}'", query=f"{_OWN}&precision={name}") for name in ("", "u", "n", "h", "NS")]
    made += [_asked(f"token {token}", token=token) for token in ("wrong", "none", "bearer")]
    made += [_asked(f"query '{query}'", query=query) for query in (
        "bucket=BUCKET", "org=x&bucket=BUCKET", "org=ORG&bucket=x", "org=ORG", "org=x&bucket=y", "", "org=ORG&precision=z", "org=&bucket=BUCKET",
    )]
    made += [_asked("wrong everything", b"nonsense", query="org=x&precision=z", token="wrong")]
    made += [_asked("gzip", gzip.compress(_BODY, mtime=0), encoding="gzip")]
    made += [_asked("identity", encoding="identity"), _asked("gzip of nothing", gzip.compress(b"", mtime=0), encoding="gzip")]
    for body in (
        b"", b"\n", b"# only this\n", b"nonsense", b"press parts=1i 7\nnonsense\npress parts= 7", b"press parts=1i,parts=2i 7",
        b"press,a=1,a=2 parts=1i 7",
    ):
        made.append(_asked(f"body {body!r}", body))
    return made


def ask(asked: Asked, url: str, org: str, bucket: str, token: str) -> Asked:
    """The same request to a server, with its answer."""
    query = asked.query.replace("ORG", org).replace("BUCKET", bucket)
    headers = {"own": f"Token {token}", "bearer": f"Bearer {token}", "wrong": "Token wrong"}
    sent = {"Authorization": headers[asked.token]} if asked.token in headers else {}
    sent |= {"Content-Encoding": asked.encoding} if asked.encoding else {}
    answer = httpx.post(f"{url}/api/v2/write?{query}", content=asked.body.encode("latin-1"), headers=sent, timeout=30)
    said = answer.json() if answer.content else {}
    code, message = str(said.get("code", "")), str(said.get("message", "")).replace(org, "ORG").replace(bucket, "BUCKET")
    assert answer.headers.get("x-platform-error-code", "") == code
    return msgspec.structs.replace(asked, status=answer.status_code, code=code, message=message)


def of_environment(asked: Asked) -> Asked:
    """The answer of the InfluxDB that the environment names."""
    names = (("URL", ""), ("ORG", "chejian"), ("BUCKET", "chejian"), ("TOKEN", ""))
    url, org, bucket, token = (os.environ.get(f"CHEJIAN_INFLUX_{name}", usual) for name, usual in names)
    return ask(asked, url, org, bucket, token)


def recorded() -> list[Asked]:
    """All answers."""
    return [msgspec.json.decode(line, type=Asked) for line in RECORDED.read_bytes().splitlines()]


if __name__ == "__main__":
    RECORDED.write_bytes(b"".join(msgspec.json.encode(of_environment(asked)) + b"\n" for asked in requests()))
