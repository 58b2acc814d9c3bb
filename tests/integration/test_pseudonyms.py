"""Operators' names: nowhere outside the gateway's own table of tokens, unless the register says so; an administrator can ask, on record."""

import io
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.backup import backup, restore
from gateway.opening import open_house
from gateway.pseudonyms import FILE, FORM, Pseudonyms, open_pseudonyms
from gateway.settings import load_gateway
from tests.integration.test_record import COMMITMENT, FEEDBACK
from tests.unit.gateway.plant import REGISTER, START_US, Process, Sender, admin_of, bearer, configure, known_as, ramp, until
from workshop.errors import ConfigError
from workshop.register_file import parse_register

NAMES = {"engineer": "Li Na 李娜", "evaluator": "Wang <Wu>", "viewer": "张伟"}
NAMED = REGISTER.replace('[workshop]\n', '[workshop]\noperators = "named"\n', 1)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    process.start()
    yield process
    process.close()


def told(process: Process) -> bytes:
    """People do what they do; everything that leaves the gateway afterwards."""
    with httpx.Client(base_url=process.url, headers=bearer(admin_of(process.folder)), timeout=30) as client:
        sender = Sender()
        sender.enrol(client, admin_of(process.folder))
        assert sender.post(client, sender.seal(ramp("m-1/gauge", (time.time_ns() // 1000 - START_US) // 1000, 3))).status_code == 200
        until(lambda: client.get("/readyz").json()["indexed_batches"] == 1, "indexed")
        tokens = {role: client.post("/v1/tokens", json={"role": role, "subject": name}).json()["token"] for role, name in NAMES.items()}
        heads = {role: bearer(token) for role, token in tokens.items()}
        assert client.post("/v1/commitments", json=COMMITMENT, headers=heads["engineer"]).status_code == 200
        assert client.post("/v1/feedback", json=FEEDBACK, headers=heads["evaluator"]).status_code == 200
        assert client.get("/v1/signals", headers=heads["viewer"]).status_code == 200
        assert client.post("/v1/prune", json={"before_us": 1}, headers=heads["viewer"]).status_code == 403
        now = time.time_ns() // 1000
        window = {"from_us": now - 10**7, "to_us": now + 10**7}
        answer = client.post("/v1/bundles", json=window, headers=heads["evaluator"])
        assert answer.status_code == 200, answer.text
        bundle = zipfile.ZipFile(io.BytesIO(answer.content))
        answers = [client.get(path).content for path in (
            "/v1/audit", "/v1/commitments", "/v1/feedback", "/v1/edges", "/v1/trust", "/v1/checkpoint", "/metrics", "/docs", "/openapi.json")]
        leaves = [bytes.fromhex(row["leaf"]) for row in client.get("/v1/entries", params={"kind": "audit"}).json()]
    assert len(leaves) >= 8
    return b"\n".join([*answers, *leaves, *(bundle.read(name) for name in bundle.namelist())])


def test_names_of_people_leave_the_gateway_nowhere(process: Process) -> None:
    found = told(process)
    for role, name in NAMES.items():
        known = known_as(process.folder, name)
        assert FORM.fullmatch(known) and known.encode() in found, role
    assert process.end(signal.SIGTERM) == 0
    found += (process.folder / "gateway.log").read_bytes()
    for piece in ("Li Na", "李娜", "\\u674e", "Wang", "张伟", "\\u5f20"):
        assert piece.encode() not in found, piece
    with open_house(load_gateway(process.folder / "gateway.toml"), lambda: START_US) as house:
        authors = {entry.author for entry in house.archive.control_entries()}
    assert authors >= {f"{role}:{known_as(process.folder, NAMES[role])}" for role in ("engineer", "evaluator")}


def test_the_register_may_say_that_people_are_named(tmp_path: Path) -> None:
    process = Process(tmp_path, register_text=NAMED)
    process.start()
    try:
        found = told(process)
    finally:
        process.close()
    assert all(name.encode() in found for name in NAMES.values())
    assert known_as(tmp_path, NAMES["engineer"]).encode() not in found


def test_registers_that_do_not_say_it_keep_their_digests() -> None:
    plain, named = (parse_register(text, "workshop.toml") for text in (REGISTER, NAMED))
    assert b"operators" not in plain_json(REGISTER) and b'"operators":"named"' in plain_json(NAMED) and plain.digest != named.digest
    with pytest.raises(ConfigError, match="operators = 'secret'"):
        parse_register(NAMED.replace('"named"', '"secret"'), "workshop.toml")


def plain_json(text: str) -> bytes:
    """What a register's digest is made of."""
    from workshop.canonical import canonical_json

    return canonical_json(parse_register(text, "workshop.toml"))


def test_an_administrator_asks_whose_it_is_and_the_question_is_on_record(process: Process, tmp_path: Path) -> None:
    url, admin = process.url, admin_of(process.folder)
    made = {role: httpx.post(f"{url}/v1/tokens", json={"role": role, "subject": name}, headers=bearer(admin)).json()["token"]
            for role, name in NAMES.items()}
    known, token = known_as(process.folder, NAMES["evaluator"]), tmp_path / "token"

    def ask(role: str, pseudonym: str, reason: str = "audit of May") -> subprocess.CompletedProcess[str]:
        token.write_text(({"admin": admin} | made)[role])
        words = ["gateway", "who", pseudonym, "--reason", reason, "--url", url, "--token-file", str(token)]
        return subprocess.run([sys.executable, "-m", "chejian", *words], capture_output=True, text=True, check=False, timeout=60)

    done = ask("admin", known)
    assert (done.returncode, done.stdout) == (0, "Wang <Wu>\n"), done.stderr
    assert ask("engineer", known).returncode != 0 and "may not" in ask("evaluator", known).stderr
    assert "no token of this gateway" in ask("admin", "p-00000000000000000000").stderr
    # An edge or an invitation is no person, and a name is not looked up as a pseudonym.
    assert ask("admin", "edge-1").returncode != 0 and ask("admin", "Wang <Wu>").returncode != 0
    rows = httpx.get(f"{url}/v1/audit", headers=bearer(admin)).json()
    asked = [row["body"]["detail"] for row in rows if row["body"]["what"] == "pseudonym"]
    assert asked[0] == f"resolved {known}, reason audit of May" and len(asked) == 4
    refused = httpx.post(f"{url}/v1/pseudonyms", json={"pseudonym": known, "reason": ""}, headers=bearer(admin))
    assert refused.status_code == 400
    own = httpx.post(f"{url}/v1/tokens", json={"role": "engineer", "subject": "first start"}, headers=bearer(admin))
    assert own.status_code == 400 and "of its own" in own.text


def test_a_backup_keeps_the_key_and_another_gateway_makes_other_pseudonyms(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    settings = configure(tmp_path / "one")
    with open_house(settings, lambda: START_US):
        pass
    key = Path(settings.data) / FILE
    assert key.stat().st_mode & 0o777 == 0o600
    known = known_as(tmp_path / "one", "Li Na")
    backup(settings, tmp_path / "kept", lambda: START_US)
    assert (tmp_path / "kept" / FILE).stat().st_mode & 0o777 == 0o600
    Path(settings.data).rename(tmp_path / "lost")
    restore(settings, tmp_path / "kept", lambda: START_US + 1)
    assert known_as(tmp_path / "one", "Li Na") == known and key.stat().st_mode & 0o777 == 0o600
    (tmp_path / "two" / "data").mkdir(parents=True)
    assert known_as(tmp_path / "two", "Li Na") != known


@pytest.mark.parametrize("content", ["", "ab", "zz" * 32, "0" * 63, "é" * 64])
def test_a_spoiled_key_is_said_and_not_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ConfigError, match=FILE):
        open_pseudonyms(tmp_path)
    assert (tmp_path / FILE).read_text() == content


def test_the_pseudonym_is_the_hmac_of_the_name() -> None:
    # printf 'chejian pseudonym 1\0Li Na' | openssl dgst -sha256 -mac HMAC -macopt hexkey:00…00 (32 bytes), its first 20 digits
    assert Pseudonyms(bytes(32)).of("Li Na") == EXPECTED
    assert Pseudonyms(bytes(32)).of("set-up link") == "set-up link"


EXPECTED = "p-4403bd4d12aad3bc4edb"
