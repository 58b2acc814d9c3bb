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
from store.note import Checkpoint, checkpoint_text, sign_note
from store.signing import SigningKey
from tests.tamper.workbench import REPOSITORY
from workshop.errors import ConfigError, Rejected
from workshop.register import Workshop, parse_register

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
