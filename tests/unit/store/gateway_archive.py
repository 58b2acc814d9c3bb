"""An archive on a file with the clock in the test's hand, and batches for it."""

from pathlib import Path

import msgspec

from store.archive import Archive, Committed, EdgeRecord, Refused
from store.signing import SigningKey
from workshop.batch import NO_DIGEST, ClockState, Gap, Header, Provenance, SealedBatch, encode_header
from workshop.block import block_of
from workshop.part import encode_part
from workshop.reading import Reading
from workshop.window import SECOND_US

T0 = 1_700_000_000_000_000
ORIGIN = "chejian.local/demo-00112233"
GATEWAY, KEY, KEY_2 = SigningKey.create(), SigningKey.create(), SigningKey.create()
EDGE = EdgeRecord("edge-1", KEY.public, Provenance.SIMULATED, "aa", T0)
def sealed(
    seq: int, prev: SealedBatch | str = NO_DIGEST, *, value: float = 1.0, key: SigningKey = KEY, with_gap: bool = False, **changes: object
) -> SealedBatch:
    entry, part = encode_part("cnc-01", block_of([Reading("cnc-01/load", T0 + seq * SECOND_US, T0, value), Reading("cnc-01/load", T0 + 9, T0, 2.0)]))
    gaps = (Gap(("cnc-01/state",), T0 + seq * 100 * SECOND_US, T0 + seq * 100 * SECOND_US + 5, "link down"),) if with_gap else ()
    digest = prev.digest if isinstance(prev, SealedBatch) else prev
    header = Header("edge-1", T0, seq, digest, Provenance.SIMULATED, T0, ClockState(), (entry,), gaps)
    data = encode_header(msgspec.structs.replace(header, **changes))
    return SealedBatch(data, key.sign("batch", data), (part,))


def chain(length: int, first: int = 1, prev: SealedBatch | str = NO_DIGEST, **changes: object) -> list[SealedBatch]:
    batches = []
    for seq in range(first, first + length):
        batches.append(sealed(seq, prev, **changes))  # type: ignore[arg-type]
        prev = batches[-1]
    return batches


class Gateway:
    """An archive on a file, with the clock in the test's hand."""

    def __init__(self, folder: Path) -> None:
        self.path, self.now = folder / "archive.sqlite", T0
        self.archive = self.open()
        self.archive.enrol(EDGE, author="admin")

    def open(self, key: SigningKey = GATEWAY, origin: str = ORIGIN) -> Archive:
        return Archive.open(self.path, key=key, origin=origin, clock=lambda: self.now)

    def reopen(self) -> Archive:
        self.archive.close()
        self.archive = self.open()
        return self.archive

    def commit(self, *batches: SealedBatch) -> list[Committed | Refused]:
        return self.archive.commit(batches)

    def refusal(self, batch: SealedBatch) -> Refused:
        size = self.archive.data_size, self.archive.control_size
        [answer] = self.commit(batch)
        assert isinstance(answer, Refused) and (self.archive.data_size, self.archive.control_size) == size
        return answer
