"""`chejian evidence verify`, `show` and `report` on a good bundle; the same bytes on every computer."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from evidence.trust import encode_trust
from tests.tamper.conftest import Good
from tests.tamper.workbench import REPOSITORY, Spoiled
from workshop.canonical import sha256_hex

CHANGSHA = "data/packs/changsha-2015.json"


def run(*words: object, python: str = sys.executable, **environment: str) -> subprocess.CompletedProcess[str]:
    home = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [python, "-m", "chejian", "evidence", *(str(word) for word in words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=REPOSITORY, encoding="utf-8",
        env={**home, "PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1", **environment},
    )


@pytest.fixture
def trust(good: Good, tmp_path: Path) -> Path:
    path = tmp_path / "trust.json"
    path.write_bytes(encode_trust(good.trust))
    return path


def test_json_is_exactly_ok_steps_and_verdicts(good: Good, trust: Path) -> None:
    found = run("verify", good.zip, "--trust", trust, "--json")
    said = json.loads(found.stdout)
    assert found.returncode == 0 and set(said) == {"ok", "steps", "verdicts"} and said["ok"] is True
    assert [set(step) for step in said["steps"]] == [{"n", "name", "ok", "text"}] * 12
    without = run("verify", good.zip, "--json")
    assert without.returncode == 1 and json.loads(without.stdout)["ok"] is False


def test_more_checkpoints_can_be_pinned(good: Good, trust: Path, tmp_path: Path) -> None:
    note = tmp_path / "data.txt"
    note.write_text(good.plant.archive.checkpoint("data"), encoding="utf-8")
    found = run("verify", good.zip, "--trust", trust, "--checkpoint", note)
    assert found.returncode == 0 and "pinned checkpoints extended" in found.stdout
    assert run("verify", good.zip, "--checkpoint", note).returncode == 2
    note.write_text(note.read_text(encoding="utf-8").replace("data", "date", 1), encoding="utf-8")
    assert run("verify", good.zip, "--trust", trust, "--checkpoint", note).returncode == 2


def test_a_pack_is_accepted_by_its_digest_alone(good: Good, trust: Path, tmp_path: Path) -> None:
    bundle = Spoiled(good.folder, good.plant.key)
    bundle.files[CHANGSHA] = bundle.files[CHANGSHA].replace(b'"at_most":"0.70"', b'"at_most":"1.70"')
    digest = sha256_hex(bundle.files[CHANGSHA])
    bundle.sign(lambda predicate: predicate["packs"][0].update(sha256=digest))
    path = bundle.write(tmp_path / "b")
    refused = run("verify", path, "--trust", trust)
    assert refused.returncode == 1 and f"--accept-pack {digest}" in refused.stdout
    assert run("verify", path, "--trust", trust, "--accept-pack", digest).returncode == 0
    assert run("verify", path, "--trust", trust, "--accept-pack", digest.upper()).returncode == 2


def test_show_says_what_is_in_it_and_that_nothing_was_checked(good: Good) -> None:
    found = run("show", good.zip, "--lang", "en")
    assert found.returncode == 0 and "ranges of the data log" in found.stdout and "not verified" in found.stderr
    assert json.loads(run("show", good.zip, "--json").stdout)["origin"] == good.trust.origin
    assert run("show", good.zip.parent / "nothing.zip").returncode == 2


@pytest.mark.parametrize(("name", "lang", "words"), [
    ("report.md", "zh", "机器确实如此报告"), ("report.html", "en", "that the machine said it"), ("report.html", "zh", "<td>机器确实如此报告</td>"),
])
def test_the_report_in_two_languages_and_two_forms(good: Good, trust: Path, tmp_path: Path, name: str, lang: str, words: str) -> None:
    out = tmp_path / name
    assert run("report", good.zip, "--trust", trust, "--out", out, "--lang", lang).returncode == 0
    assert words in out.read_text(encoding="utf-8")
    assert run("report", good.zip, "--out", tmp_path / "report.pdf").returncode == 2


def test_a_report_of_what_does_not_hold_says_so(good: Good, trust: Path, tmp_path: Path) -> None:
    bundle = Spoiled(good.folder, good.plant.key)
    bundle.files["data/claims.json"] += b" "
    found = run("report", bundle.write(tmp_path / "b"), "--trust", trust, "--lang", "en")
    assert found.returncode == 1 and "does not hold" in found.stdout


OTHERS = [
    {"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "TZ": "America/New_York", "PYTHONHASHSEED": "1"},
    {"LC_ALL": "C", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "4242", "PYTHONUTF8": "0"},
]


@pytest.mark.parametrize("environment", OTHERS)
def test_the_answer_is_the_same_in_another_place(good: Good, trust: Path, environment: dict[str, str]) -> None:
    here = run("verify", good.zip, "--trust", trust, "--json")
    there = run("verify", good.zip, "--trust", trust, "--json", **environment)
    assert here.returncode == there.returncode == 0 and here.stdout == there.stdout


@pytest.mark.long
@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_the_answer_is_the_same_under_another_python(good: Good, trust: Path, version: str) -> None:
    """CHEJIAN_PYTHON_3_12 may name an interpreter that has the extra `evidence` and typer."""
    python = os.environ.get(f"CHEJIAN_PYTHON_{version.replace('.', '_')}") or shutil.which(f"python{version}")
    needed = "import msgspec, numpy, zstandard, cryptography, rfc8785, typer, rich, rfc3161_client"
    if python is None or subprocess.run([python, "-c", needed], capture_output=True, check=False).returncode:
        pytest.skip(f"no python{version} with the libraries of the extra 'evidence'")
    here, there = (run("verify", good.zip, "--trust", trust, "--json", python=name) for name in (sys.executable, python))
    assert there.returncode == 0 and here.stdout == there.stdout
    assert msgspec.json.decode(there.stdout)["ok"]
