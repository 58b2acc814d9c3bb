"""A journal on a disk that others fill: run in a process of its own, whose disk is a small tmpfs where that is allowed."""

import json
import sys
from pathlib import Path

from store.journal import JournalLimits, WhenFull
from tests.faults.load import Load, open_journal
from tests.faults.oracle import Delivered

FREE = 700_000


def main(folder: Path, policy: WhenFull) -> dict[str, object]:
    """Fills the disk but for a little, stores until nothing goes any more, makes room, and goes on."""
    limits = JournalLimits(max_bytes=5 * 2**20, min_free_bytes=0, when_full=policy)
    load = Load(open_journal(folder, limits), scans_each=300)
    for _ in range(20):
        load.step(acknowledges=False)
    filler, said = folder / "of-others", ""
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            said = error.strerror or ""
    with filler.open("r+b") as file:
        file.truncate(max(0, filler.stat().st_size - FREE))
    before = load.refused
    while load.refused < before + 5:
        load.step(acknowledges=False)
    status = load.journal.status()
    # A restart in this state reads what is there, and says so about the rest.
    load.journal.close()
    load.journal = open_journal(folder, limits)
    filler.unlink()
    for _ in range(20):
        load.step(acknowledges=False)
    goes_on = load.append()
    counts = Delivered.of_journal(load.journal).check(load.emitted, surely=load.told)
    load.journal.close()
    return {"said": said, "refused": load.refused - before, "full": status.full, "goes_on": goes_on, **counts}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), WhenFull(sys.argv[2]))))  # noqa: T201
