"""Alerts, feedback and failures as the control log has them: from a gateway, or offline from a bundle whose log is checked from its first entry."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evidence.bag import CONTROL_LOG, BagReader
from evidence.beforehand import Sighting, sightings
from evidence.segment import read_segment
from evidence.trust import TrustFile
from evidence.verify_control import check_checkpoints, check_control, pinned_checkpoints
from evidence.verify_statement import check_statement
from store.archive_records import ControlEntry
from store.log import split_leaf
from workshop.errors import ConfigError, Rejected, VerificationError
from workshop.register import Workshop

if TYPE_CHECKING:
    from chejian.demo.client import GatewayClient


class Record(msgspec.Struct):
    """What is known of alerts, and how well."""

    entries: list[ControlEntry]
    """Of kinds "prediction" and "feedback", in the order of the log."""
    register: Workshop
    """The newest."""
    from_us: int
    """When the first analytics service was enrolled; 0 if none ever was."""
    to_us: int
    """Up to when the record goes."""
    seen: list[Sighting]
    """Who outside the factory has seen how much of the log, and when; empty when asked of a gateway."""
    source: str
    """Where it comes from, in words."""

    def shown_by_us(self, index: int) -> int | None:
        """When, at the latest, somebody outside had seen the entry; None: nobody has."""
        return min((sighting.time_us for sighting in self.seen if sighting.size > index), default=None)


class _Entry(msgspec.Struct):
    v: int
    kind: str
    time_us: int
    author: str
    body: dict[str, Any]


class _Row(msgspec.Struct):
    index: int
    kind: str
    time_us: int
    author: str
    body: dict[str, Any]


def record_of_bundle(path: Path, trust: TrustFile | None) -> Record:
    """The record in a bundle; statement, checkpoints and the whole control log are checked first (steps 1 to 4 of `chejian evidence verify`).

    Raises:
        ConfigError: no such bundle.
        VerificationError: the log does not hold.
    """
    if not path.exists():
        raise ConfigError(f"{path}: no such bundle; give the folder or the zip that was exported")
    try:
        bag = BagReader(path)
        predicate, keys = check_statement(bag, bag.check(), trust)
        control, roots = check_control(bag, predicate, check_checkpoints(bag, predicate)["control"], keys, pinned_checkpoints(trust)["control"])
    except Rejected as error:
        raise VerificationError(4, f"{path}: {error}") from error
    entries, last_us = [], 0
    with bag.open(CONTROL_LOG) as file:
        for index, (leaf, _, _) in enumerate(read_segment(file, 0)):
            entry = msgspec.json.decode(split_leaf(leaf)[1], type=_Entry)
            last_us = entry.time_us
            if entry.kind in {"prediction", "feedback"}:
                entries.append(ControlEntry(index, entry.v, entry.kind, entry.time_us, entry.author, entry.body))
    begun = [time_us for events in control.edges.values() for time_us, item in events if item is not None and item.enrolment.provenance == "derived"]
    signer = "" if trust is not None else "; its signer is unknown without --trust"
    return Record(
        entries, control.registers[-1][1], min(begun, default=0), last_us, sightings(control, roots, trust),
        f"bundle {path}: {control.size} entries of the control log, all signed, root as signed{signer}",
    )


def record_of_gateway(client: "GatewayClient", now_us: int) -> Record:
    """The record as a gateway tells it; nothing is checked.

    Raises:
        NotConnected, ConfigError: the gateway is away or does not let us in.
    """
    rows = [row for path in ("predictions", "feedback") for row in msgspec.convert(client.get(f"/v1/{path}"), list[_Row])]
    entries = [ControlEntry(row.index, 1, row.kind, row.time_us, row.author, row.body) for row in sorted(rows, key=lambda row: row.index)]
    begun = [edge["enrolled_us"] for edge in client.get("/v1/edges") if edge["provenance"] == "derived"]
    register = msgspec.convert(client.get("/v1/workshop")["register"], Workshop)
    return Record(entries, register, min(begun, default=0), now_us, [], f"gateway {client.url}: not checked; ask for a bundle to check it offline")
