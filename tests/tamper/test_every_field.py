"""Every field of every Struct in statement, proofs and control entries is spoiled in turn. A new field without a row fails here."""

import copy
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evidence.bag import CHECKPOINTS, CLAIMS, CONTROL_LOG, PROOFS
from evidence.claim import Claim
from evidence.proofs import Consistency, Proofs
from evidence.ranges import Frontier
from evidence.statement import (
    Absent,
    IndicatorState,
    LogState,
    Loss,
    PackState,
    PartName,
    Predicate,
    RegisterState,
    Span,
    Statement,
    Subject,
    WindowState,
)
from evidence.trust import TrustFile
from evidence.verify import verify
from store.control_kinds import KINDS, Cosignature
from store.log import checkpoint_text, data_leaf, leaf_hash, sign_note, split_leaf
from tests.tamper.story import Story
from tests.tamper.test_spoiled_bundle import leaves_of, refused, segment_of
from tests.tamper.workbench import ORIGIN, Spoiled
from workshop.canonical import canonical_json
from workshop.order import Order
from workshop.statements import AnswerStatement, Question, ResumeStatement, RotationStatement

# Where a Struct stands in the predicate, and the step that refuses when a field of it is spoiled and everything is signed again.
# "same": the statement then says something that is not judged, and the verdicts stay as they are.
PREDICATE: dict[type[msgspec.Struct], tuple[tuple[str | int, ...], dict[str, int | str]]] = {
    Predicate: ((), {
        "v": 2, "origin": 2, "gateway_key": 2, "generation": 3, "window": 2, "baseline": 2, "lookback_us": 9, "as_of": 9, "data": 2, "control": 2,
        "ranges": 5, "registers": 7, "baseline_registers": 7, "packs": 8, "indicators": 10, "gaps": 9, "withheld": 9, "absent": 9, "malformed": 10,
        "undelivered": 9, "results": 10, "baseline_results": 10, "verdicts": 11,
    }),
    LogState: (("data",), {"size": 3, "root": 3}),
    Span: (("ranges", 0), {"first": 5, "end": 5}),
    WindowState: (("window",), {"start_us": 10, "end_us": 9}),
    RegisterState: (("registers", 0), {"time_us": 7, "digest": 7}),
    PackState: (("packs", 0), {"id": 8, "sha256": 8}),
    IndicatorState: (("indicators", 0), {"id": 10, "version": "same"}),
    Loss: (("gaps", 0), {"edge": 9, "signals": 9, "from_us": 9, "to_us": 9, "reason": 9}),
    Absent: (("absent", 0), {"equipment": 9, "why": 9, "parts": 9, "rows": 9}),
    PartName: (("malformed", 0), {"edge": 10, "epoch": 10, "seq": 10, "equipment": 10}),
}
PROOF: dict[type[msgspec.Struct], tuple[tuple[str | int, ...], dict[str, int]]] = {
    Proofs: ((), {"size": 5, "holes": 5, "checkpoints": 5}),
    Consistency: (("checkpoints", 0), {"old": 5, "new": 5, "hashes": 5}),
}
CLAIM = {"id": 11, "title_zh": 11, "title_en": 11, "pack": 8, "clause": 8, "indicator": 11, "at_least": 8, "at_most": 11, "min_count": 11}
NESTED: dict[tuple[str, str], tuple[tuple[str | int, ...], type[msgspec.Struct]]] = {
    ("rotation", "statement"): (("statement",), RotationStatement), ("gap", "statement"): (("statement",), ResumeStatement),
    ("challenge", "question"): (("question",), Question), ("answer", "statement"): (("statement",), AnswerStatement),
    ("witness", "cosignatures"): (("cosignatures", 0), Cosignature), ("orders", "orders"): (("orders", 0), Order),
}


def fields(struct: type[msgspec.Struct]) -> tuple[str, ...]:
    return struct.__struct_encode_fields__


def rows(table: dict[type[msgspec.Struct], tuple[tuple[str | int, ...], dict[str, Any]]]) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
    for place, expected in table.values():
        yield from ((place, name, step) for name, step in expected.items())


def spoiled(value: Any) -> Any:
    """Something else of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return "0" + value[1:] if value[:1] in "123456789abcdef" and len(value) == 64 else value + "0"
        case None:
            return "1"
        case list():
            return value[:-1]
        case dict():
            return dict(list(value.items())[1:]) if value else {"inspected": 10**9}
        case _:
            raise TypeError(type(value))


def spoil(tree: Any, place: tuple[str | int, ...], name: str) -> Any:
    """A copy in which one field is another."""
    changed = copy.deepcopy(tree)
    inner = changed
    for step in place:
        inner = inner[step]
    assert name in inner, f"{place} has no {name}"
    inner[name] = spoiled(inner[name])
    assert changed != tree
    return changed


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, demo_claims: list[Claim]) -> Iterator[Story]:
    made = Story(tmp_path_factory.mktemp("story"), demo_claims)
    yield made
    made.plant.archive.close()


def test_the_story_itself_verifies_and_has_something_of_everything(story: Story) -> None:
    found = verify(story.bundle, story.trust)
    assert found.ok and found.predicate is not None
    for name in ("baseline", "ranges", "gaps", "withheld", "absent", "malformed", "undelivered", "baseline_results", "baseline_registers"):
        assert getattr(found.predicate, name), name
    assert {item.why for item in found.predicate.absent} == {"withheld", "pruned"}
    assert {entry.kind for entry in story.plant.archive.control_entries()} == set(KINDS)
    assert "shown" in {item.claim: item.reason for item in found.verdicts}["defect-rate"]
    assert "alarmed: 'fenced' about edge 'edge-3', 1 times" in found.steps[3].text
    assert "1 predictions, 0 of them shown to be made before their time" in found.steps[11].text


@pytest.mark.parametrize(("table", "more"), [(PREDICATE, {Statement, Subject}), (PROOF, set())])
def test_every_field_has_a_row(
    table: dict[type[msgspec.Struct], tuple[tuple[str | int, ...], dict[str, Any]]], more: set[type[msgspec.Struct]]
) -> None:
    import evidence.proofs
    import evidence.statement

    module = evidence.statement if table is PREDICATE else evidence.proofs
    public = {
        item for name, item in vars(module).items()
        if isinstance(item, type) and issubclass(item, msgspec.Struct) and item.__module__ == module.__name__ and not name.startswith("_")
    }
    assert public == set(table) | more
    for struct, (_, expected) in table.items():
        assert set(expected) == set(fields(struct)), struct
    assert set(CLAIM) == set(fields(Claim))


def pinned_between(story: Story) -> TrustFile:
    """Trust of an evaluator who has also pinned a checkpoint outside the ranges."""
    text = checkpoint_text(f"{ORIGIN}/data", story.between, story.plant.archive.root("data", story.between))
    note = sign_note(text, f"{ORIGIN}/data", _first_key(story))
    return msgspec.structs.replace(story.trust, checkpoints=(*story.trust.checkpoints, note))


def refuses(bundle: Spoiled, story: Story, folder: Path, step: int | str) -> None:
    path = bundle.write(folder)
    if step == "same":
        assert verify(path, story.trust).ok
    else:
        assert refused(path, story.trust) == step


@pytest.mark.parametrize(("place", "name", "step"), list(rows(PREDICATE)), ids=str)
def test_a_spoiled_field_of_the_statement_is_refused(
    story: Story, tmp_path: Path, place: tuple[str | int, ...], name: str, step: int | str
) -> None:
    bundle = Spoiled(story.bundle, story.plant.key)

    def change(predicate: dict[str, Any]) -> None:
        changed = spoil(predicate, place, name)
        predicate.clear()
        predicate.update(changed)

    bundle.sign(change)
    refuses(bundle, story, tmp_path / "b", step)


@pytest.mark.parametrize(("place", "name", "step"), list(rows(PROOF)), ids=str)
def test_a_spoiled_field_of_the_proofs_is_refused(
    story: Story, tmp_path: Path, place: tuple[str | int, ...], name: str, step: int | str
) -> None:
    bundle = Spoiled(story.bundle, story.plant.key)
    bundle.files[PROOFS] = canonical_json(spoil(msgspec.json.decode(bundle.files[PROOFS]), place, name))
    bundle.sign()
    trust = pinned_between(story)
    assert verify(story.bundle, trust).ok
    assert refused(bundle.write(tmp_path / "b"), trust) == step


def _first_key(story: Story) -> Any:
    return next(iter(story.gateway_keys.values()))


@pytest.mark.parametrize(("name", "step"), list(CLAIM.items()))
def test_a_spoiled_field_of_a_claim_is_refused(story: Story, tmp_path: Path, name: str, step: int) -> None:
    bundle = Spoiled(story.bundle, story.plant.key)
    claims = msgspec.json.decode(bundle.files[CLAIMS])
    at = next(i for i, item in enumerate(claims) if item["id"] == "defect-rate")
    bundle.files[CLAIMS] = canonical_json(spoil(claims, (at,), name))
    bundle.sign()
    refuses(bundle, story, tmp_path / "b", step)


def _body_rows() -> Iterator[tuple[str, tuple[str | int, ...], str]]:
    for kind, struct in KINDS.items():
        for name in fields(struct):
            yield kind, (), name
            if (kind, name) in NESTED:
                place, inner = NESTED[kind, name]
                yield from ((kind, place, field) for field in fields(inner))


def _entry_rows() -> Iterator[tuple[str, tuple[str | int, ...], str]]:
    yield from (("commitment", ("..",), name) for name in ("v", "kind", "time_us", "author", "body"))


ROWS = [*_body_rows(), *_entry_rows()]


def test_structs_within_entries_are_all_known() -> None:
    """A field that holds a Struct of its own (but for the register, whose digest stands beside it) is spoiled field by field."""
    def structs(kind: type[msgspec.Struct]) -> Iterator[str]:
        for field in msgspec.structs.fields(kind):
            if any("Struct" in str(getattr(one, "__mro__", "")) for one in _types(field.type)):
                yield field.name

    found = {(kind, name) for kind, struct in KINDS.items() for name in structs(struct)}
    assert found == set(NESTED) | {("register", "register")}


def _types(annotation: Any) -> Iterator[Any]:
    """The annotation and all that it is made of, behind `Annotated` too."""
    yield annotation
    for inner in typing.get_args(annotation):
        yield from _types(inner)


def change_entry(story: Story, bundle: Spoiled, folder: Path, kind: str, change: Callable[[dict[str, Any]], dict[str, Any]], *, sign: bool) -> None:
    """Changes the first entry of a kind; with `sign` the gateway makes the whole log anew, with all its keys, and signs what follows from it."""
    leaves = leaves_of(bundle.files[CONTROL_LOG], 0, folder)
    tree = Frontier()
    key, done = _first_key(story), False
    for index, (leaf, parts) in enumerate(leaves):
        time_us, data, signature = split_leaf(leaf)
        entry = msgspec.json.decode(data)
        if entry["kind"] == kind and not done:
            entry, done = change(entry), True
        if entry["kind"] == "restore" and sign:
            entry["body"]["control_root"] = tree.root().hex() if kind != "restore" else entry["body"]["control_root"]
        data = canonical_json(entry)
        signature = key.sign("control", data) if sign else signature
        leaves[index] = (data_leaf(entry["time_us"] if sign else time_us, data, signature), parts)
        tree.append(leaf_hash(leaves[index][0]))
        if kind != "rotation" and entry["kind"] == "rotation" and entry["body"]["statement"]["subject"] == "gateway":
            key = story.gateway_keys[entry["body"]["statement"]["new"]]
    assert done
    bundle.files[CONTROL_LOG] = segment_of(0, leaves, folder)
    if not sign:
        bundle.sign()
        return
    text = checkpoint_text(f"{ORIGIN}/control", tree.size, tree.root(), 2)
    bundle.files[CHECKPOINTS["control"]] = sign_note(text, f"{ORIGIN}/control", bundle.key).encode()
    bundle.sign(lambda predicate: predicate["control"].update(root=tree.root().hex()))


@pytest.mark.parametrize("sign", [False, True], ids=["as it was signed", "signed again"])
@pytest.mark.parametrize(("kind", "place", "name"), ROWS, ids=str)
def test_a_spoiled_field_of_a_control_entry_is_refused(
    story: Story, tmp_path: Path, kind: str, place: tuple[str | int, ...], name: str, sign: bool
) -> None:
    """As it was signed: by its signature. Signed again, with every root and checkpoint that follows from it: against what was pinned, or before."""
    bundle = Spoiled(story.bundle, story.plant.key)
    where: tuple[str | int, ...] = () if place == ("..",) else ("body", *place)
    change_entry(story, bundle, tmp_path, kind, lambda entry: spoil(entry, where, name), sign=sign)
    expected = {4} if kind != "origin" or name != "gateway_key" else {2, 4}
    assert refused(bundle.write(tmp_path / "b"), story.trust) in expected
