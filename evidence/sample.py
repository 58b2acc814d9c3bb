"""Machines to be inspected on site, drawn so that nobody could choose them: the seed is made after the register was fixed.

A factory makes its checkpoints itself: it can try root after root in its cellar until the draw pleases it. So the checkpoint alone is a weak seed.
A witness's cosignature under it is a number that the factory cannot compute before it asks, and a word that the evaluator says on the day, after
the checkpoint is on the table, can be neither computed nor chosen by the factory. `Sample.chosen_by` says how much of this there is.

The lots are hashes: each entry of the register is ranked by SHA-256 over a label, the checkpoint's three lines, the oldest believed cosignature, the
evaluator's word, the register's digest and the entry's id. Anyone draws the same sample again. Two questions, two samples:
  entries   drawn from the register: are they there, and as the register says?
  floor     drawn from what stands in the hall, by position: is it in the register? Only this one can find what was left out.
"""

from collections.abc import Sequence
from fractions import Fraction
from hashlib import sha256
from math import comb

import msgspec

from analytics.statistics import most_in_lot
from store.note import Checkpoint, checkpoint_text
from workshop.errors import ConfigError, Rejected
from workshop.register import Workshop

_LABEL = "chejian/register-sample/2"
_PLACES = 10**6
CONFIDENCE = Fraction(95, 100)


class Sample(msgspec.Struct, frozen=True):
    """What to inspect, and what an inspection without a finding shows."""

    register: str
    """Digest of the register."""
    checkpoint: str
    """The checkpoint's three lines, joined by spaces."""
    witnessed_s: int | None
    """When a witness of the trust file cosigned it, s since 1970; None: none did."""
    said: str
    """The evaluator's word; empty without."""
    chosen_by: str
    """Who could have chosen what is drawn, in words."""
    all: int
    equipment: tuple[str, ...]
    """Ids to look for, in the order drawn."""
    floor: tuple[str, ...]
    """Positions as shares of a walk through the hall: of M machines in walking order take number 1 + ⌊share · M⌋. More than are needed: where one is
    drawn again, the next counts, until so many different machines are found as entries are drawn."""
    most_wrong: int
    """If all entries drawn are as the register says: with 95 % confidence at most so many of all entries are wrong."""
    most_omitted: int
    """If all machines drawn from the floor are in the register: with 95 % confidence at most so many machines were left out."""


def draw(register: Workshop, checkpoint: Checkpoint, size: int, *, cosignature: tuple[int, bytes] | None = None, said: str = "") -> Sample:
    """So many entries, and positions for as many machines.

    Args:
        cosignature: the oldest one by a witness that is believed: time in s, and signature.
        said: the evaluator's word.
    Raises:
        ConfigError: a size below 1 or above the number of entries.
    """
    digest, ids = register.digest, [item.id for item in register.equipment]
    if not 1 <= size <= len(ids):
        raise ConfigError(f"--size {size}: choose between 1 and {len(ids)}, the entries of the register")
    text = checkpoint_text(checkpoint.origin, checkpoint.size, checkpoint.root)
    seed = text + (f"witness {cosignature[0]} {cosignature[1].hex()}\n" if cosignature else "") + (f"said {said!r}\n" if said else "")
    ranked = sorted(ids, key=lambda name: _lot(seed, digest, f"entry {name}"))
    # Drawn with repetition: as many as make it all but sure that enough different machines are among them (the coupon collector's problem).
    floor = [int.from_bytes(_lot(seed, digest, f"floor {number}")[:8], "big") * _PLACES >> 64 for number in range(size * (3 + size.bit_length()))]
    return Sample(
        digest, " ".join(text.splitlines()), cosignature[0] if cosignature else None, said, _chosen_by(cosignature is not None, bool(said)), len(ids),
        tuple(ranked[:size]), tuple(f"0.{share:06}" for share in floor),
        most_in_lot(0, size, len(ids), CONFIDENCE), most_omitted(size, len(ids)),
    )


def most_omitted(inspected: int, listed: int, confidence: Fraction = CONFIDENCE) -> int:
    """Upper bound on machines that stand in the hall and not in the register, when all of a random sample from the hall were in it.

    The largest u for which a sample of n from N + u machines without one of the u, C(N, n) / C(N + u, n), is still as likely as
    1 − confidence or more; hypergeometric, the total unknown.
    Raises:
        Rejected: not 0 < inspected <= listed.
    """
    if not 0 < inspected <= listed:
        raise Rejected(f"sample of {inspected} from a register of {listed}: needs 0 < inspected <= listed")

    def likely(omitted: int) -> bool:
        return Fraction(comb(listed, inspected), comb(listed + omitted, inspected)) >= 1 - confidence

    high = 1
    while likely(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if likely(middle) else (low, middle)
    return low


def after_findings(sample: Sample, most: int = 3) -> Sequence[tuple[int, int]]:
    """(entries found wrong, most wrong in the register) for the first few numbers of findings."""
    return [(found, most_in_lot(found, len(sample.equipment), sample.all, CONFIDENCE)) for found in range(min(most, len(sample.equipment)) + 1)]


def _chosen_by(witnessed: bool, said: bool) -> str:
    if said and witnessed:
        return "nobody, if the evaluator said the word only after the witnessed checkpoint was on the table"
    if said:
        return "nobody in the factory, if the word came after the checkpoint; but no believed witness saw that, the register may be younger"
    if witnessed:
        return "the factory, as often as it asked the witness to cosign: compare with the witness's own list, or give --said"
    return "the factory: it can try checkpoints without end until it likes the draw; give --said, and a witness in --trust"


def _lot(text: str, register: str, what: str) -> bytes:
    return sha256(f"{_LABEL}\n{text}{register}\n{what}\n".encode()).digest()
