"""`chejian evidence trust FILE`: people name witnesses, authorities, checkpoints, packs and keys; every change is said, none is silent."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from evidence.trust import TrustFile, encode_trust, parse_trust
from evidence.trust_edit import Named, added, described, fingerprint, removed
from store.signing import SigningKey
from tests.tamper.authority import Authority
from tests.tamper.conftest import Good
from tests.tamper.test_commands import run
from workshop.errors import ConfigError

KEY, OTHER = SigningKey.create().public, SigningKey.create().public
DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "tsa")


@pytest.fixture
def file(good: Good, tmp_path: Path) -> Path:
    path = tmp_path / "trust.json"
    path.write_bytes(encode_trust(msgspec.structs.replace(good.trust, checkpoints=())))
    return path


def test_all_that_can_be_named_is_added_shown_and_removed(good: Good, file: Path, tmp_path: Path, authority: Authority) -> None:
    note = tmp_path / "data.note"
    note.write_text(good.plant.archive.checkpoint("data"), encoding="utf-8")
    size = good.plant.archive.data_size
    words = ["--witness", KEY, "--authority", authority.folder / "ca.pem", "--checkpoint", note, "--pack", DIGEST, "--edge", f"edge-9={OTHER}"]
    done = run("trust", file, *words)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stderr.splitlines()) == sorted([
        f"witness {KEY} added", f"pack {DIGEST} added", f"key of edge 'edge-9' {OTHER} added",
        f"checkpoint {good.trust.origin}/data {size} added", f"authority {_print(authority)} added",
    ])
    trust = parse_trust(file.read_bytes(), "trust.json")
    assert (trust.witnesses, trust.packs, trust.edges["edge-9"]) == ((KEY,), (DIGEST,), (OTHER,))
    assert (len(trust.checkpoints), len(trust.authorities)) == (1, 1)
    before = file.read_bytes()
    again = run("trust", file, *words)
    assert again.returncode == 0 and again.stderr.count("was there already") == 5 and file.read_bytes() == before
    shown = run("trust", file).stdout
    assert f"witness: {KEY}" in shown and f"checkpoint: data:{size} " in shown and "CN=Test CA" in shown
    assert json.loads(run("trust", file, "--json").stdout)["witnesses"] == [KEY]
    gone = run("trust", file, "--remove", "--witness", KEY, "--authority", _print(authority), "--checkpoint", f"data:{size}", "--pack", DIGEST,
               "--edge", f"edge-9={OTHER}")
    assert gone.returncode == 0, gone.stderr
    assert parse_trust(file.read_bytes(), "trust.json") == msgspec.structs.replace(good.trust, checkpoints=())


def _print(authority: Authority) -> str:
    from cryptography.x509 import load_pem_x509_certificate

    return fingerprint(load_pem_x509_certificate(authority.root.encode()))


@pytest.mark.parametrize(("named", "message"), [
    (Named(witnesses=["x"]), "key"), (Named(packs=["AB" * 32]), "64 lower-case"), (Named(authorities=["x"]), "no certificate"),
    (Named(checkpoints=["x"]), "another log"), (Named(edges=[("edge-1", "x")]), "key"), (Named(gateway=["x"]), "key"),
])
def test_what_is_none_is_not_added(good: Good, named: Named, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        added(good.trust, named)


@pytest.mark.parametrize("named", [
    Named(witnesses=[KEY]), Named(packs=[DIGEST]), Named(authorities=[DIGEST]), Named(checkpoints=["data:1"]), Named(edges=[("edge-1", KEY)]),
    Named(gateway=[KEY]),
])
def test_what_is_not_there_is_not_removed(good: Good, named: Named) -> None:
    with pytest.raises(ConfigError, match="is not in the trust file"):
        removed(good.trust, named)


def test_the_last_key_of_the_gateway_stays(good: Good) -> None:
    with pytest.raises(ConfigError, match="without an origin or without a gateway key"):
        removed(good.trust, Named(gateway=[good.trust.gateway[0].key]))
    both, said = added(good.trust, Named(gateway=[KEY, good.trust.gateway[0].key]))
    assert [item.key for item in both.gateway] == [good.trust.gateway[0].key, KEY] and "was there already" in said[1]
    with pytest.raises(ConfigError, match="not signed"):
        removed(both, Named(gateway=[good.trust.gateway[0].key]))  # the pinned checkpoints have its signature
    bare = msgspec.structs.replace(both, checkpoints=())
    assert removed(bare, Named(gateway=[good.trust.gateway[0].key]))[0].gateway[0].key == KEY
    assert ("gateway key", f"{KEY} from 0 to –") in described(both)


def test_a_new_file_comes_from_the_gateway_and_never_overwrites_one(good: Good, tmp_path: Path) -> None:
    notes = {log: good.plant.archive.checkpoint(log) for log in ("data", "control")}
    server, thread = _serve({"/v1/trust": encode_trust(good.trust), "/v1/checkpoint": json.dumps(notes).encode()})
    (tmp_path / "token").write_text("t")
    words = ["--url", f"http://127.0.0.1:{server.server_address[1]}", "--token-file", tmp_path / "token"]
    try:
        out = tmp_path / "new.json"
        assert run("trust", *words, "--out", out, "--witness", KEY).returncode == 0
        made: TrustFile = parse_trust(out.read_bytes(), "new.json")
        assert made.origin == good.trust.origin and made.checkpoints == (notes["data"], notes["control"]) and made.witnesses == (KEY,)
        again = run("trust", *words, "--out", out)
        assert again.returncode == 2 and "never overwritten" in again.stderr
        assert json.loads(run("trust", *words).stdout)["origin"] == made.origin
        assert run("trust", out, "--out", tmp_path / "x").returncode == 2
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _serve(pages: dict[str, bytes]) -> tuple[ThreadingHTTPServer, threading.Thread]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = pages[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    return server, thread
