"""The control log and the tables beside it: enrolments, registers, checkpoints, tokens, quarantine."""

import msgspec
import pytest

from store.archive import Committed, QuarantinedRow
from store.log import Checkpoint, leaf_hash, open_note, parse_checkpoint, split_leaf, verify_consistency, verify_inclusion
from store.signing import verify
from tests.unit.store.gateway_archive import EDGE, GATEWAY, KEY, KEY_2, ORIGIN, T0, Gateway, chain, sealed
from workshop.batch import Provenance
from workshop.errors import Rejected
from workshop.register import Equipment, Process, Workshop


def test_an_edge_enrolled_again_keeps_its_provenance_and_its_chain(gateway: Gateway) -> None:
    first = sealed(1)
    gateway.commit(first)
    with pytest.raises(Rejected, match="never changes"):
        gateway.archive.enrol(msgspec.structs.replace(EDGE, provenance=Provenance.PLANT), author="admin")
    with pytest.raises(Rejected, match="base64"):
        gateway.archive.enrol(msgspec.structs.replace(EDGE, public_key="no key"), author="admin")
    gateway.archive.enrol(msgspec.structs.replace(EDGE, public_key=KEY_2.public), author="admin")
    assert gateway.refusal(sealed(2, first)).type == "bad-signature"
    assert gateway.commit(sealed(2, first, key=KEY_2)) == [Committed(2, 1)]
    entries = gateway.archive.control_entries(kind="enrolment")
    assert [entry.body for entry in entries] == [{"edge": "edge-1", "key": key, "provenance": "simulated"} for key in (KEY.public, KEY_2.public)]
    assert [entry.author for entry in entries] == ["admin", "admin"] and gateway.reopen().edges()[0].public_key == KEY_2.public


def test_control_entries_are_signed_framed_and_in_order(gateway: Gateway) -> None:
    gateway.now -= 10**9
    assert gateway.archive.add_control("claim", {"id": "a", "text": "联网率"}, author="厂长") == 2
    with pytest.raises(Rejected, match="claim"):
        gateway.archive.add_control("claim", {"value": float("nan")}, author="x")
    with pytest.raises(Rejected, match="claim"):
        gateway.archive.add_control("claim", {"value": 2**60}, author="x")
    archive = gateway.reopen()
    entries = archive.control_entries()
    assert [(entry.index, entry.kind, entry.time_us) for entry in entries] == [(0, "origin", T0), (1, "enrolment", T0), (2, "claim", T0)]
    assert entries[0].body == {"origin": ORIGIN, "gateway_key": GATEWAY.public} and entries[2].body == {"id": "a", "text": "联网率"}
    leaves = list(archive.control_leaves())
    for index, leaf in enumerate(leaves):
        time_us, data, signature = split_leaf(leaf)
        assert time_us == T0 and verify(GATEWAY.public, "control", data, signature)
        assert verify_inclusion(index, 3, leaf_hash(leaf), archive.inclusion_proof("control", index, 3), archive.root("control"))
    assert list(archive.control_leaves(1)) == leaves[1:] and archive.control_entries(2)[0].kind == "claim"


def test_checkpoints_are_signed_and_stand_in_the_control_log(gateway: Gateway) -> None:
    gateway.commit(*chain(3))
    name = f"{ORIGIN}/data"
    checkpoint = parse_checkpoint(open_note(gateway.archive.checkpoint("data"), name, GATEWAY.public))
    assert checkpoint == Checkpoint(name, 3, gateway.archive.root("data"))
    assert gateway.archive.seal_checkpoint() == 2
    assert gateway.archive.control_entries(2)[0].body == {"size": 3, "root": checkpoint.root.hex()}
    gateway.commit(*chain(5)[3:])
    proof = gateway.archive.consistency_proof("data", 3, 5)
    assert verify_consistency(3, 5, checkpoint.root, gateway.archive.root("data"), proof) and gateway.archive.root("data", 3) == checkpoint.root
    assert "/control\n3\n" in gateway.archive.checkpoint("control")


def register(title: str) -> Workshop:
    lathe = Equipment("cnc-01", "车床", "Lathe", "lathe", "line-1", "SN1", True, True, "turning", 7500, "2024-01-01")
    return Workshop("ws", title, "Shop", "E", "S", "A", "Asia/Shanghai", (lathe,), (Process("turning", "车削", "Turning", True),))


def test_register_revisions_are_control_entries_and_come_back_whole(gateway: Gateway) -> None:
    archive = gateway.archive
    assert archive.register() is None and archive.registers() == []
    assert archive.revise_register(register("一"), author="engineer", reason="first")
    assert not archive.revise_register(register("一"), author="engineer", reason="again")
    gateway.now += 7
    assert archive.revise_register(register("二"), author="engineer", reason="renamed")
    archive = gateway.reopen()
    assert archive.register() == register("二")
    assert archive.registers() == [(T0, register("一")), (T0 + 7, register("二"))]
    assert archive.control_entries(kind="register")[1].body["digest"] == register("二").digest


def test_tokens_expire_are_used_up_and_forgotten(gateway: Gateway) -> None:
    archive = gateway.archive
    archive.add_token("a" * 64, "edge", "edge-1", T0 + 10, once=True)
    archive.add_token("b" * 64, "viewer", "wall", None, once=False)
    found = archive.find_token("a" * 64)
    assert found is not None and (found.role, found.subject, found.once) == ("edge", "edge-1", True)
    assert archive.use_token("a" * 64) and not archive.use_token("a" * 64) and archive.find_token("a" * 64) is None
    assert archive.use_token("b" * 64) and archive.use_token("b" * 64) and not archive.use_token("c" * 64)
    archive.add_token("d" * 64, "viewer", "x", T0 + 10, once=False)
    assert archive.find_token("d" * 64) is not None
    gateway.now += 10
    assert archive.find_token("d" * 64) is None and gateway.reopen().find_token("b" * 64) is not None
    gateway.archive.remove_token("b" * 64)
    assert gateway.archive.find_token("b" * 64) is None


def test_quarantined_rows_and_named_values_are_kept_once(gateway: Gateway) -> None:
    for _ in range(2):
        gateway.archive.quarantine([QuarantinedRow("edge-1", T0, 1, "cnc-01", 7, "text")])
        gateway.archive.set_meta("k", "v1")
    gateway.archive.set_meta("k", "v2")
    archive = gateway.reopen()
    assert [(row.seq, row.equipment, row.row, row.reason) for row in archive.quarantined()] == [(1, "cnc-01", 7, "text")]
    assert archive.get_meta("k") == "v2" and archive.get_meta("other") is None
