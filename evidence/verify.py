"""Verification: a numbered list of steps, offline, from nothing but the bundle, the trust file and this program.

(1) container: BagIt manifests complete, nothing unlisted, no links, one spelling
(2) statement: signed by the gateway, over every file of the payload
(3) checkpoints of both logs, signed by the gateway
(4) control log: complete from its first entry, signed, root as signed, extends what was pinned
(5) data log: the ranges give the signed root; earlier and pinned checkpoints lie on the same history
(6) batches: signed by their edges, chained without holes, provenance as enrolled, parts as their digests say
(7) register: the revisions in force in the window are those of the control log
(8) policy packs: shipped with this program or accepted by digest; claims refer to them
(9) windows and gaps: the ranges cannot have left out a batch; gaps, absent parts and late data are as stated
(10) indicators: every figure recomputed from the raw batches
(11) verdicts: every claim judged again
(12) signer: known from the trust file; without one the bundle is consistent, and its signer unknown
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from analytics.indicator import Indicator, Result, load_indicators
from evidence.bag import BagReader
from evidence.beforehand import of_time, predicted, sightings
from evidence.bundle import remarks_on
from evidence.claim import indicators_of
from evidence.control import Control
from evidence.evaluate import Evaluation, evaluate
from evidence.packs import load_packs
from evidence.parts import Files
from evidence.policy import Pack
from evidence.remarks import SPOT, Remark, remark
from evidence.statement import Predicate
from evidence.step import Step, Steps
from evidence.survey import Survey
from evidence.trust import TrustFile
from evidence.verdict import Verdict
from evidence.verify_control import check_checkpoints, check_control, pinned_checkpoints
from evidence.verify_data import check_batches, check_range
from evidence.verify_statement import Judged, check_packs, check_registers, check_statement, check_windows, windows_of
from workshop.canonical import canonical_json
from workshop.errors import ConfigError, Rejected
from workshop.window import Window


class Verification(msgspec.Struct, frozen=True):
    """What came out. `ok` means that the evidence holds and its signer is known, whatever the verdicts are."""

    ok: bool
    steps: tuple[Step, ...]
    verdicts: tuple[Verdict, ...]
    results: tuple[Result, ...]
    predicate: Predicate | None = None
    """What the statement says; None where a step refused."""


def verify(
    path: Path,
    trust: TrustFile | None,
    *,
    report: Callable[[Step], None] = lambda step: None,
    indicators: Mapping[str, Indicator] | None = None,
    packs: Mapping[str, Pack] | None = None,
    accept_packs: Collection[str] = (),
    processes: int = 1,
) -> Verification:
    """Checks a bundle, step by step, and computes its results and verdicts again.

    Args:
        path: the bundle's folder or zip.
        trust: what is known from outside; None runs every step with the bundle's own keys and ends with `ok` False.
        report: hears of every step as it is done.
        indicators: those of this program, unless others are given.
        packs: those that this program ships, unless others are given.
        accept_packs: digests of packs that are accepted although this program does not ship them, beside those of the trust file.
        processes: how many may compute figures; the answer does not depend on it.
    Raises:
        VerificationError: a step that does not hold, with its number, what was got and what was expected.
        ConfigError: there is no such file.
        NotConnected: the file cannot be read.
    """
    if not path.exists():
        raise ConfigError(f"{path}: no such bundle; give the folder or the zip that `chejian evidence export` wrote")
    known = dict(load_indicators() if indicators is None else indicators)
    shipped = dict(load_packs() if packs is None else packs)
    steps = Steps(report)
    bag, predicate, control, roots = _check_logs(path, trust, steps)
    with steps.run(6) as said:
        windows = windows_of(predicate)
        survey = Survey(windows, control, predicate.withheld)
        edges = check_batches(bag, predicate, control, trust, survey)
        said.append(f"{survey.batches} batches of {edges} edges, signed and chained without a hole; {survey.rows[0]} readings about the window")
        said.extend(_losses(control))
    with steps.run(7) as said:
        registers = check_registers(bag, predicate, control, windows, said)
    with steps.run(8) as said:
        judged = check_packs(bag, predicate, shipped, {*accept_packs, *(trust.packs if trust is not None else ())})
        said.append(f"{len(judged.claims)} claims; packs {', '.join(sorted(judged.packs)) or 'none'} known")
    with steps.run(9) as said:
        said.extend(check_windows(predicate, windows, control, survey))
        said.append(f"{len(survey.gaps)} gaps, as stated")
        said.extend(f"{item.parts} parts of {item.equipment} {item.why}" for item in survey.absent)
        remarks = remarks_on(judged.claims, control, survey, windows, registers, Files(bag.files))
        said.extend(item.words.en for item in remarks if SPOT in item.words.en)
    found = _judge_again(bag, predicate, control, survey, windows, judged, known, remarks, processes, steps)
    seen = sightings(control, roots, trust)
    shown = of_time(judged.claims, control, seen, windows[0])
    verdicts = tuple(remark(item, shown, frozenset) for item in found.verdicts)
    if trust is None:
        steps.note(12, False, "consistent, signer unknown: no trust file; get one from outside the bundle and give it with --trust")
    else:
        outside = f"seen {len(seen)} times by {', '.join(sorted({item.by for item in seen}))}" if seen else "no known witness has seen the log"
        steps.note(12, True, "; ".join((
            f"gateway '{trust.origin}' and its edges are known from the trust file", outside, *predicted(control, seen))))
    return Verification(trust is not None, tuple(steps.done), verdicts, found.results, predicate)


def check_logs(path: Path, trust: TrustFile | None) -> tuple[Control, dict[int, bytes]]:
    """Steps (1) to (5) alone, for those who ask a bundle what its control log says: that, and the log's root at every size that is spoken of.

    Raises:
        VerificationError: as `verify`.
    """
    _, _, control, roots = _check_logs(path, trust, Steps(lambda step: None))
    return control, roots


def _check_logs(path: Path, trust: TrustFile | None, steps: Steps) -> tuple[BagReader, Predicate, Control, dict[int, bytes]]:
    """(1) to (5)."""
    with steps.run(1) as said:
        bag = BagReader(path)
        digests = bag.check()
        said.append(f"{len(digests)} files, {sum(bag.sizes.values())} bytes, every digest as listed")
    with steps.run(2) as said:
        predicate, keys = check_statement(bag, digests, trust)
        said.append(f"signed by gateway key {predicate.gateway_key} of '{predicate.origin}'")
    with steps.run(3) as said:
        pinned = pinned_checkpoints(trust)
        checkpoints = check_checkpoints(bag, predicate)
        said.append(f"data log {checkpoints['data'].size} batches, control log {checkpoints['control'].size} entries")
    with steps.run(4) as said:
        control, roots = check_control(bag, predicate, checkpoints["control"], keys, pinned["control"])
        said.append(f"{control.size} entries from the first, all signed, root as signed; {len(pinned['control'])} pinned checkpoints extended")
        said.extend(_restores(control))
        said.extend(f"alarmed: '{what}' about edge '{edge}', {count} times" for (what, edge), count in sorted(control.alarms.items()))
        said.extend(f"{count} entries '{kind}' not known to this program" for kind, count in sorted(control.unknown.items()))
    with steps.run(5) as said:
        covered = check_range(bag, predicate, checkpoints["data"], control, pinned["data"])
        spans = ", ".join(f"[{item.first}, {item.end})" for item in predicate.ranges)
        said.append(f"batches {spans} of {checkpoints['data'].size} give the signed root; {len(pinned['data'])} pinned checkpoints extended")
        said.extend([f"{covered.lost} batches that a pinned checkpoint has seen lay beyond a restore"] if covered.lost else [])
        said.append(f"{covered.checked} checkpoints of the control log agree, {covered.unproven} lie outside the ranges without a proof")
    return bag, predicate, control, roots


def _restores(control: Control) -> list[str]:
    return [
        f"generation {item.generation}: restored from a backup at {item.data_size} batches and {item.control_size} entries"
        for item in control.restores
    ]


def _losses(control: Control) -> list[str]:
    return [
        f"lost with the journal of {edge}: what epoch {epoch} held after batch {item.from_seq - 1}" if item.to_seq is None
        else f"lost in a restore, as the edge states: batches {item.from_seq} to {item.to_seq} of {edge}, epoch {epoch}"
        for (edge, epoch), items in sorted(control.lost.items()) for item in items if item.is_loss
    ]


def _judge_again(
    bag: BagReader, predicate: Predicate, control: Control, survey: Survey, windows: list[Window], judged: Judged, known: Mapping[str, Indicator],
    remarks: list[Remark], processes: int, steps: Steps,
) -> Evaluation:
    """(10) and (11)."""
    versions = {item.id: item.version for item in predicate.indicators}
    strangers = sorted(name for name, version in versions.items() if name not in known or known[name].version != version)
    chosen = {name: known[name] for name in versions if name in known}
    reader = Files(bag.files)
    with steps.run(10) as said:
        found = evaluate(
            control.registers, survey.parts(0, reader), judged.claims, judged.packs, windows[0], indicators=chosen, as_of=predicate.as_of,
            versions=versions, baseline=(survey.parts(1, reader), windows[1]) if len(windows) > 1 else None, remarks=remarks, processes=processes,
            facts=control.recorded.facts,
        )
        if found.malformed != predicate.malformed:
            raise Rejected(f"parts that cannot be decoded: got {found.malformed}, the statement lists {predicate.malformed}")
        _compare_results(predicate, predicate.results, found.results, set(strangers))
        if predicate.baseline is not None or predicate.baseline_results:
            _compare_results(predicate, predicate.baseline_results, found.baseline_results, set(strangers))
        said.append(f"{len(found.results)} indicators recomputed from the raw batches, equal to the last digit")
        said.extend(f"part of {item.equipment} in batch {item.seq} of {item.edge} cannot be decoded: absent" for item in found.malformed)
        said.extend(f"{name} version {versions[name]} is not known to this program: undetermined" for name in strangers)
    with steps.run(11) as said:
        _compare_verdicts(predicate, found.verdicts, _stranger_claims(judged, set(strangers)))
        said.append(", ".join(f"{item.claim} {item.outcome}" for item in found.verdicts))
    return found


def _compare_results(predicate: Predicate, theirs: tuple[dict[str, Any], ...], results: tuple[Result, ...], strangers: set[str]) -> None:
    got = {item.indicator: canonical_json(item) for item in results}
    stated: dict[str, bytes] = {}
    for item in theirs:
        name = str(item.get("indicator"))
        if name in stated:
            raise Rejected(f"the statement holds two results of {name}")
        stated[name] = canonical_json(item)
    if set(stated) != {item.id for item in predicate.indicators}:
        raise Rejected(f"the statement holds results of {sorted(stated)}, and names {sorted(item.id for item in predicate.indicators)}")
    for name, data in stated.items():
        if name not in strangers and got.get(name) != data:
            raise Rejected(f"{name}: got {got.get(name, b'nothing').decode()[:400]}, the statement says {data.decode()[:400]}")


def _stranger_claims(judged: Judged, strangers: set[str]) -> set[str]:
    """The claims that rest on an indicator that this program does not know in the version asked for."""
    return {claim.id for claim in judged.claims if indicators_of(claim, judged.packs) & strangers}


def _compare_verdicts(predicate: Predicate, verdicts: tuple[Verdict, ...], unknown: set[str]) -> None:
    got: list[dict[str, Any]] = [msgspec.to_builtins(item) for item in verdicts]
    if [item["claim"] for item in got] != [item.get("claim") for item in predicate.verdicts]:
        raise Rejected("the statement's verdicts are not those on the claims in the bundle")
    for mine, theirs in zip(got, predicate.verdicts, strict=True):
        if mine["claim"] not in unknown and canonical_json(mine) != canonical_json(theirs):
            raise Rejected(f"claim '{mine['claim']}': got {mine['outcome']} ({mine['reason'][:200]}), the statement says {theirs.get('outcome')}")
