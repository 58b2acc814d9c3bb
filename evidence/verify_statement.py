"""Steps 2, 7, 8 and 9 of verification: what the statement says of files, registers, packs and windows, held against what is there."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from analytics.compute import LOOKBACK_US
from evidence.bag import CLAIMS, CONTROL_LOG, REGISTER, STATEMENT, BagReader
from evidence.bundle import states_of
from evidence.claim import Claim, check_references, decode_claims
from evidence.control import Control
from evidence.document import window_text
from evidence.evaluate import revisions_in_force
from evidence.policy import Pack, check_dates, check_pack
from evidence.segment import read_segment
from evidence.statement import Predicate, WindowState, make_statement, read_statement, signed_by
from evidence.survey import Reach, Survey
from evidence.trust import GatewayKey, TrustFile
from workshop.canonical import canonical_json
from workshop.errors import Rejected
from workshop.register import Workshop
from workshop.window import HOUR_US, Window

LONGEST_US = 10 * 366 * 24 * HOUR_US


class Judged(NamedTuple):
    """Packs and claims of the bundle."""

    packs: dict[str, Pack]
    claims: list[Claim]


def check_statement(bag: BagReader, digests: Mapping[str, str], trust: TrustFile | None) -> tuple[Predicate, list[GatewayKey]]:
    """(2) Signed by the gateway, over every file of the payload; returns also the gateway keys that are believed from outside."""
    envelope = bag.read(STATEMENT)
    statement = read_statement(envelope)
    predicate = statement.predicate
    keys = [GatewayKey(_first_key(bag))] if trust is None else list(trust.gateway)
    if not signed_by(envelope, predicate.gateway_key):
        raise Rejected(f"it names {predicate.gateway_key} as the gateway's key, which did not sign it")
    known = {item.key for item in keys}
    if predicate.gateway_key not in known and not _rotates_to(bag, predicate.gateway_key):
        raise Rejected(f"not signed by a known key of the gateway ({', '.join(sorted(known))}), nor by one that it rotated to")
    if trust is not None and predicate.origin != trust.origin:
        raise Rejected(f"a statement of '{predicate.origin}', the trust file is about '{trust.origin}'")
    files = {name: digest for name, digest in digests.items() if name != STATEMENT}
    if statement != make_statement(files, predicate):
        stated = {item.name: item.digest.get("sha256") for item in statement.subject}
        wrong = sorted(name for name in {*stated, *files} if stated.get(name) != files.get(name))
        raise Rejected(f"the files are not those that were signed: {wrong[0] if wrong else 'the list of subjects'} differs")
    return predicate, keys


def _first_key(bag: BagReader) -> str:
    """The key in the log's first entry, as it says; step 4 checks it."""
    with bag.open(CONTROL_LOG) as file:
        leaf, _, _ = next(read_segment(file, 0))
    try:
        return str(msgspec.json.decode(leaf[12:-64])["body"]["gateway_key"])
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise Rejected("the control log does not begin with the gateway's key") from error


def _rotates_to(bag: BagReader, key: str) -> bool:
    """Whether some entry says so; step 4 checks its signatures, and that the log begins with a known key."""
    with bag.open(CONTROL_LOG) as file:
        return any(b'"kind":"rotation"' in leaf and key.encode() in leaf for leaf, _, _ in read_segment(file, 0))


def windows_of(predicate: Predicate) -> list[Window]:
    """The windows, the baseline last. Raises Rejected for one that no bundle has."""
    states = [predicate.window] if predicate.baseline is None else [predicate.window, predicate.baseline]
    for state in states:
        if not 0 <= state.start_us < state.end_us or state.end_us - state.start_us > LONGEST_US:
            raise Rejected(f"window [{state.start_us}, {state.end_us}) is empty, before 1970 or longer than ten years")
    if predicate.baseline is not None and predicate.baseline.end_us > predicate.window.start_us:
        raise Rejected("the baseline does not end before the window begins")
    return [_window(state) for state in states]


def _window(state: WindowState) -> Window:
    return Window(state.start_us, state.end_us)


def check_registers(bag: BagReader, predicate: Predicate, control: Control, windows: Sequence[Window], said: list[str]) -> list[Workshop]:
    """(7) The revisions in force are those of the control log; returns those of the window."""
    in_force = [revisions_in_force(control.registers, window) for window in windows]
    for stated, revisions in zip((predicate.registers, predicate.baseline_registers), [*in_force, []], strict=False):
        if tuple(stated) != states_of(revisions):
            raise Rejected(f"the statement names {stated}, the control log has {states_of(revisions)} in force")
    last = in_force[0][-1][1]
    if bag.read(REGISTER) != canonical_json(last):
        raise Rejected(f"'{REGISTER}' is not the revision {last.digest} that the control log has in force")
    said.append(f"{len(in_force[0])} revision in force, digest {last.digest}, {len(last.equipment)} pieces of equipment")
    if in_force[0][0][0] > windows[0].start_us:
        said.append("first recorded after the window began: nothing shows that it did not depend on what happened")
    return [item for _, item in in_force[0]]


def check_packs(bag: BagReader, predicate: Predicate, shipped: Mapping[str, Pack], accepted: Collection[str]) -> Judged:
    """(8) Packs are shipped with this program or accepted by digest; claims refer to them."""
    known = {pack.digest for pack in shipped.values()} | set(accepted)
    packs: dict[str, Pack] = {}
    for name, file in bag.packs.items():
        data = bag.read(file)
        try:
            pack = msgspec.json.decode(data, type=Pack)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Rejected(f"pack '{name}': {error}") from error
        if pack.canonical != data or pack.id != name:
            raise Rejected(f"pack '{name}': not canonical, or under a wrong name")
        if pack.digest not in known:
            ours = shipped[name].digest if name in shipped else "none of this name"
            raise Rejected(
                f"pack '{name}' has the digest {pack.digest}; this program ships {ours}. If you have read that pack and accept it, say so with "
                f"--accept-pack {pack.digest}"
            )
        check_pack(pack)
        packs[name] = pack
    stated = [(item.id, item.sha256) for item in predicate.packs]
    if stated != [(name, pack.digest) for name, pack in sorted(packs.items())]:
        raise Rejected(f"the statement names the packs {stated}, the bundle holds {sorted(packs)}")
    claims = decode_claims(bag.read(CLAIMS), CLAIMS)
    check_references(claims, packs, [claim.indicator for claim in claims if claim.indicator is not None], CLAIMS)
    return Judged(packs, claims)


def check_windows(predicate: Predicate, windows: Sequence[Window], control: Control, survey: Survey) -> list[str]:
    """(9) No range can have left out a batch about a window; gaps, absent parts and undelivered data are as stated.

    Returns:
        How far the ranges reach, for each window.
    """
    if predicate.lookback_us != LOOKBACK_US:
        raise Rejected(f"made with a lookback of {predicate.lookback_us} µs, this program uses {LOOKBACK_US}: use the version that made it")
    if predicate.as_of is not None:
        check_dates("as of", predicate.as_of)
    said = []
    for number, window in enumerate(windows):
        what = f"{'window' if number == 0 else 'baseline'} {window_text(window.start_us, window.end_us)}"
        problems = [_lacking(reach, number, window, predicate.data.size, control) for reach in survey.ranges]
        if all(problems):
            raise Rejected(f"{what}: {'; '.join(problems)}")
        said.append(_reaches(survey.ranges[problems.index("")], number, window, what, control))
    if survey.gaps != predicate.gaps:
        raise Rejected(f"{len(survey.gaps)} gaps in the edges' signed headers meet a window, the statement lists {len(predicate.gaps)} or others")
    if list(predicate.withheld) != sorted(set(predicate.withheld)) or any(item.why not in _WHY for item in predicate.absent):
        raise Rejected("the equipment withheld is not in order, or a reason for an absent part is none")
    if survey.absent != predicate.absent:
        raise Rejected(f"the parts that are absent differ from the statement: got {survey.absent}, it lists {predicate.absent}")
    if survey.undelivered != predicate.undelivered:
        raise Rejected(
            f"late data announced in control entries {survey.undelivered} is not in the bundle, the statement admits {predicate.undelivered}"
        )
    return said


_WHY = frozenset({"withheld", "pruned", "damaged", "missing"})


def _lacking(reach: Reach, number: int, window: Window, size: int, control: Control) -> str:
    """Why a range could have left out a batch about a window; empty if it could not."""
    where = f"the range [{reach.first}, {reach.end})"
    bound_us = window.start_us - LOOKBACK_US
    if reach.first > 0 and reach.first_accepted_us > bound_us:
        return f"{where} begins with a batch accepted at {reach.first_accepted_us}, after the window's start less lookback, {bound_us}"
    if loose := sorted(edge for edge, sealed_us in reach.unlinked.items() if sealed_us > bound_us):
        return f"{where} does not show what edge '{loose[0]}' sent before its first batch there: batches may be left out"
    waiting = control.awaited(window.end_us, reach.last_accepted_us) - reach.passed[number]
    if waiting and reach.end < size:
        return f"{where} ends before edge '{min(waiting)}' has passed the window's end: batches are left out"
    return ""


def _reaches(reach: Reach, number: int, window: Window, what: str, control: Control) -> str:
    """How far the range that serves a window reaches, on both sides: beyond it, or to an end of the log."""
    before = "begins before it" if reach.first > 0 or reach.first_accepted_us <= window.start_us - LOOKBACK_US else "begins with the log"
    waiting = sorted(control.awaited(window.end_us, reach.last_accepted_us) - reach.passed[number])
    if not waiting:
        return f"{what}: the range {before}, and every edge is heard beyond it: nothing about it can have been left out"
    unheard = f"{', '.join(waiting[:3])}{f' and {len(waiting) - 3} more' if len(waiting) > 3 else ''} {'is' if len(waiting) == 1 else 'are'}"
    said = f"{what}: the range {before}, and nothing in the log is left out"
    return f"{said}; but the log ends before {unheard} heard beyond it: what comes later is not judged"
