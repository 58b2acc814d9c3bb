"""The sample of the register: the same again from the same checkpoint, another from another, fair, and with the bounds that it carries."""

from fractions import Fraction
from hashlib import sha256
from math import comb
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from chejian.cli import app, register_commands
from evidence.sample import draw, most_omitted
from evidence.trust import GatewayKey, TrustFile, encode_trust
from store.note import Checkpoint, checkpoint_text, cosign, cosignatures, sign_note
from store.signing import SigningKey
from tests.tamper.workbench import REPOSITORY
from workshop.errors import ConfigError, Rejected
from workshop.register import Workshop
from workshop.register_file import parse_register

FILE = REPOSITORY / "config/demo/workshop.toml"


def register() -> Workshop:
    return parse_register(FILE.read_bytes(), "workshop.toml")


def checkpoint(number: int) -> Checkpoint:
    return Checkpoint("chejian.local/test/data", number, sha256(str(number).encode()).digest())


def test_the_same_seed_draws_the_same_and_nothing_else_matters() -> None:
    found = draw(register(), checkpoint(5), 4)
    assert found == draw(register(), checkpoint(5), 4)
    assert len(set(found.equipment)) == 4
    assert found.equipment == draw(register(), checkpoint(5), 13).equipment[:4]  # a larger sample goes on where the smaller one ends
    assert found.equipment != draw(register(), checkpoint(6), 4).equipment
    changed = msgspec.structs.replace(register(), title_en="Another")
    assert found.equipment != draw(changed, checkpoint(5), 4).equipment


def test_every_entry_is_drawn_as_often_as_any_other() -> None:
    workshop = register()
    counts = dict.fromkeys((item.id for item in workshop.equipment), 0)
    for number in range(300):
        for name in draw(workshop, checkpoint(number), 3).equipment:
            counts[name] += 1
    mean = 300 * 3 / len(counts)
    assert all(abs(count - mean) < 5 * mean**0.5 for count in counts.values())


def test_bounds() -> None:
    found = draw(register(), checkpoint(5), 13)
    assert found.most_wrong == 0  # a census
    for size, listed in ((1, 13), (4, 13), (30, 100)):
        omitted = most_omitted(size, listed)
        assert Fraction(comb(listed, size), comb(listed + omitted, size)) >= Fraction(5, 100)
        assert Fraction(comb(listed, size), comb(listed + omitted + 1, size)) < Fraction(5, 100)
    assert most_omitted(1, 13) == 247  # 13 / (13 + u) >= 1/20
    with pytest.raises(Rejected):
        most_omitted(14, 13)
    for size in (0, 14):
        with pytest.raises(ConfigError, match="--size"):
            draw(register(), checkpoint(5), size)


def test_nobody_gains_by_trying_checkpoints_once_the_evaluator_has_a_word() -> None:
    """A factory hides one entry from the inspector: it tries checkpoints until the draw passes it over. A word said afterwards undoes that."""
    workshop = register()
    hidden = workshop.equipment[0].id
    tried = next(number for number in range(1000) if hidden not in draw(workshop, checkpoint(number), 4).equipment)
    drawn = [draw(workshop, checkpoint(tried), 4, said=f"word {number}") for number in range(400)]
    found = sum(hidden in one.equipment for one in drawn)
    assert abs(found - 400 * 4 / 13) < 5 * (400 * 4 / 13) ** 0.5
    # Nor does it know before it asks what a witness's signature will make of a root.
    signed = [draw(workshop, checkpoint(tried), 4, cosignature=(7, bytes([number] * 64))).equipment for number in range(50)]
    assert len(set(signed)) > 25


def test_it_says_who_could_have_chosen() -> None:
    seal = (1_790_000_000, b"s" * 64)
    weak, asked, word, both = (draw(register(), checkpoint(1), 3, cosignature=one, said=text) for text in ("", "x") for one in (None, seal))
    assert "without end" in weak.chosen_by and "as often as it asked" in asked.chosen_by
    assert "may be younger" in word.chosen_by and both.chosen_by.startswith("nobody, if") and both.witnessed_s == seal[0]
    assert len({one.equipment + one.floor for one in (weak, asked, word, both)}) == 4


def test_there_are_enough_positions_for_so_many_different_machines() -> None:
    short = 0
    for number in range(300):
        found = draw(register(), checkpoint(number), 4)
        short += len({int(float(share) * 13) for share in found.floor}) < 4
    assert short == 0


def test_only_cosignatures_of_believed_witnesses_count(tmp_path: Path) -> None:
    register_commands()
    gateway, witness, stranger, point = SigningKey.create(), SigningKey.create(), SigningKey.create(), checkpoint(7)
    note = sign_note(checkpoint_text(point.origin, point.size, point.root), point.origin, gateway)
    note = cosign(cosign(note, "stranger", stranger, 100), "witness", witness, 200)
    assert [time_s for time_s, _ in cosignatures(note, witness.public)] == [200]
    assert cosignatures(note.replace("— witness", "— another"), witness.public) == []
    trust = TrustFile(point.origin.rpartition("/")[0], (GatewayKey(gateway.public),), {}, witnesses=(witness.public,))
    (tmp_path / "trust.json").write_bytes(encode_trust(trust))
    (tmp_path / "note.txt").write_text(note, encoding="utf-8")
    arguments = ["register", "sample", str(FILE), "--seed-from", str(tmp_path / "note.txt"), "--size", "4", "--json"]
    answer = CliRunner().invoke(app, [*arguments, "--trust", str(tmp_path / "trust.json"), "--said", "plum"])
    assert answer.exit_code == 0, answer.output
    told = msgspec.json.decode(answer.output)
    assert (told["witnessed_s"], told["said"]) == (200, "plum") and told["chosen_by"].startswith("nobody, if")
    assert msgspec.json.decode(CliRunner().invoke(app, arguments).output)["witnessed_s"] is None


def test_the_command_reads_a_signed_note(tmp_path: Path) -> None:
    register_commands()
    point = checkpoint(7)
    note = tmp_path / "checkpoint.txt"
    note.write_text(sign_note(checkpoint_text(point.origin, point.size, point.root), point.origin, SigningKey.create()), encoding="utf-8")
    arguments = ["register", "sample", str(FILE), "--seed-from", str(note), "--size", "4"]
    answer = CliRunner().invoke(app, [*arguments, "--json"])
    assert answer.exit_code == 0, answer.output
    assert tuple(msgspec.json.decode(answer.output)["equipment"]) == draw(register(), point, 4).equipment
    assert "at most" in CliRunner().invoke(app, arguments).output
    note.write_text("no note", encoding="utf-8")
    assert isinstance(CliRunner().invoke(app, arguments).exception, ConfigError)
