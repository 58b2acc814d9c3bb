"""Whether a baseline was fixed before its reporting period: what control log and witnesses say about it."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from analytics.energy.savings import CLAIM
from chejian.demo.client import GatewayClient
from evidence.bag import BagReader
from evidence.beforehand import first_seen, sightings
from evidence.trust import TrustFile
from evidence.verify import check_logs
from evidence.verify_control import control_entries
from store.archive_records import ControlEntry
from workshop.window import Window


class Fixed(msgspec.Struct, frozen=True):
    """The first entry that commits to this baseline, boundary and period."""

    entry: int
    time_us: int
    author: str
    before: bool
    """By the gateway's own clock."""
    seen_by: str
    """Who outside saw it before the period, and when; empty where that is not shown."""
    others: int
    """Commitments to other baselines for the same period: whoever makes many can choose among them afterwards."""


def told_by_gateway(client: GatewayClient) -> list[ControlEntry]:
    """All commitments that a gateway tells."""
    return [ControlEntry(row["index"], 1, row["kind"], row["time_us"], row["author"], row["body"]) for row in client.get("/v1/commitments")]


def told_by_bundle(path: Path) -> list[ControlEntry]:
    """All commitments in a bundle, as they lie there."""
    return [entry for entry in control_entries(BagReader(path)) if entry.kind == "commitment"]


def fixed(entries: Iterable[ControlEntry], digest: str, window: Window, bundle: Path | None = None, trust: TrustFile | None = None) -> Fixed | None:
    """What is on record about a baseline; None where nothing is.

    Args:
        digest: `savings.fixing_digest`. bundle, trust: with both, whether somebody outside saw it in time; the logs are verified for that.
    Raises:
        VerificationError: the bundle's logs do not hold.
    """
    about = [
        entry for entry in entries
        if entry.body["claim"] == CLAIM and (entry.body["from_us"], entry.body["to_us"]) == (window.start_us, window.end_us)
    ]
    same = [entry for entry in about if entry.body["digest"] == digest]
    if not same:
        return None
    first, seen_by = same[0], ""
    if bundle is not None and trust is not None:
        control, roots = check_logs(bundle, trust)
        if (seen := first_seen(sightings(control, roots, trust), first.index, window)) is not None:
            seen_by = f"{seen.by} at {seen.time_us} µs"
    others = len({entry.body["digest"] for entry in about} - {digest})
    return Fixed(first.index, first.time_us, first.author, first.time_us <= window.start_us, seen_by, others)
