"""Verification: a numbered list of steps, offline, from nothing but the bundle, the trust file and this program.

(1) container: BagIt manifests complete, nothing unlisted, no links, one spelling
(2) statement: signed by the gateway, over every file of the payload
(3) checkpoints of both logs, signed by the gateway
(4) control log: complete from its first entry, signed, root as signed, extends what was pinned
(5) data log: the range gives the signed root; earlier and pinned checkpoints lie on the same history
(6) batches: signed by their edges, chained without holes, provenance as enrolled, parts as their digests say
(7) register: the revisions in force in the window are those of the control log
(8) policy packs: shipped with this program or accepted by digest; claims refer to them
(9) window and gaps: the range cannot have left out a batch; gaps and absent parts are as stated
(10) indicators: every figure recomputed from the raw batches
(11) verdicts: every claim judged again
(12) signer: known from the trust file; without one the bundle is consistent, and its signer unknown
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from analytics.compute import LOOKBACK_US
from analytics.indicator import Indicator, Result, load_indicators
from evidence.bag import CLAIMS, REGISTER, STATEMENT, BagReader
from evidence.claim import Claim, check_references, decode_claims
from evidence.evaluate import evaluate, parts_of, revisions_in_force
from evidence.packs import load_packs
from evidence.policy import Pack, check_dates, check_pack
from evidence.statement import Predicate, make_statement, read_statement, signed_by
from evidence.step import Step, Steps
from evidence.survey import Survey
from evidence.trust import GatewayKey, TrustFile
from evidence.verdict import Verdict
from evidence.verify_control import Control, check_checkpoints, check_control, pinned_checkpoints
from evidence.verify_data import Range, check_batches, check_range, read_batches
from workshop.canonical import canonical_json
from workshop.errors import ConfigError, Rejected
from workshop.window import HOUR_US, Window

LONGEST_US = 10 * 366 * 24 * HOUR_US


class Verification(msgspec.Struct, frozen=True):
    """What came out. `ok` means that the evidence holds and its signer is known, whatever the verdicts are."""

    ok: bool
    steps: tuple[Step, ...]
    verdicts: tuple[Verdict, ...]
    results: tuple[Result, ...]


def verify(
    path: Path,
    trust: TrustFile | None,
    *,
    report: Callable[[Step], None] = lambda step: None,
    indicators: Mapping[str, Indicator] | None = None,
    packs: Mapping[str, Pack] | None = None,
) -> Verification:
    """Checks a bundle, step by step, and computes its results and verdicts again.

    Args:
        path: the bundle's folder or zip.
        trust: what is known from outside; None runs every step with the bundle's own keys and ends with `ok` False.
        report: hears of every step as it is done.
        indicators: those of this program, unless others are given.
        packs: those that this program ships, unless others are given.
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
    with steps.run(1) as said:
        bag = BagReader(path)
        digests = bag.check()
        said.append(f"{len(digests)} files, {sum(bag.sizes.values())} bytes, every digest as listed")
    with steps.run(2) as said:
        predicate, keys = _check_statement(bag, digests, trust)
        said.append(f"signed by gateway key {predicate.gateway_key} of '{predicate.origin}'")
    with steps.run(3) as said:
        pinned = pinned_checkpoints(trust)
        checkpoints = check_checkpoints(bag, predicate, predicate.gateway_key)
        said.append(f"data log {checkpoints['data'].size} batches, control log {checkpoints['control'].size} entries")
    with steps.run(4) as said:
        control = check_control(bag, checkpoints["control"], keys, predicate.origin, pinned["control"])
        said.append(f"{control.size} entries from the first, all signed, root as signed; {len(pinned['control'])} pinned checkpoints extended")
        said.extend(f"{count} entries '{kind}' not known to this program" for kind, count in sorted(control.unknown.items()))
    with steps.run(5) as said:
        covered = check_range(bag, predicate, checkpoints["data"], control, pinned["data"])
        said.append(f"batches [{covered.first}, {covered.end}) of {covered.size} give the signed root")
        said.append(f"{len(pinned['data'])} pinned checkpoints extended")
        said.append(f"{covered.checked} checkpoints of the control log agree, {covered.unproven} lie outside the range without a proof")
    window = Window(predicate.start_us, max(predicate.start_us, predicate.end_us))
    survey = Survey(window)
    with steps.run(6) as said:
        chains = check_batches(bag, control, trust, covered.first == 0, survey)
        said.append(f"{survey.batches} batches of {len(chains)} edges, signed and chained without a hole; {survey.rows} readings about the window")
    with steps.run(7) as said:
        _check_registers(bag, predicate, control, window, said)
    with steps.run(8) as said:
        found_packs, claims = _check_packs(bag, predicate, shipped, trust)
        said.append(f"{len(claims)} claims; packs {', '.join(sorted(found_packs)) or 'none'} known")
    with steps.run(9) as said:
        _check_window(predicate, covered, control, survey)
        said.append("the range reaches beyond the window on both sides")
        said.append(f"{len(survey.gaps)} gaps, absent parts of {len(survey.absent)} pieces of equipment, as stated")
    results, verdicts = _judge_again(bag, predicate, control, claims, found_packs, known, steps)
    if trust is None:
        steps.note(12, False, "consistent, signer unknown: no trust file; get one from outside the bundle and give it with --trust")
    else:
        steps.note(12, True, f"gateway '{trust.origin}' and its edges are known from the trust file")
    return Verification(trust is not None, tuple(steps.done), tuple(verdicts), tuple(results))


def _judge_again(
    bag: BagReader, predicate: Predicate, control: Control, claims: list[Claim], packs: Mapping[str, Pack], known: Mapping[str, Indicator],
    steps: Steps,
) -> tuple[list[Result], list[Verdict]]:
    """(10) and (11)."""
    versions = {item.id: item.version for item in predicate.indicators}
    strangers = sorted(name for name, version in versions.items() if name not in known or known[name].version != version)
    chosen = {name: known[name] for name in versions if name in known}
    with steps.run(10) as said:
        stream = parts_of(batch for _, _, batch in read_batches(bag))
        window = Window(predicate.start_us, predicate.end_us)
        results, verdicts = evaluate(
            control.registers, stream, claims, packs, window, indicators=chosen, as_of=predicate.as_of, versions=versions
        )
        _compare_results(predicate, results, set(strangers))
        said.append(f"{len(results)} indicators recomputed from the raw batches, equal to the last digit")
        said.extend(f"{name} version {versions[name]} is not known to this program: undetermined" for name in strangers)
    with steps.run(11) as said:
        _compare_verdicts(predicate, verdicts, _stranger_claims(claims, packs, set(strangers)))
        said.append(", ".join(f"{item.claim} {item.outcome}" for item in verdicts))
    return results, verdicts


def _check_statement(bag: BagReader, digests: Mapping[str, str], trust: TrustFile | None) -> tuple[Predicate, list[GatewayKey]]:
    envelope = bag.read(STATEMENT)
    statement = read_statement(envelope)
    predicate = statement.predicate
    keys = [GatewayKey(predicate.gateway_key)] if trust is None else list(trust.gateway)
    signer = next((item.key for item in keys if signed_by(envelope, item.key)), None)
    if signer is None:
        raise Rejected(f"not signed by a known key of the gateway ({', '.join(item.key for item in keys)})")
    if signer != predicate.gateway_key:
        raise Rejected(f"signed by {signer}, but it names {predicate.gateway_key} as the gateway's key")
    if trust is not None and predicate.origin != trust.origin:
        raise Rejected(f"a statement of '{predicate.origin}', the trust file is about '{trust.origin}'")
    files = {name: digest for name, digest in digests.items() if name != STATEMENT}
    if statement != make_statement(files, predicate):
        stated = {item.name: item.digest.get("sha256") for item in statement.subject}
        wrong = sorted(name for name in {*stated, *files} if stated.get(name) != files.get(name))
        raise Rejected(f"the files are not those that were signed: {wrong[0] if wrong else 'the list of subjects'} differs")
    return predicate, keys


def _check_registers(bag: BagReader, predicate: Predicate, control: Control, window: Window, said: list[str]) -> None:
    revisions = revisions_in_force(control.registers, window)
    got = [(item.time_us, item.digest) for item in predicate.registers]
    expected = [(time_us, item.digest) for time_us, item in revisions]
    if got != expected:
        raise Rejected(f"the statement names {got}, the control log has {expected} in force in the window")
    if bag.read(REGISTER) != canonical_json(revisions[-1][1]):
        raise Rejected(f"'{REGISTER}' is not the revision {expected[-1][1]} that the control log has in force")
    said.append(f"{len(revisions)} revision in force, digest {expected[-1][1]}, {len(revisions[-1][1].equipment)} pieces of equipment")
    if revisions[0][0] > window.start_us:
        said.append("first recorded after the window began: nothing shows that it did not depend on what happened")


def _check_packs(
    bag: BagReader, predicate: Predicate, shipped: Mapping[str, Pack], trust: TrustFile | None
) -> tuple[dict[str, Pack], list[Claim]]:
    accepted = {pack.digest for pack in shipped.values()} | set(trust.packs if trust is not None else ())
    packs: dict[str, Pack] = {}
    for name, file in bag.packs.items():
        data = bag.read(file)
        try:
            pack = msgspec.json.decode(data, type=Pack)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Rejected(f"pack '{name}': {error}") from error
        if pack.canonical != data or pack.id != name:
            raise Rejected(f"pack '{name}': not canonical, or under a wrong name")
        if pack.digest not in accepted:
            ours = shipped[name].digest if name in shipped else "none of this name"
            raise Rejected(f"pack '{name}' has the digest {pack.digest}; this program ships {ours}, and the trust file does not accept it")
        check_pack(pack)
        packs[name] = pack
    stated = [(item.id, item.sha256) for item in predicate.packs]
    if stated != [(name, pack.digest) for name, pack in sorted(packs.items())]:
        raise Rejected(f"the statement names the packs {stated}, the bundle holds {sorted(packs)}")
    claims = decode_claims(bag.read(CLAIMS), CLAIMS)
    check_references(claims, packs, [claim.indicator for claim in claims if claim.indicator is not None], CLAIMS)
    return packs, claims


def _check_window(predicate: Predicate, covered: Range, control: Control, survey: Survey) -> None:
    if not 0 <= predicate.start_us < predicate.end_us or predicate.end_us - predicate.start_us > LONGEST_US:
        raise Rejected(f"window [{predicate.start_us}, {predicate.end_us}) is empty, before 1970 or longer than ten years")
    if predicate.lookback_us != LOOKBACK_US:
        raise Rejected(f"made with a lookback of {predicate.lookback_us} µs, this program uses {LOOKBACK_US}: use the version that made it")
    if predicate.as_of is not None:
        check_dates("as of", predicate.as_of)
    bound_us = predicate.start_us - LOOKBACK_US
    if covered.first > 0 and covered.first_accepted_us > bound_us:
        raise Rejected(
            f"the range begins with a batch accepted at {covered.first_accepted_us}, after the window's start less lookback, {bound_us}: "
            "batches about the window may stand before it"
        )
    waiting = control.enrolled_before(predicate.end_us) - survey.passed
    if waiting and covered.end < covered.size:
        raise Rejected(
            f"the range ends at {covered.end} of {covered.size} before edge '{min(waiting)}' has passed the window's end: batches are left out"
        )
    if survey.gaps != predicate.gaps:
        raise Rejected(f"{len(survey.gaps)} gaps in the edges' signed headers meet the window, the statement lists {len(predicate.gaps)} or others")
    if survey.absent != predicate.absent:
        raise Rejected(f"the parts that are absent differ from the statement: got {survey.absent}, it lists {predicate.absent}")


def _compare_results(predicate: Predicate, results: list[Result], strangers: set[str]) -> None:
    got = {item.indicator: canonical_json(item) for item in results}
    stated: dict[str, bytes] = {}
    for item in predicate.results:
        name = str(item.get("indicator"))
        if name in stated:
            raise Rejected(f"the statement holds two results of {name}")
        stated[name] = canonical_json(item)
    if set(stated) != {item.id for item in predicate.indicators}:
        raise Rejected(f"the statement holds results of {sorted(stated)}, and names {sorted(item.id for item in predicate.indicators)}")
    for name, data in stated.items():
        if name not in strangers and got.get(name) != data:
            raise Rejected(f"{name}: got {got.get(name, b'nothing').decode()[:400]}, the statement says {data.decode()[:400]}")


def _stranger_claims(claims: list[Claim], packs: Mapping[str, Pack], strangers: set[str]) -> set[str]:
    """The claims that rest on an indicator that this program does not know in the version asked for."""
    found = set()
    for claim in claims:
        clause = packs[claim.pack].clause(claim.clause or "") if claim.pack is not None else None
        used = {metric.indicator for metric in clause.metrics} if clause is not None else {claim.indicator}
        if used & strangers:
            found.add(claim.id)
    return found


def _compare_verdicts(predicate: Predicate, verdicts: list[Verdict], unknown: set[str]) -> None:
    got: list[dict[str, Any]] = [msgspec.to_builtins(item) for item in verdicts]
    if [item["claim"] for item in got] != [item.get("claim") for item in predicate.verdicts]:
        raise Rejected("the statement's verdicts are not those on the claims in the bundle")
    for mine, theirs in zip(got, predicate.verdicts, strict=True):
        if mine["claim"] not in unknown and canonical_json(mine) != canonical_json(theirs):
            raise Rejected(f"claim '{mine['claim']}': got {mine['outcome']} ({mine['reason'][:200]}), the statement says {theirs.get('outcome')}")
