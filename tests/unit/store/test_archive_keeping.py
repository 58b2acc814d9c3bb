"""What keeps an archive over the years: new keys, restores, pruning, alarms; each a control entry, each the same after reopening."""

import msgspec
import pytest

from store.archive import Committed, Refused
from store.control_kinds import KINDS, LostBatches, Prune, Rotation, kind_of
from store.log import Checkpoint, open_note, parse_checkpoint, verify_inclusion
from store.signing import SigningKey, encode_signature, verify
from tests.unit.store.gateway_archive import GATEWAY, KEY, KEY_2, ORIGIN, T0, Gateway, chain, sealed
from workshop.batch import NO_DIGEST
from workshop.canonical import canonical_json
from workshop.errors import ConfigError, Rejected
from workshop.statements import ResumeStatement, RotationStatement
from workshop.window import SECOND_US, Window


def rotation(after_seq: int, *, old: SigningKey = KEY, new: SigningKey = KEY_2, **changes: object) -> tuple[RotationStatement, str, str]:
    statement = msgspec.structs.replace(RotationStatement(ORIGIN, "edge-1", old.public, new.public, T0, after_seq, T0), **changes)
    data = canonical_json(statement)
    return statement, encode_signature(old.sign("rotation", data)), encode_signature(new.sign("rotation", data))


def resume(first_seq: int, *, key: SigningKey = KEY, prev: str = "1" * 64, watermark: int = 2, **changes: object) -> tuple[ResumeStatement, str]:
    statement = ResumeStatement(ORIGIN, 2, "edge-1", T0, watermark, first_seq, prev, T0 + 9, T0 + 99)
    statement = msgspec.structs.replace(statement, **changes)
    return statement, encode_signature(key.sign("resume", canonical_json(statement)))


def test_every_kind_has_its_own_body() -> None:
    assert len(set(KINDS.values())) == len(KINDS)
    assert kind_of(Prune(0, 1, 2, "x")) == "prune"


def test_an_edge_changes_its_key_and_what_was_sealed_before_keeps_the_old_one(gateway: Gateway) -> None:
    batches = chain(4)
    gateway.commit(*batches[:2])
    good = rotation(4)
    gateway.archive.rotate(*good, author="edge:edge-1", reason="yearly")
    gateway.archive.rotate(*good, author="edge:edge-1", reason="the answer was lost")
    [entry] = gateway.reopen().control_entries(0, "rotation")
    body = msgspec.convert(entry.body, Rotation)
    assert body.statement == good[0] and entry.author == "edge:edge-1"
    assert gateway.commit(*batches[2:]) == [Committed(3, 2), Committed(4, 3)], "sealed before the rotation"
    fifth = sealed(5, batches[3])
    assert gateway.refusal(fifth).type == "bad-signature"
    assert gateway.commit(sealed(5, batches[3], key=KEY_2)) == [Committed(5, 4)]
    edge = gateway.archive.edge("edge-1")
    assert edge is not None and edge.public_key == KEY_2.public


def test_a_rotation_needs_both_keys_and_the_right_place(gateway: Gateway) -> None:
    gateway.commit(*chain(2))
    third = SigningKey.create()
    statement, old, new = rotation(2)
    for wrong in (
        (statement, new, new), (statement, old, old), rotation(1), rotation(2, old=third), rotation(2, subject="edge-9"), rotation(2, origin="other"),
        rotation(2, new=KEY),
    ):
        with pytest.raises(Rejected, match="rotation"):
            gateway.archive.rotate(*wrong, author="x", reason="")
    gateway.archive.rotate(statement, old, new, author="x", reason="")
    with pytest.raises(Rejected, match="never had"):
        gateway.archive.rotate(*rotation(2, old=KEY_2, new=KEY), author="x", reason="back to the old one")
    assert len(gateway.archive.control_entries(0, "rotation")) == 1


def test_the_gateway_changes_its_key_under_the_old_one(gateway: Gateway) -> None:
    new = SigningKey.create()
    before = gateway.archive.control_size
    gateway.archive.rotate_key(new, author="operator", reason="yearly")
    gateway.archive.seal_checkpoint()
    with pytest.raises(Rejected, match="had this key before"):
        gateway.archive.rotate_key(GATEWAY, author="operator", reason="back")
    with pytest.raises(Rejected, match="no former key"):
        gateway.archive.revoke_key(new.public, author="operator", reason="lost")
    gateway.archive.revoke_key(GATEWAY.public, author="operator", reason="lost")
    gateway.archive.close()
    with pytest.raises(ConfigError, match="another gateway key"):
        gateway.open()
    gateway.archive = gateway.open(key=new)
    signers = []
    for leaf in gateway.archive.control_leaves(before):
        data, signature = leaf[12:-64], leaf[-64:]
        signers.append([verify(key.public, "control", data, signature) for key in (GATEWAY, new)])
    assert signers == [[True, False], [False, True], [False, True]]
    assert [record.key for record in gateway.archive.gateway_keys()] == [GATEWAY.public, new.public]
    assert open_note(gateway.archive.checkpoint("data"), f"{ORIGIN}/data", new.public)


def test_after_a_restore_the_chain_goes_on_over_a_declared_hole(gateway: Gateway) -> None:
    batches = chain(9)
    gateway.commit(*batches[:2])
    assert isinstance(refused := gateway.archive.resume(*resume(6)), Refused) and "without a restore" in refused.detail
    body = gateway.archive.begin_generation([], backup_us=T0, author="operator", reason="disk")
    assert (body.generation, body.data_size) == (2, 2)
    text = open_note(gateway.archive.checkpoint("data"), f"{ORIGIN}/data", GATEWAY.public)
    assert parse_checkpoint(text) == Checkpoint(f"{ORIGIN}/data", 2, gateway.archive.root("data"), 2) and text.endswith("generation 2\n")
    size = gateway.archive.control_size
    for wrong, kind in (
        (resume(6, watermark=1), "sequence-gap"), (resume(6, generation=3), "invalid"), (resume(6, origin="x"), "invalid"), (resume(3), "invalid"),
        (resume(6, key=KEY_2), "bad-signature"), (resume(6, edge="edge-9"), "unknown-edge"), (resume(6, epoch=T0 - 1), "fenced"),
        (resume(6, epoch=T0 + 1, watermark=0), "fenced"),
    ):
        assert isinstance(answer := gateway.archive.resume(*wrong), Refused) and answer.type == kind, (answer, kind)
    assert gateway.archive.control_size == size
    assert gateway.archive.resume(*resume(6, prev=batches[4].digest)) == Committed(5, None)
    assert gateway.reopen().generation == 2 and gateway.archive.watermark("edge-1") == (T0, 5)
    assert gateway.refusal(sealed(6, "1" * 64)).type == "conflict", "only the batch that the statement names goes on"
    assert gateway.refusal(batches[3]).type == "sequence-gap"
    assert gateway.commit(*batches[5:]) == [Committed(seq, seq - 4) for seq in range(6, 10)]
    [entry] = gateway.archive.control_entries(0, "gap")
    lost = msgspec.convert(entry.body, LostBatches)
    assert (lost.from_seq, lost.to_seq, lost.sealed_after_us, lost.sealed_before_us) == (3, 5, T0, T0 + 9)


def test_a_new_epoch_whose_beginning_fell_into_the_restore(gateway: Gateway) -> None:
    gateway.commit(*chain(2))
    gateway.archive.begin_generation([], backup_us=T0, author="operator", reason="disk")
    gateway.now += 60 * SECOND_US
    later = chain(5, epoch=T0 + 7)
    assert gateway.refusal(later[3]).watermark == 0
    assert gateway.archive.resume(*resume(4, epoch=T0 + 7, watermark=0, prev=later[2].digest)) == Committed(3, None)
    assert gateway.commit(*later[3:]) == [Committed(4, 2), Committed(5, 3)]
    [start] = gateway.archive.control_entries(0, "epoch")
    assert start.body == {"edge": "edge-1", "epoch": T0 + 7, "old_epoch": T0, "old_seq": 2, "prev": "skipped"}
    assert gateway.archive.control_entries(0, "gap")[0].body["to_seq"] == 3


def test_one_time_tokens_of_a_backup_are_void(gateway: Gateway) -> None:
    gateway.archive.add_token("aa", "enrol", "x", None, once=True)
    gateway.archive.add_token("bb", "viewer", "x", None, once=False)
    gateway.archive.begin_generation([], backup_us=T0, author="operator", reason="disk")
    assert gateway.archive.find_token("aa") is None and gateway.archive.find_token("bb") is not None


def test_pruning_keeps_headers_proofs_and_what_is_young(gateway: Gateway) -> None:
    batches = chain(400)
    gateway.commit(*batches)
    root, before = gateway.archive.root("data"), T0 + 300 * SECOND_US
    with pytest.raises(Rejected, match="nothing to do"):
        gateway.archive.prune(T0, author="admin:x", reason="retention")
    done = gateway.archive.prune(before, author="admin:x", reason="retention")
    # Batch seq holds its last reading at T0 + seq seconds.
    assert done == Prune(0, 299, before, "retention") and gateway.archive.pruned_end == 299
    assert gateway.archive.prune(T0 + 10**12, author="admin:x", reason="more", limit=310).end == 310
    archive = gateway.reopen()
    stored = list(archive.batches(0, 400))
    assert [item.batch.parts for item in stored[:310]] == [(None,)] * 310 and [item.batch for item in stored[310:]] == batches[310:]
    assert [item.batch.header for item in stored] == [batch.header for batch in batches] and archive.root("data") == root
    proof = archive.inclusion_proof("data", 5, 400)
    assert verify_inclusion(5, 400, archive.tile("data", 0, 0)[160:192], proof, root)
    assert gateway.commit(batches[3]) == [Committed(400, None)], "a replay of a pruned batch changes nothing"
    assert [entry.body["end"] for entry in archive.control_entries(0, "prune")] == [299, 310]
    assert archive.range_for(Window(T0, T0 + 20 * SECOND_US), 0)[0] == 0


def test_an_alarm_is_logged_once_for_each_edge_and_epoch(gateway: Gateway) -> None:
    assert gateway.archive.alarm("fenced", "edge-1", T0 + 1, "two journals") and not gateway.archive.alarm("fenced", "edge-1", T0 + 1, "again")
    assert gateway.archive.alarm("conflict", "edge-1", T0 + 1, "two bodies")
    [first, second] = gateway.reopen().alarms("edge-1")
    assert (first.what, second.what, first.detail) == ("fenced", "conflict", "two journals") and gateway.archive.alarms("edge-2") == []
    assert not gateway.archive.alarm("fenced", "edge-1", T0 + 1, "after a restart")


def test_a_large_log_opens_from_its_last_tiles(gateway: Gateway) -> None:
    prev: object = NO_DIGEST
    for _ in range(3):
        gateway.commit(*(batches := chain(300, first=gateway.archive.data_size + 1, prev=prev)))  # type: ignore[arg-type]
        prev = batches[-1]
        roots = gateway.archive.root("data"), gateway.archive.root("data", 256), gateway.archive.root("control")
        archive = gateway.reopen()
        assert (archive.root("data"), archive.root("data", 256), archive.root("control")) == roots
    assert archive.tile("data", 0, 2)[:32] == archive.inclusion_proof("data", 513, 900)[0]
    gateway.archive._db.execute("DELETE FROM tiles WHERE level = 1")
    with pytest.raises(ConfigError, match="damaged"):
        gateway.reopen()
