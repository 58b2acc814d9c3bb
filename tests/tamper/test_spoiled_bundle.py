"""One table, long because it is one: what is spoiled, and the step that must refuse it. A new field in the bundle needs a new row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import evidence.bundle
from evidence.bag import CHECKPOINTS, CLAIMS, CONTROL_LOG, PROOFS, REGISTER, STATEMENT
from evidence.bundle import export
from evidence.control import Control
from evidence.packs import load_packs
from evidence.segment import read_segment, write_head, write_leaf
from evidence.trust import TrustFile, pin, trust_of
from evidence.verify import verify
from store.archive import Archive
from store.log import checkpoint_text, sign_note
from store.signing import SigningKey
from tests.tamper.conftest import Good
from tests.tamper.workbench import ORIGIN, T0, WINDOW, Plant, Spoiled
from workshop.canonical import canonical_json, sha256_hex
from workshop.errors import VerificationError
from workshop.window import HOUR_US, SECOND_US, Window

FIRST = 2
SEGMENT = "data/segments/000000000002-000000000022.seg"
CHANGSHA = "data/packs/changsha-2015.json"
PAYLOAD = (*CHECKPOINTS.values(), CLAIMS, CONTROL_LOG, PROOFS, REGISTER, STATEMENT, SEGMENT, CHANGSHA, "data/packs/yancheng-2022.json")
TAGS = ("bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt")


def refused(path: Path, trust: TrustFile | None) -> int:
    """The step that refuses the bundle."""
    with pytest.raises(VerificationError) as error:
        verify(path, trust)
    assert error.value.text
    return error.value.step


@pytest.mark.parametrize("name", [*PAYLOAD, *TAGS])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_flipped_byte_in_any_file_is_refused_by_the_container(good: Good, tmp_path: Path, name: str, place: str) -> None:
    bundle = Spoiled(good.folder, good.plant.key)
    bundle.files[name] = flip(bundle.files[name], place)
    assert refused(bundle.write(tmp_path / "b", fit=False), good.trust) == 1


@pytest.mark.parametrize("name", [*PAYLOAD, *TAGS])
def test_a_file_that_is_missing_is_refused_by_the_container(good: Good, tmp_path: Path, name: str) -> None:
    bundle = Spoiled(good.folder, good.plant.key)
    del bundle.files[name]
    assert refused(bundle.write(tmp_path / "b", fit=False), good.trust) == 1


@pytest.mark.parametrize("name", ["data/note.txt", "data/packs/X.json", "README.md", "data/segments/extra.seg", "data/Claims.json"])
def test_a_file_too_many_is_refused_even_if_it_is_listed(good: Good, tmp_path: Path, name: str) -> None:
    bundle = Spoiled(good.folder, good.plant.key)
    bundle.files[name] = b"hello"
    assert refused(bundle.write(tmp_path / "b"), good.trust) == 1


@pytest.mark.parametrize("what", ["file link", "folder link", "empty folder"])
def test_links_and_empty_folders_are_refused(good: Good, tmp_path: Path, what: str) -> None:
    path = Spoiled(good.folder, good.plant.key).write(tmp_path / "b")
    match what:
        case "file link":
            (path / CLAIMS).unlink()
            (path / CLAIMS).symlink_to(good.folder / CLAIMS)
        case "folder link":
            (path / "data/more").symlink_to(good.folder / "data")
        case _:
            (path / "data/more").mkdir()
    assert refused(path, good.trust) == 1


@pytest.mark.parametrize("name", PAYLOAD)
def test_a_changed_file_with_manifests_that_fit_is_refused_by_the_statement(good: Good, tmp_path: Path, name: str) -> None:
    bundle = Spoiled(good.folder, good.plant.key)
    bundle.files[name] = flip(bundle.files[name], "middle")
    assert refused(bundle.write(tmp_path / "b"), good.trust) == 2


def flip(data: bytes, place: str) -> bytes:
    at = {"first": 0, "middle": len(data) // 2, "last": len(data) - 1}[place]
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def leaves_of(data: bytes, first: int, folder: Path) -> list[tuple[bytes, list[bytes | None]]]:
    path = folder / "leaves"
    path.write_bytes(data)
    with path.open("rb") as file:
        return [(leaf, parts) for leaf, parts, _ in read_segment(file, first)]


def segment_of(first: int, leaves: list[tuple[bytes, list[bytes | None]]], folder: Path) -> bytes:
    path = folder / "segment"
    with path.open("wb") as file:
        write_head(file, first)
        for leaf, parts in leaves:
            write_leaf(file, leaf, parts)
    return path.read_bytes()


Spoil = Callable[[Spoiled, Path], Callable[[dict[str, Any]], None] | None]


def _control(change: Callable[[list[Any]], object]) -> Spoil:
    def spoil(bundle: Spoiled, folder: Path) -> None:
        leaves = leaves_of(bundle.files[CONTROL_LOG], 0, folder)
        change(leaves)
        bundle.files[CONTROL_LOG] = segment_of(0, leaves, folder)

    return spoil


def _data(change: Callable[[list[Any]], object], name: str = SEGMENT) -> Spoil:
    def spoil(bundle: Spoiled, folder: Path) -> None:
        leaves = leaves_of(bundle.files.pop(SEGMENT), FIRST, folder)
        change(leaves)
        bundle.files[name] = segment_of(FIRST, leaves, folder)

    return spoil


def _part(change: Callable[[bytes | None], bytes | None]) -> Spoil:
    def edit(leaves: list[Any]) -> None:
        parts = leaves[11][1]
        assert parts[0] is not None
        parts[0] = change(parts[0])

    return _data(edit)


def _flip_leaf(leaves: list[Any], index: int, at: int) -> None:
    leaf, parts = leaves[index]
    leaves[index] = (leaf[:at] + bytes([leaf[at] ^ 1]) + leaf[at + 1 :], parts)


def _swap(leaves: list[Any]) -> None:
    leaves[4], leaves[5] = leaves[5], leaves[4]


def _json(name: str, old: bytes, new: bytes) -> Spoil:
    def spoil(bundle: Spoiled, folder: Path) -> None:
        assert bundle.files[name].count(old) >= 1, name
        bundle.files[name] = bundle.files[name].replace(old, new, 1)

    return spoil


def _predicate(change: Callable[[dict[str, Any]], object]) -> Spoil:
    def edit(predicate: dict[str, Any]) -> None:
        change(predicate)

    return lambda bundle, folder: edit


def _proofs(change: Callable[[dict[str, Any]], object]) -> Spoil:
    def spoil(bundle: Spoiled, folder: Path) -> None:
        proofs = msgspec.json.decode(bundle.files[PROOFS])
        change(proofs)
        bundle.files[PROOFS] = canonical_json(proofs)

    return spoil


def _window(**moves: int) -> Spoil:
    def move(predicate: dict[str, Any]) -> None:
        for name, by in moves.items():
            predicate["window"][name] += by

    return _predicate(move)


def _withheld(bundle: Spoiled, folder: Path) -> Callable[[dict[str, Any]], None]:
    """One part is left out, and the statement admits it; its figures are those with the part."""
    leaves = leaves_of(bundle.files[SEGMENT], FIRST, folder)
    rows = msgspec.json.decode(leaves[11][0][12:-64])["parts"][0]["rows"]
    leaves[11][1][0] = None
    bundle.files[SEGMENT] = segment_of(FIRST, leaves, folder)

    def admit(predicate: dict[str, Any]) -> None:
        predicate["withheld"] = ["robot-01"]
        predicate["absent"] = [{"equipment": "robot-01", "why": "withheld", "parts": 1, "rows": rows}]

    return admit


def _lower_threshold(bundle: Spoiled, folder: Path) -> Callable[[dict[str, Any]], None]:
    bundle.files[CHANGSHA] = bundle.files[CHANGSHA].replace(b'"at_most":"0.70"', b'"at_most":"1.70"')
    digest = sha256_hex(bundle.files[CHANGSHA])
    return lambda predicate: predicate["packs"][0].update(sha256=digest)


def _drop_pack(bundle: Spoiled, folder: Path) -> Callable[[dict[str, Any]], None]:
    del bundle.files[CHANGSHA]
    return lambda predicate: predicate["packs"].pop(0)


def _remove_segment(bundle: Spoiled, folder: Path) -> None:
    del bundle.files[SEGMENT]


def _forge_register(bundle: Spoiled, folder: Path) -> Callable[[dict[str, Any]], None]:
    register = msgspec.json.decode(bundle.files[REGISTER])
    register["equipment"] = [item for item in register["equipment"] if item["digital"]]
    bundle.files[REGISTER] = canonical_json(register)
    digest = sha256_hex(bundle.files[REGISTER])
    return lambda predicate: predicate["registers"][0].update(digest=digest)


def _cut_logs(log: str) -> Spoil:
    """The gateway signs a shorter log; its proofs still speak of the longer one."""

    def spoil(bundle: Spoiled, folder: Path) -> Callable[[dict[str, Any]], None]:
        size = bundle.predicate()[log]["size"] - 1
        text = checkpoint_text(f"{ORIGIN}/{log}", size, b"\x01" * 32)
        bundle.files[CHECKPOINTS[log]] = sign_note(text, f"{ORIGIN}/{log}", bundle.key).encode()
        return lambda predicate: predicate[log].update(size=size, root="01" * 32)

    return spoil


def _dishonest_verdict(predicate: dict[str, Any]) -> None:
    predicate["verdicts"][2]["outcome"] = "confirmed"


def _dishonest_result(predicate: dict[str, Any]) -> None:
    next(item for item in predicate["results"] if item["indicator"] == "defect_rate")["value"] = "0.001000"


# What a gateway could do with its own key: everything is signed again and every manifest fits. (what, how, step that must refuse)
# None: the bundle still says nothing that is not so, and verifies to the same verdicts.
DISHONEST: list[tuple[str, Spoil, int | None]] = [
    ("data checkpoint of another root", _json(CHECKPOINTS["data"], b"/data\n", b"/datb\n"), 3),
    ("control checkpoint without signature", lambda b, f: b.files.update({CHECKPOINTS["control"]: b.files[CHECKPOINTS["control"]][:40]}), 3),
    ("checkpoints swapped", lambda b, f: b.files.update({CHECKPOINTS["control"]: b.files[CHECKPOINTS["data"]]}), 3),
    ("checkpoint and statement at odds", _predicate(lambda p: p["data"].update(root="00" * 32)), 3),
    ("data log said to be longer", _predicate(lambda p: p["data"].update(size=p["data"]["size"] + 1)), 3),
    ("control log of another root", _predicate(lambda p: p["control"].update(root="00" * 32)), 3),
    ("control log said to be longer", _predicate(lambda p: p["control"].update(size=p["control"]["size"] + 1)), 3),
    ("a generation that is not", _predicate(lambda p: p.update(generation=2)), 3),
    ("another version", _predicate(lambda p: p.update(v=2)), 2),
    ("another origin", _predicate(lambda p: p.update(origin="chejian.local/test-00000000")), 2),
    ("another gateway key", _predicate(lambda p: p.update(gateway_key=SigningKey.create().public)), 2),
    ("a field too many", _predicate(lambda p: p.update(more=1)), 2),
    ("control entry removed from the middle", _control(lambda leaves: leaves.pop(2)), 4),
    ("first control entry removed", _control(lambda leaves: leaves.pop(0)), 4),
    ("last control entry removed", _control(lambda leaves: leaves.pop()), 4),
    ("control entry twice", _control(lambda leaves: leaves.append(leaves[-1])), 4),
    ("control entries swapped", _control(_swap), 4),
    ("control entry changed", _control(lambda leaves: _flip_leaf(leaves, 1, 60)), 4),
    ("control entry's time changed", _control(lambda leaves: _flip_leaf(leaves, 1, 7)), 4),
    ("control entry's signature changed", _control(lambda leaves: _flip_leaf(leaves, 1, -1)), 4),
    ("control entry with a part", _control(lambda leaves: leaves[1][1].append(b"part")), 4),
    ("control log empty", lambda b, f: b.files.update({CONTROL_LOG: b"CJS1" + bytes(8)}), 4),
    ("control log cut by the gateway", _cut_logs("control"), 4),
    ("data log cut by the gateway", _cut_logs("data"), 5),
    ("batch removed from the middle", _data(lambda leaves: leaves.pop(5)), 5),
    ("batch removed, file named after it", _data(lambda leaves: leaves.pop(5), "data/segments/000000000002-000000000021.seg"), 5),
    ("batches cut at the end of the range", _data(lambda leaves: leaves.pop()), 5),
    ("batches swapped", _data(_swap), 5),
    ("batch twice", _data(lambda leaves: leaves.insert(5, leaves[5])), 5),
    ("batch's accepted time changed", _data(lambda leaves: _flip_leaf(leaves, 5, 7)), 5),
    ("batch's header changed", _data(lambda leaves: _flip_leaf(leaves, 5, 80)), 5),
    ("batch's signature changed", _data(lambda leaves: _flip_leaf(leaves, 5, -1)), 5),
    ("range's segment missing", _remove_segment, 5),
    ("segment with another first index", lambda b, f: b.files.update({SEGMENT: b"CJS1" + bytes(7) + b"\x04" + b.files[SEGMENT][12:]}), 5),
    ("hash before the range changed", _proofs(lambda p: p["holes"][0].__setitem__(0, "0" * 64)), 5),
    ("hash before the range in another spelling", _proofs(lambda p: p["holes"][0].__setitem__(0, p["holes"][0][0].upper())), 5),
    ("hashes before the range gone", _proofs(lambda p: p["holes"].__setitem__(0, [])), 5),
    ("hash after the range changed", _proofs(lambda p: p["holes"][1].__setitem__(0, "0" * 64)), 5),
    ("a hole more", _proofs(lambda p: p["holes"].append([])), 5),
    ("no holes", _proofs(lambda p: p.update(holes=[])), 5),
    ("proofs of another size", _proofs(lambda p: p.update(size=p["size"] + 1)), 5),
    ("proofs in another spelling", lambda b, f: b.files.update({PROOFS: b.files[PROOFS] + b" "}), 5),
    ("range said to end elsewhere", _predicate(lambda p: p["ranges"][0].update(end=21)), 5),
    ("range said to begin elsewhere", _predicate(lambda p: p["ranges"][0].update(first=4)), 5),
    ("range invented", _predicate(lambda p: p["ranges"].append({"first": 23, "end": 24})), 5),
    ("no range", _predicate(lambda p: p["ranges"].clear()), 5),
    ("part changed", _part(lambda part: flip(part or b"", "last")), 6),
    ("part cut", _part(lambda part: (part or b"")[:-1]), 6),
    ("part left out in silence", _part(lambda part: None), 9),
    ("parts' count changed", _data(lambda leaves: leaves[10][1].append(None)), 6),
    ("register forged beside the log", _forge_register, 7),
    ("another register file", _json(REGISTER, b'"digital":false', b'"digital":true'), 7),
    ("register's time moved", _predicate(lambda p: p["registers"][0].update(time_us=p["registers"][0]["time_us"] - 1)), 7),
    ("register revision hidden", _predicate(lambda p: p["registers"].clear()), 7),
    ("threshold lowered in a pack", _lower_threshold, 8),
    ("pack dropped", _drop_pack, 8),
    ("pack's digest misstated", _predicate(lambda p: p["packs"][0].update(sha256="0" * 64)), 8),
    ("claims in another spelling", lambda b, f: b.files.update({CLAIMS: b.files[CLAIMS] + b"\n"}), 8),
    ("no claims", lambda b, f: b.files.update({CLAIMS: b"[]"}), 8),
    ("claim on a clause that is not there", _json(CLAIMS, b"CS-T1", b"CS-T2"), 8),
    ("window moved", _window(end_us=-10 * SECOND_US), 10),
    ("window begun earlier", _window(start_us=-60 * SECOND_US), 10),
    ("window moved to before the range", _window(start_us=-7200 * SECOND_US), 9),
    ("window beyond the range", _window(end_us=60 * SECOND_US), 9),
    ("window empty", _window(end_us=-120 * SECOND_US), 6),
    ("window of eleven years", _window(end_us=11 * 366 * 86_400 * SECOND_US), 6),
    ("another lookback", _predicate(lambda p: p.update(lookback_us=0)), 9),
    ("rules as of no date", _predicate(lambda p: p.update(as_of="2026-13-01")), 9),
    ("rules as of another date", _predicate(lambda p: p.update(as_of="2016-01-01")), 11),
    ("gap hidden", _predicate(lambda p: p["gaps"].clear()), 9),
    ("gap shortened", _predicate(lambda p: p["gaps"][0].update(to_us=p["gaps"][0]["to_us"] - 1)), 9),
    ("gap of another edge", _predicate(lambda p: p["gaps"][0].update(edge="edge-1")), 9),
    ("gap of other signals", _predicate(lambda p: p["gaps"][0].update(signals=["robot-01/power"])), 9),
    ("gap begun later", _predicate(lambda p: p["gaps"][0].update(from_us=p["gaps"][0]["from_us"] + 1)), 9),
    ("gap for another reason", _predicate(lambda p: p["gaps"][0].update(reason="planned")), 9),
    ("absent parts invented", _predicate(lambda p: p["absent"].append({"equipment": "cnc-01", "why": "damaged", "parts": 1, "rows": 1})), 9),
    ("part left out and called withheld afterwards", _withheld, 10),
    ("equipment said to be withheld", _predicate(lambda p: p["withheld"].append("cnc-01")), None),
    ("withheld twice", _predicate(lambda p: p["withheld"].extend(["cnc-01", "cnc-01"])), 9),
    ("malformed part invented", _predicate(lambda p: p["malformed"].append({"edge": "edge-1", "epoch": 1, "seq": 1, "equipment": "cnc-01"})), 10),
    ("undelivered data invented", _predicate(lambda p: p["undelivered"].append(1)), 9),
    ("baseline invented", _predicate(lambda p: p.update(baseline={"start_us": p["window"]["start_us"] - 1, "end_us": p["window"]["start_us"]})), 7),
    ("baseline within the window", _predicate(lambda p: p.update(baseline=p["window"])), 6),
    ("results of a baseline that is none", _predicate(lambda p: p["baseline_results"].append(p["results"][0])), 10),
    ("register of a baseline that is none", _predicate(lambda p: p["baseline_registers"].append(p["registers"][0])), 7),
    ("result changed", _predicate(_dishonest_result), 10),
    ("result left out", _predicate(lambda p: p["results"].pop()), 10),
    ("result twice", _predicate(lambda p: p["results"].append(p["results"][0])), 10),
    ("indicator left out", _predicate(lambda p: p["indicators"].pop()), 10),
    ("verdict changed", _predicate(_dishonest_verdict), 11),
    ("verdict left out", _predicate(lambda p: p["verdicts"].pop()), 11),
    ("claim made easier", _json(CLAIMS, b'"at_least":"0.95"', b'"at_least":"0.15"'), 11),
    ("claim dropped", lambda b, f: b.files.update({CLAIMS: canonical_json(msgspec.json.decode(b.files[CLAIMS])[:3])}), 11),
]


@pytest.mark.parametrize(("what", "spoil", "step"), DISHONEST, ids=[row[0] for row in DISHONEST])
def test_what_even_the_gateway_cannot_forge(good: Good, tmp_path: Path, what: str, spoil: Spoil, step: int | None) -> None:
    bundle = Spoiled(good.folder, good.plant.key)
    change = spoil(bundle, tmp_path)
    bundle.sign(change or (lambda predicate: None))
    path = bundle.write(tmp_path / "b")
    if step is None:
        assert verify(path, good.trust).verdicts == verify(good.folder, good.trust).verdicts
    else:
        assert refused(path, good.trust) == step


def test_signed_again_with_another_key_is_refused_by_the_statement(good: Good, tmp_path: Path) -> None:
    bundle = Spoiled(good.folder, good.plant.key)
    bundle.sign(_dishonest_result, SigningKey.create())
    path = bundle.write(tmp_path / "b")
    assert refused(path, good.trust) == 2
    assert refused(path, None) == 2  # it names a key that did not sign it


def test_a_whole_factory_made_again_with_other_keys_is_refused_by_the_statement(good: Good, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.run_story()
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    assert refused(tmp_path / "b", good.trust) == 2
    assert not verify(tmp_path / "b", None).ok
    plant.archive.close()


def test_the_right_gateway_with_another_edge_is_refused_by_the_batches(good: Good, tmp_path: Path) -> None:
    plant = Plant(tmp_path, good.plant.key)
    plant.run_story()
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    no_pins = msgspec.structs.replace(good.trust, checkpoints=())
    assert refused(tmp_path / "b", good.trust) == 4   # another history than the one that was pinned
    assert refused(tmp_path / "b", no_pins) == 6      # the edges' keys are not those that the evaluator knows
    plant.archive.close()


@pytest.mark.parametrize(("log", "step"), [("control", 4), ("data", 5)])
def test_a_log_cut_at_its_end_is_refused_against_the_pinned_checkpoint(good: Good, tmp_path: Path, log: str, step: int) -> None:
    plant = Plant(tmp_path)
    plant.run_story()
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    trust = msgspec.structs.replace(trust_of(plant.archive), checkpoints=())
    assert verify(tmp_path / "b", trust).ok
    plant.run(WINDOW.end_us + 120 * SECOND_US, 20)
    plant.archive.seal_checkpoint()
    assert refused(tmp_path / "b", pin(trust, [plant.archive.checkpoint(log)])) == step  # type: ignore[arg-type]
    plant.archive.close()


def test_a_pinned_checkpoint_that_no_proof_reaches_is_refused(tmp_path: Path, good: Good) -> None:
    plant = Plant(tmp_path)
    plant.run(WINDOW.start_us - 7200 * SECOND_US, 20)
    note = plant.archive.checkpoint("data")
    plant.run(WINDOW.start_us - 7100 * SECOND_US, 60)
    plant.run(WINDOW.start_us, 140)
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    trust = trust_of(plant.archive)
    assert verify(tmp_path / "b", trust).ok
    assert refused(tmp_path / "b", pin(trust, [note])) == 5
    plant.archive.close()


PATHS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("hash changed", lambda path: path["hashes"].__setitem__(0, "0" * 64)),
    ("from another size", lambda path: path.update(old=path["old"] - 1)),
    ("to another size", lambda path: path.update(new=path["new"] - 1)),
    ("hash more", lambda path: path["hashes"].append("0" * 64)),
]


@pytest.mark.parametrize(("what", "change"), PATHS, ids=[row[0] for row in PATHS])
def test_a_spoiled_path_to_a_pinned_checkpoint_is_refused(
    good: Good, tmp_path: Path, what: str, change: Callable[[dict[str, Any]], object]
) -> None:
    plant = Plant(tmp_path)
    plant.run(T0 - 2 * HOUR_US, 40)
    trust = pin(trust_of(plant.archive), [plant.archive.checkpoint("data")])
    plant.run(T0 - HOUR_US - 60 * SECOND_US, 60)
    plant.run(T0, 140)
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b", pinned=[4])
    assert verify(tmp_path / "b", trust).ok
    bundle = Spoiled(tmp_path / "b", plant.key)
    bundle.sign(_proofs(lambda proofs: change(proofs["checkpoints"][0]))(bundle, tmp_path) or (lambda predicate: None))
    assert refused(bundle.write(tmp_path / "c"), trust) == 5
    plant.archive.close()


@pytest.mark.parametrize("ends", [(16, 22), (3, 15)])
def test_a_range_that_leaves_out_a_side_is_refused_by_the_window(
    good: Good, tmp_path: Path, ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dishonest(archive: Archive, control: Control, windows: list[Window], size: int) -> list[tuple[int, int]]:
        return [ends]

    monkeypatch.setattr(evidence.bundle, "ranges_for", dishonest)
    export(good.plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    assert refused(tmp_path / "b", good.trust) == 9


def test_a_pack_that_is_not_shipped_is_accepted_by_its_digest_alone(good: Good, tmp_path: Path) -> None:
    bundle = Spoiled(good.folder, good.plant.key)
    change = _lower_threshold(bundle, tmp_path)
    bundle.sign(change)
    path = bundle.write(tmp_path / "b")
    accepting = msgspec.structs.replace(good.trust, packs=(sha256_hex(bundle.files[CHANGSHA]),))
    assert refused(path, good.trust) == 8
    assert verify(path, accepting).ok


def test_an_indicator_in_a_version_not_known_is_undetermined_and_said_so(good: Good, tmp_path: Path) -> None:
    def newer(predicate: dict[str, Any]) -> None:
        next(item for item in predicate["indicators"] if item["id"] == "defect_rate")["version"] = 99

    bundle = Spoiled(good.folder, good.plant.key)
    bundle.sign(newer)
    found = verify(bundle.write(tmp_path / "b"), good.trust)
    assert found.ok and "defect_rate version 99 is not known" in found.steps[9].text
    verdict = next(item for item in found.verdicts if item.claim == "defect-rate")
    assert verdict.outcome == "undetermined" and "version" in verdict.reason
