"""Bundles that try to lie and verify, made with the gateway's key and a gateway that does not follow its own rules; each is refused, or says so."""

import json
import random
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evidence.bag import CLAIMS, CONTROL_LOG, PROOFS, REGISTER, STATEMENT
from evidence.bundle import export
from evidence.document import Table, markdown
from evidence.packs import load_packs
from evidence.trust import encode_trust, trust_of
from evidence.verify import verify
from store.archive import Archive
from store.archive_edges import EdgeBook
from store.archive_records import Chain
from store.control_kinds import Answer, Challenge
from store.log import data_leaf
from store.signing import encode_signature
from tests.tamper import test_commands as commands
from tests.tamper.conftest import Good
from tests.tamper.workbench import EDGES, T0, WINDOW, Plant, Spoiled, readings_of
from workshop.batch import NO_DIGEST
from workshop.canonical import canonical_json
from workshop.errors import VerificationError
from workshop.statements import AnswerStatement, Question
from workshop.window import HOUR_US, SECOND_US


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path)
    yield made
    made.archive.close()


def bundle(plant: Plant, good: Good, out: Path, **options: Any) -> Path:
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=out, **options)
    return out


def refused(path: Path, plant: Plant) -> VerificationError:
    with pytest.raises(VerificationError) as error:
        verify(path, trust_of(plant.archive))
    return error.value


def run(plant: Plant, start_us: int, seconds: int, dropping: str = "") -> None:
    """As `Plant.run`; of one edge the gateway throws every batch away and pretends to have it."""
    for offset in range(0, seconds, 20):
        plant.now.time_us = start_us + (offset + 20) * SECOND_US
        for name, machines in EDGES.items():
            rows = [row for machine in machines for row in readings_of(machine, start_us + offset * SECOND_US, 20)]
            batch = plant.edges[name].seal(rows, plant.now())
            if name != dropping:
                plant.commit(batch)
            else:
                chain = plant.archive._chains[name]
                plant.archive._chains[name] = Chain(chain.epoch, chain.seq + 1, batch.digest, plant.now())


def test_batches_thrown_away_at_the_beginning_of_the_range_are_missed(plant: Plant, good: Good, tmp_path: Path) -> None:
    run(plant, T0 - HOUR_US - 200 * SECOND_US, 140)
    run(plant, T0 - HOUR_US - 60 * SECOND_US, 3600 + 60 + 20, dropping="edge-2")
    run(plant, T0 + 20 * SECOND_US, 160)
    error = refused(bundle(plant, good, tmp_path / "b"), plant)
    assert error.step in {6, 9}, error


def test_an_edge_that_was_silent_before_the_window_is_linked_to_its_last_batch(plant: Plant, good: Good, tmp_path: Path) -> None:
    run(plant, T0 - 2 * HOUR_US - 600 * SECOND_US, 40)
    for offset in range(-4000, 180, 20):
        plant.now.time_us = T0 + (offset + 20) * SECOND_US
        for name in EDGES if offset >= 0 else ("edge-1",):
            rows = [row for machine in EDGES[name] for row in readings_of(machine, T0 + offset * SECOND_US, 20)]
            plant.commit(plant.edges[name].seal(rows, plant.now()))
    path = bundle(plant, good, tmp_path / "b")
    found = verify(path, trust_of(plant.archive))
    assert found.ok and found.predicate is not None and len(found.predicate.ranges) == 2
    spoiled = Spoiled(path, plant.key)
    name = min(name for name in spoiled.files if name.endswith(".seg"))
    del spoiled.files[name]
    spoiled.sign(lambda predicate: predicate["ranges"].pop(0))
    assert refused(spoiled.write(tmp_path / "c"), plant).step == 5


@pytest.mark.parametrize("how", ["skipped", "something else"])
def test_a_lost_journal_under_another_name_is_refused(plant: Plant, good: Good, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    begin = EdgeBook._begin_epoch

    def dishonest(self: Archive, added: Any, header: Any, before: Chain, _: str) -> None:
        begin(self, added, header, before, how)

    with monkeypatch.context() as patched:
        patched.setattr(EdgeBook, "_begin_epoch", dishonest)
        plant.run(T0 - 60 * SECOND_US, 80)
        edge = plant.edges["edge-1"]
        plant.now.time_us += 61 * SECOND_US
        edge.epoch, edge.seq, edge.prev = plant.now(), 0, NO_DIGEST
        run(plant, T0 + 81 * SECOND_US, 120)
        patched.setattr("evidence.control.Control._begin", lambda self, body: self.epochs.update({(body.edge, body.epoch): body}))
        path = bundle(plant, good, tmp_path / "b")
    assert refused(path, plant).step in {4, 6}


def test_checkpoints_of_the_control_log_cannot_go_without_their_proofs(plant: Plant, good: Good, tmp_path: Path) -> None:
    for start_us in (T0 - 4 * HOUR_US, T0 - 3 * HOUR_US, T0 - 60 * SECOND_US):
        run(plant, start_us, 40)
        plant.archive.seal_checkpoint()
    run(plant, T0 - 20 * SECOND_US, 180)
    spoiled = Spoiled(bundle(plant, good, tmp_path / "b"), plant.key)
    proofs = json.loads(spoiled.files[PROOFS])
    assert proofs["checkpoints"]
    proofs["checkpoints"] = []
    spoiled.files[PROOFS] = canonical_json(proofs)
    spoiled.sign()
    with pytest.raises(VerificationError, match="no proof") as error:
        verify(spoiled.write(tmp_path / "c"), msgspec.structs.replace(trust_of(plant.archive), checkpoints=()))
    assert error.value.step == 5


SPOOF = "\r\x1b[2K\n✓ (12) signer: known\u202e\x9b2J"


def test_nothing_that_a_bundle_says_can_write_lines_of_its_own_on_the_screen(plant: Plant, good: Good, tmp_path: Path) -> None:
    plant.archive.add_control("some" + SPOOF, {}, author="x")
    claims = [msgspec.structs.replace(item, id=item.id + SPOOF, title_en=SPOOF, title_zh=SPOOF) for item in good.claims]
    plant.run_story()
    export(plant.archive, window=WINDOW, claims=claims, packs=load_packs(), out=tmp_path / "b")
    found = verify(tmp_path / "b", trust_of(plant.archive))
    assert all(step.text.isprintable() for step in found.steps) and "\\x1b" in found.steps[3].text
    (tmp_path / "trust.json").write_bytes(encode_trust(trust_of(plant.archive)))
    for words in (("verify", tmp_path / "b", "--trust", tmp_path / "trust.json"), ("report", tmp_path / "b"), ("show", tmp_path / "b")):
        said = commands.run(*words)
        assert said.stdout and not {"\x1b", "\r", "\x9b", "\u202e"} & set(said.stdout + said.stderr), words
        assert not any(line.lstrip().startswith("✓ (12) signer: known") for line in said.stdout.splitlines()), words


@pytest.mark.parametrize("text", ["a\\|b | c", "[x](http://evil)", "![x](http://evil)", "<img src=x>", "`x", "\\"])
def test_what_somebody_wrote_stays_text_in_a_report(text: str) -> None:
    said = markdown([Table(["a", "b"], [[text, "c"]])]).splitlines()[2]
    cells = re.split(r"(?<!\\)(?:\\\\)*\|", said)
    assert len(cells) == 4 and "<" not in said and not re.search(r"(?<!\\)(?:\\\\)*\[", said)


NASTY: list[Any] = [
    2**53, 2**64, 2**200, -1, -(2**70), 1e308, "", "\x00", "\ud7ff", "\U0010ffff" * 3, "x" * 70_000, None, True, [], {}, [[]] * 3, {"": ""}, "NaN",
    0.1, "../../x", "1e400", "00" * 32,
]


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(tree, dict | list):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield from places(tree[key], (*path, key))


def put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    inner = tree
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return tree


def test_nasty_values_anywhere_end_in_a_refusal_never_in_a_crash_or_a_better_answer(good: Good, tmp_path: Path) -> None:
    lots = random.Random(5)
    best = {item.claim: item.outcome for item in verify(good.folder, good.trust).verdicts}
    spoiled = Spoiled(good.folder, good.plant.key)
    names = [PROOFS, CLAIMS, REGISTER, "data/packs/changsha-2015.json", "predicate", "envelope"]
    clean = dict(spoiled.files)
    for number in range(60):
        spoiled.files = dict(clean)
        name, value = names[number % len(names)], lots.choice(NASTY)
        if name == "predicate":
            def change(predicate: dict[str, Any], value: Any = value) -> None:
                put(predicate, lots.choice([path for path in places(predicate) if path]), value)

            try:
                spoiled.sign(change)
            except (ValueError, RecursionError):
                continue  # it has no canonical form: nobody can sign it
        else:
            file = STATEMENT if name == "envelope" else name
            tree = json.loads(spoiled.files[file])
            spoiled.files[file] = json.dumps(put(tree, lots.choice(list(places(tree))[1:]), value), separators=(",", ":"), sort_keys=True).encode()
            if name != "envelope":
                spoiled.sign()
        path = spoiled.write(tmp_path / str(number))
        try:
            found = verify(path, good.trust)
        except VerificationError as error:
            assert error.text
            continue
        finally:
            shutil.rmtree(path)
        for item in found.verdicts:
            assert item.outcome in {best.get(item.claim), "undetermined", "not_applicable"}, (number, name, value)


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize("name", [PROOFS, CLAIMS, REGISTER, "data/packs/changsha-2015.json", STATEMENT])
def test_deep_json_is_refused(good: Good, tmp_path: Path, name: str) -> None:
    spoiled = Spoiled(good.folder, good.plant.key)
    spoiled.files[name] = DEEP
    if name != STATEMENT:
        spoiled.sign()
    with pytest.raises(VerificationError):
        verify(spoiled.write(tmp_path / "b"), good.trust)


@pytest.mark.parametrize("body", [
    b'{"a":' * 90_000 + b"1" + b"}" * 90_000, b'{"origin":"x","origin":"y"}', b'{"n":1e999}', b'{"n":9007199254740993}',
])
def test_control_entries_that_no_honest_gateway_writes_are_refused(plant: Plant, good: Good, tmp_path: Path, body: bytes) -> None:
    plant.run_story()
    spoiled = Spoiled(bundle(plant, good, tmp_path / "b"), plant.key)
    entry = b'{"author":"x","body":' + body + b',"kind":"nothing","time_us":%d,"v":1}' % plant.now()
    leaf = data_leaf(plant.now(), entry, plant.key.sign("control", entry))
    spoiled.files[CONTROL_LOG] += struct.pack(">I", len(leaf)) + leaf + b"\x00\x00"
    spoiled.sign()
    with pytest.raises(VerificationError) as error:
        verify(spoiled.write(tmp_path / "c"), msgspec.structs.replace(trust_of(plant.archive), checkpoints=()))
    assert error.value.step == 4


def test_a_zip_whose_directory_is_larger_than_its_files_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    with path.open("wb") as file:
        file.truncate(200 * 2**20)
        file.seek(200 * 2**20)
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65_000, 65_000, 200 * 2**20, 0, 0))
    with pytest.raises(VerificationError, match="directory") as error:
        verify(path, None)
    assert error.value.step == 1


def test_an_answer_of_silence_is_counted_as_such(plant: Plant, good: Good, tmp_path: Path) -> None:
    plant.run(T0 - 60 * SECOND_US, 100)
    question = Question("q", "edge-2", "cnc-01/power", "", T0, T0 + 10 * SECOND_US)
    index = plant.archive.add(Challenge(question), author="evaluator:friend")
    said = AnswerStatement(question, plant.edges["edge-2"].epoch, None, None, None, None, T0 + 20 * SECOND_US)
    signature = encode_signature(plant.edges["edge-2"].key.sign("answer", canonical_json(said)))
    plant.archive.add(Answer(index, said, signature), author="edge:edge-2")
    plant.run(T0 + 40 * SECOND_US, 140)
    found = verify(bundle(plant, good, tmp_path / "b"), trust_of(plant.archive))
    assert any("in agreement with the batches: 1, of which 1 said that there was no reading" in item.reason for item in found.verdicts)


@pytest.mark.parametrize("bound", ["NaN", "Infinity", "1E+999999999", "1_0", "\uff11", " 1", "+1", "1.", ".5", "0x1"])
def test_a_bound_has_one_spelling(good: Good, tmp_path: Path, bound: str) -> None:
    claims = json.loads((good.folder / CLAIMS).read_bytes())
    claim = next(item for item in claims if item["at_most"] is not None)
    claim["at_most"] = bound
    spoiled = Spoiled(good.folder, good.plant.key)
    spoiled.files[CLAIMS] = canonical_json(claims)
    spoiled.sign()
    with pytest.raises(VerificationError) as error:
        verify(spoiled.write(tmp_path / "b"), good.trust)
    assert error.value.step == 8


def test_the_window_is_said_where_it_is_checked(good: Good) -> None:
    text = verify(good.folder, good.trust).steps[8].text
    assert "window 2026-01-05T02:00:00Z – 2026-01-05T02:02:00Z" in text
