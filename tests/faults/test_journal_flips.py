"""Fault class 4, promise 5: nothing is dropped in silence. One bit of the file changes anywhere; every reading comes out once or is declared."""

import random
from pathlib import Path

import pytest

from store.journal import EdgeJournal
from store.signing import SigningKey
from workshop.batch import ClockState, Provenance, decode_header
from workshop.block import block_of
from workshop.errors import ConfigError
from workshop.part import decode_part
from workshop.reading import Reading

T0 = 1_700_000_000_000_000
FLIPS = [pytest.param(25, id="short"), pytest.param(150, id="long", marks=pytest.mark.long)]
KEY = SigningKey.create()


def open_journal(file: Path) -> EdgeJournal:
    return EdgeJournal.open(file, edge="edge-1", provenance=Provenance.SIMULATED, key=KEY, clock=lambda: T0)


def filled(file: Path) -> list[tuple[str, int]]:
    """A journal with sealed batches and unsealed fragments; gives what went into it."""
    journal = open_journal(file)
    emitted = []
    for i in range(40):
        rows = [Reading(f"cnc-{s % 5:02}/s{s // 5}", T0 + i * 100_000 + s, T0, i * s * 0.37) for s in range(200)]
        emitted += [(row.signal, row.source_time_us) for row in rows]
        journal.append([block_of(rows)])
        if i % 5 == 4 and i < 25:
            journal.seal(ClockState())
    journal.close()
    return emitted


@pytest.mark.parametrize("flips", FLIPS)
def test_class_4_promise_5_a_flipped_bit_is_delivered_declared_or_said(tmp_path: Path, flips: int) -> None:
    emitted = filled(tmp_path / "journal.sqlite")
    whole = (tmp_path / "journal.sqlite").read_bytes()
    lots = random.Random(5)
    said = declared = 0
    for flip in range(flips):
        file = tmp_path / f"{flip}.sqlite"
        spoiled = bytearray(whole)
        spoiled[lots.randrange(len(spoiled))] ^= 1 << lots.randrange(8)
        file.write_bytes(spoiled)
        journal = None
        try:
            journal = open_journal(file)
            # What is found damaged when read is declared in the header that is sealed next.
            for _ in range(2):
                journal.from_seq(1, 1000)
                journal.seal(ClockState())
            batches = [batch for _, batch in journal.from_seq(1, 1000)]
        except ConfigError:
            said += 1
            continue
        finally:
            if journal is not None:
                journal.close()
        headers = [decode_header(batch.header) for batch in batches]
        gaps = [gap for header in headers for gap in header.gaps]
        delivered = [
            (reading.signal, reading.source_time_us)
            for header, batch in zip(headers, batches, strict=True) for entry, part in zip(header.parts, batch.parts, strict=True) if part is not None
            for reading in decode_part(entry.equipment, part).readings()
        ]
        lost = {(name, time) for name, time in emitted if any(name in gap.signals and gap.from_us <= time < gap.to_us for gap in gaps)}
        assert len(delivered) + len(lost) == len(emitted) and {*delivered, *lost} == set(emitted), f"flip {flip}"
        declared += bool(lost)
    assert said < flips / 10 and declared > flips / 10
