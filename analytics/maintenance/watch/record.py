"""How findings stand on record: as control entries of kind "prediction", made before anybody knows whether they are right.

The entry holds the digest of the finding's document; the document itself is kept as a derived text reading (role `alert`), where the register has
such a signal, and in the service's folder. Whoever has both can see that the evidence was not changed afterwards.
"""

from collections.abc import Iterable

from analytics.maintenance.reckoning import Alerted, Failure
from analytics.maintenance.watch.finding import Finding
from store.archive_records import ControlEntry
from store.control_kinds import Prediction
from workshop.canonical import canonical_json, sha256_hex
from workshop.window import HOUR_US

MODEL = "watch 1"
"""Name and version under which the watch's findings stand in the control log."""
FAILURE, CONFIRMED, FALSE_ALARM = "failure", "confirmed", "false alarm"
"""Findings of people, as feedback has them; a failure names its kind in the note."""


def document_of(finding: Finding) -> bytes:
    """The finding as RFC 8785 JSON, whose digest the entry holds."""
    return canonical_json(finding.document())


def prediction_of(finding: Finding) -> Prediction:
    """The body of the entry. Its window says when it will show: until the end of the life left, else as soon as somebody should look."""
    hours = finding.remaining_h[2] if finding.remaining_h else finding.within_h
    to_us = finding.at_us + max(round(hours * HOUR_US), HOUR_US)
    return Prediction(MODEL, finding.equipment, finding.what, finding.at_us, to_us, f"{finding.score:.4f}", sha256_hex(document_of(finding)))


def alerts_of(entries: Iterable[ControlEntry], model: str = MODEL, *, replay: bool = False) -> list[Alerted]:
    """The alerts that a control log holds, by the time at which the gateway took them, not by what they say of themselves.

    Args:
        replay: by what they say of themselves all the same: history that was imported was scored long afterwards.
    """
    return [
        Alerted(entry.body["equipment"], entry.body["what"], entry.body["from_us"] if replay else entry.time_us, entry.index)
        for entry in entries if entry.kind == "prediction" and entry.body["model"] == model
    ]


def failures_of(entries: Iterable[ControlEntry]) -> list[Failure]:
    """The failures that people have put on record: feedback with the finding "failure", its kind in the note."""
    return [
        Failure(entry.body["equipment"], entry.body.get("note", "").strip(), entry.body["from_us"], entry.body["to_us"])
        for entry in entries if entry.kind == "feedback" and entry.body["finding"] == FAILURE
    ]
