"""Whether a commitment was made before its window: only somebody outside the factory can show it, by a cosignature or a time stamp from before."""

import base64
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from evidence.claim import Claim
from evidence.control import Control
from evidence.remarks import Remark, commitment_of
from evidence.timestamp import check_response
from evidence.trust import TrustFile, open_checkpoint, roots_of
from evidence.verdict import Words
from store.control_kinds import Cosignature, Witness
from store.note import open_cosignature
from workshop.errors import Rejected
from workshop.window import SECOND_US, Window


class Sighting(msgspec.Struct, frozen=True):
    """Somebody outside saw the control log at this size, at this time at the latest."""

    size: int
    time_us: int
    by: str


def sightings(control: Control, roots: Mapping[int, bytes], trust: TrustFile | None) -> list[Sighting]:
    """Who has seen this log's history: cosignatures by witnesses, and stamps by authorities, that the trust file names."""
    if trust is None:
        return []
    name, keys = f"{control.origin}/control", [key for key, _ in control.gateway_keys]
    found = []
    for item in control.witnesses:
        for cosignature in item.cosignatures:
            try:
                checkpoint = open_checkpoint(cosignature.note, name, keys)
            except Rejected:
                continue  # it shows nothing; whoever put it there is not believed for it
            if roots.get(checkpoint.size) != checkpoint.root:
                continue
            if item.key in trust.witnesses and (time_us := _cosigned_us(cosignature, item)) is not None:
                found.append(Sighting(checkpoint.size, time_us, f"witness '{item.witness}'"))
            if cosignature.timestamp and trust.authorities and (time_us := _stamped_us(cosignature, trust)) is not None:
                found.append(Sighting(checkpoint.size, time_us, "a time-stamping authority"))
    return found


def _cosigned_us(cosignature: Cosignature, item: Witness) -> int | None:
    try:
        return open_cosignature(cosignature.note, item.witness, item.key)[1] * SECOND_US
    except Rejected:
        return None


def _stamped_us(cosignature: Cosignature, trust: TrustFile) -> int | None:
    try:
        return check_response(base64.b64decode(cosignature.timestamp, validate=True), cosignature.note.encode(), roots_of(trust))
    except (Rejected, ValueError):
        return None


def first_seen(seen: Iterable[Sighting], index: int, window: Window) -> Sighting | None:
    """Who first saw a log that holds this control entry, before the window began; None where nobody is known to."""
    before = [sighting for sighting in seen if sighting.size > index and sighting.time_us <= window.start_us]
    return min(before, key=lambda sighting: (sighting.time_us, sighting.by), default=None)


def of_time(claims: Iterable[Claim], control: Control, seen: Sequence[Sighting], window: Window) -> list[Remark]:
    """For every claim with a commitment: shown to be made before the window, or not shown."""
    remarks = []
    for claim in claims:
        item = commitment_of(claim, control, window)
        if item is None:
            continue
        first = first_seen(seen, item.index, window)
        words = Words("that it was made before the window is not shown", "其早于窗口作出: 未证明")
        if first is not None:
            words = Words(
                f"shown to be made before the window: {first.by} saw it at {first.time_us} µs",
                f"已证明早于窗口作出: 外部见证({first.by})于 {first.time_us} µs 所见",
            )
        remarks.append(Remark(words, False, None, frozenset({claim.id})))
    return remarks


def predicted(control: Control, seen: Sequence[Sighting]) -> list[str]:
    """How many predictions the log holds, and how many of them are shown to be made before the time that they are about."""
    if not control.predictions:
        return []
    before = sum(any(item.size > index and item.time_us <= body.from_us for item in seen) for index, body in control.predictions)
    return [f"{len(control.predictions)} predictions, {before} of them shown to be made before their time"]
