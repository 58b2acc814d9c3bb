"""Whether a commitment was made before its window: only somebody outside the factory can show it, by a cosignature or a time stamp from before."""

from collections.abc import Iterable, Mapping

import msgspec

from evidence.claim import Claim
from evidence.control import Control
from evidence.remarks import Remark, commitment_of
from evidence.trust import TrustFile
from evidence.verdict import Words
from store.log import open_note, parse_checkpoint
from store.note import open_cosignature
from workshop.errors import Rejected
from workshop.window import SECOND_US, Window


class Sighting(msgspec.Struct, frozen=True):
    """Somebody outside saw the control log at this size, at this time at the latest."""

    size: int
    time_us: int
    witness: str


def sightings(control: Control, roots: Mapping[int, bytes], trust: TrustFile | None) -> list[Sighting]:
    """The cosignatures in the control log by witnesses that the trust file names, on checkpoints that lie on this log's history."""
    name = f"{control.origin}/control"
    found = []
    for item in control.witnesses:
        if trust is None or item.key not in trust.witnesses:
            continue
        for cosignature in item.cosignatures:
            try:
                text, time_s = open_cosignature(cosignature.note, item.witness, item.key)
                checkpoint = parse_checkpoint(text)
                _signed(cosignature.note, name, [key for key, _ in control.gateway_keys])
            except Rejected:
                continue  # it shows nothing; whoever put it there is not believed for it
            if checkpoint.origin == name and roots.get(checkpoint.size) == checkpoint.root:
                found.append(Sighting(checkpoint.size, time_s * SECOND_US, item.witness))
    return found


def _signed(note: str, name: str, keys: Iterable[str]) -> None:
    for key in keys:
        try:
            open_note(note, name, key)
        except Rejected as error:
            refused = error
            continue
        return
    raise refused


def of_time(claims: Iterable[Claim], control: Control, seen: Iterable[Sighting], window: Window) -> list[Remark]:
    """For every claim with a commitment: shown to be made before the window, or not shown."""
    remarks = []
    for claim in claims:
        item = commitment_of(claim, control, window)
        if item is None:
            continue
        by = [sighting for sighting in seen if sighting.size > item.index and sighting.time_us <= window.start_us]
        first = min(by, key=lambda sighting: (sighting.time_us, sighting.witness), default=None)
        words = Words("that it was made before the window is not shown", "其早于窗口作出: 未证明")
        if first is not None:
            words = Words(
                f"shown to be made before the window: witness '{first.witness}' saw it at {first.time_us} µs",
                f"已证明早于窗口作出: 见证方 {first.witness} 于 {first.time_us} µs 所见",
            )
        remarks.append(Remark(words, False, None, frozenset({claim.id})))
    return remarks
