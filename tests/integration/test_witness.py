"""The witness against real gateways: it follows, cosigns, sees through a split view, and tells an announced restore from a hidden one."""

import base64
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import msgspec
import pytest

from chejian.demo.client import GatewayClient
from chejian.witness import Witness
from evidence.timestamp import check_response, make_request, read_roots
from evidence.witness import Memory
from gateway.backup import backup, restore
from gateway.keys import rotate_key
from gateway.settings import load_gateway
from store.control_kinds import Witness as WitnessBody
from store.log import leaf_hash, parse_checkpoint
from store.note import open_cosignature
from store.signing import SigningKey
from store.tiles import tile_path
from tests.tamper.authority import Authority
from tests.unit.edge.rig import now_us
from tests.unit.gateway.plant import Process, Sender, admin_of, bearer, ramp, workshop
from workshop.errors import ConfigError, Rejected, VerificationError

KEY = SigningKey.create()
NAME = "evaluator.example/witness"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    process.start()
    yield process
    process.close()


@pytest.fixture
def edge(process: Process, tmp_path: Path) -> Sender:
    edge = Sender()
    with httpx.Client(base_url=process.url) as client:
        edge.enrol(client, admin_of(tmp_path))
    return edge


def deliver(process: Process, edge: Sender, batches: int, **changes: int) -> None:
    with httpx.Client(base_url=process.url) as client:
        for _ in range(batches):
            answer = edge.post(client, edge.seal(ramp("m-1/gauge", edge.seq * 10, 10), **changes))
            assert answer.status_code == 200, answer.text


@pytest.fixture
def client(process: Process, tmp_path: Path) -> Iterator[GatewayClient]:
    client = GatewayClient(process.url, admin_of(tmp_path))
    yield client
    client.close()


@pytest.fixture
def witness(client: GatewayClient, tmp_path: Path) -> Witness:
    return Witness(client, tmp_path / "witness", name=NAME, key=KEY, clock=now_us)


def test_it_follows_and_its_cosignatures_become_control_entries(process: Process, edge: Sender, witness: Witness, tmp_path: Path) -> None:
    assert "first look" in witness.look()[0]
    deliver(process, edge, 3)
    [line] = witness.look()
    assert "3 in the data log" in line and "cosigned" in line
    [_, second] = httpx.get(f"{process.url}/v1/checkpoint/cosignatures", headers=bearer(admin_of(tmp_path))).json()
    body = msgspec.convert(second["body"], WitnessBody)
    text, time_s = open_cosignature(body.cosignatures[0].note, NAME, KEY.public)
    assert parse_checkpoint(text).size == 3 and abs(time_s - now_us() // 10**6) < 60 and body.key == KEY.public
    assert second["author"] == "admin:first start"
    assert (tmp_path / "witness/history/data-1-000000000003.note").read_text() == body.cosignatures[0].note


def test_a_cosignature_over_something_else_is_refused(client: GatewayClient) -> None:
    notes = client.get("/v1/checkpoint")
    for note in (notes["data"], notes["data"].replace("\n0\n", "\n1\n", 1)):
        with pytest.raises(ConfigError):
            client.post("/v1/checkpoint/cosignatures", {"witness": NAME, "key": KEY.public, "notes": [note]})


def test_two_gateways_with_one_key_and_different_logs_are_a_split_view(process: Process, edge: Sender, witness: Witness, tmp_path: Path) -> None:
    deliver(process, edge, 2)
    process.end(signal.SIGTERM)
    shutil.copytree(tmp_path / "data", tmp_path / "twin")
    process.start()
    at, digest = edge.seq, edge.previous
    deliver(process, edge, 2)
    witness.look()
    process.end(signal.SIGTERM)
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "twin").rename(tmp_path / "data")
    process.start()
    with pytest.raises(VerificationError, match=r"data log: 4 entries were seen, now 2"):
        witness.look()
    edge.seq, edge.previous = at, digest
    deliver(process, edge, 4, sealed_us=7)
    with pytest.raises(VerificationError, match="a split view"):
        witness.look()
    kept = list((tmp_path / "witness/split-view").iterdir())
    assert len(kept) == 2 and all(file.read_text().count("----") == 4 for file in kept)
    assert not list((tmp_path / "witness/history").glob("data-1-000000000006*")), "nothing is cosigned"


def test_the_command_is_loud_and_exits_1_at_a_split_view(process: Process, edge: Sender, tmp_path: Path) -> None:
    token = tmp_path / "data/admin.token"
    (tmp_path / "evaluator.token").write_text(token.read_text())
    command = [
        "chejian", "evidence", "witness", "--once", "--url", process.url, "--token-file", str(tmp_path / "evaluator.token"), "--state",
        str(tmp_path / "witness")]

    def look() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)

    process.end(signal.SIGTERM)
    shutil.copytree(tmp_path / "data", tmp_path / "twin")
    process.start()
    deliver(process, edge, 1)
    assert look().returncode == 0
    process.end(signal.SIGTERM)
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "twin").rename(tmp_path / "data")
    process.start()
    again = look()
    assert again.returncode == 1 and "SPLIT VIEW" in again.stderr and "Traceback" not in again.stderr


def test_an_announced_restore_is_told_and_a_hidden_one_refused(process: Process, edge: Sender, witness: Witness, tmp_path: Path) -> None:
    settings = load_gateway(tmp_path / "gateway.toml")
    deliver(process, edge, 2)
    backup(settings, tmp_path / "backup", now_us)
    at, digest = edge.seq, edge.previous
    deliver(process, edge, 3)
    witness.look()
    memory = (tmp_path / "witness/state.json").read_bytes()
    process.end(signal.SIGKILL)
    (tmp_path / "data").rename(tmp_path / "lost")
    # Hidden: the copy of the archive is started as if nothing had happened.
    shutil.copytree(tmp_path / "backup", tmp_path / "data")
    process.start()
    with pytest.raises(VerificationError, match="5 entries were seen, now 2"):
        witness.look()
    process.end(signal.SIGKILL)
    shutil.rmtree(tmp_path / "data")
    # Announced.
    restore(settings, tmp_path / "backup", now_us, reason="disk failed")
    process.start()
    edge.seq, edge.previous = at, digest
    deliver(process, edge, 1)
    said = witness.look()
    assert any("WARNING data log: restored from a backup, generation 2: 'disk failed'; 3 entries" in line for line in said), said
    assert msgspec.json.decode(memory, type=Memory).seen == msgspec.json.decode((tmp_path / "witness/state.json").read_bytes(), type=Memory).seen[:2]
    assert "generation 2: consistent" in witness.look()[-1]


def test_a_new_gateway_key_is_learnt_from_the_old_one(process: Process, edge: Sender, witness: Witness, tmp_path: Path) -> None:
    witness.look()
    process.end(signal.SIGTERM)
    old = SigningKey.load(tmp_path / "data/key.pem").public
    new = rotate_key(load_gateway(tmp_path / "gateway.toml"), now_us, workshop(), reason="yearly")
    process.start()
    deliver(process, edge, 1)
    assert new != old and any(new in line for line in witness.look())
    trust = httpx.get(f"{process.url}/v1/trust", headers=bearer(admin_of(tmp_path))).json()
    assert [item["key"] for item in trust["gateway"]] == [old, new]
    entry = httpx.post(f"{process.url}/v1/key-revocations", headers=bearer(admin_of(tmp_path)), json={"key": old, "reason": "copied"}).json()
    assert (entry["kind"], entry["author"], entry["body"]["key"]) == ("key-revocation", "admin:first start", old)
    assert "consistent" in witness.look()[-1]


def test_tiles_are_served_as_c2sp_writes_them(process: Process, edge: Sender, tmp_path: Path) -> None:
    deliver(process, edge, 3)
    client = httpx.Client(base_url=process.url, headers=bearer(admin_of(tmp_path)))
    with client:
        tile = client.get(f"/v1/tile/data/0/{tile_path(0)}.p/3")
        assert tile.status_code == 200 and len(tile.content) == 96
        entry = client.get("/v1/entries", params={"kind": "restore"})
        assert entry.json() == []
        assert client.get("/v1/tile/data/0/000").status_code == 400, "a partial tile is asked for by its width"
        assert client.get("/v1/tile/data/0/0").status_code == 400 and client.get("/v1/tile/data/0/000.p/256").status_code == 400
        proof = client.get("/v1/proof/inclusion", params={"log": "data", "index": 0, "size": 2}).json()
        assert proof["proof"] == [tile.content[32:64].hex()] and leaf_hash(b"") != tile.content[:32]


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A time-stamping authority behind HTTP."""
    made = Authority(tmp_path / "tsa")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = made.reply(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", made.folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_time_stamp_is_asked_for_checked_and_kept(client: GatewayClient, authority: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = authority
    roots = read_roots((folder / "ca.pem").read_bytes(), "ca.pem")
    Witness(client, tmp_path / "witness", name=NAME, key=KEY, clock=now_us, stamps=(url, roots)).look()
    note, stamp = ((tmp_path / f"witness/history/data-1-000000000000.{end}").read_bytes() for end in ("note", "tsr"))
    assert abs(check_response(stamp, note, roots) - now_us()) < 60 * 10**6
    kept = client.get("/v1/checkpoint/cosignatures")[0]["body"]["cosignatures"][0]
    assert base64.b64decode(kept["timestamp"]) == stamp
    (folder / "n").write_bytes(note)
    openssl = subprocess.run(
        ["openssl", "ts", "-verify", "-data", "n", "-in", tmp_path / "witness/history/data-1-000000000000.tsr", "-CAfile", "ca.pem"], cwd=folder,
        capture_output=True, check=False)
    assert openssl.returncode == 0, openssl.stderr
    with pytest.raises(Rejected, match="Mismatch"):
        check_response(stamp, note + b"x", roots)
    with pytest.raises(Rejected, match="time stamp"):
        check_response(stamp, note, roots, nonce=make_request(note)[1])
    with pytest.raises(Rejected, match="not a reply"):
        check_response(b"x", note, roots)
    with pytest.raises(ConfigError, match="no certificate"):
        read_roots(b"x", "roots.pem")
