"""What a verdict must say beside its figures: data that is not there, and what was, or was not, fixed beforehand.

Whoever leaves data out on purpose, or changes the list of machines, must not gain by it: such a remark takes a confirmation away, never gives one.
Pure; the gateway and the verifier call the same functions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from analytics.indicator import Indicator
from evidence.challenges import Judged
from evidence.claim import Claim, indicators_of
from evidence.control import Control
from evidence.control_records import Committed
from evidence.policy import Pack
from evidence.statement import Absent, PartName
from evidence.survey import DAMAGED, MISSING, PRUNED, WITHHELD
from evidence.verdict import Outcome, Verdict, Words
from workshop.canonical import canonical_json, sha256_hex
from workshop.register import Workshop
from workshop.window import Window

SPOT = "spot challenge"
NAMED = 3
"""Challenges that went wrong and are named one by one; of more, how many there are."""


class Remark(msgspec.Struct, frozen=True):
    """A sentence for some verdicts."""

    words: Words
    caps: bool = False
    """A verdict that would be confirmed becomes undetermined."""
    equipment: frozenset[str] | None = None
    """Verdicts that rest on any of this equipment; all of them if None."""
    claims: frozenset[str] | None = None


_WHY = {
    WITHHELD: Words("withheld", "被扣留"),
    PRUNED: Words("pruned, their digests kept", "已清理, 仅存摘要"),
    DAMAGED: Words("damaged at the edge, which declared the gap", "在边缘机损坏, 已由其声明为缺口"),
    MISSING: Words("not in the bundle, and nothing says why", "不在证据包中, 原因不明"),
}


def of_data(absent: Iterable[Absent], malformed: Sequence[PartName], rows: int, undelivered: Sequence[int]) -> list[Remark]:
    """Remarks on data that is not there.

    Args:
        rows: readings in parts that meet the window itself, in the bundle or not.
    """
    found = []
    for item in absent:
        why = _WHY[item.why]
        words = Words(
            f"{item.parts} parts of {item.equipment} ({item.rows} readings) are {why.en}; they count as unknown",
            f"{item.equipment} 的 {item.parts} 个数据部分({item.rows} 个读数){why.zh}; 按未知处理",
        )
        found.append(Remark(words, item.why != DAMAGED, frozenset({item.equipment})))
    for name in sorted({item.equipment for item in malformed}):
        which = [item for item in malformed if item.equipment == name]
        first = f"{which[0].edge} epoch {which[0].epoch} batch {which[0].seq}"
        words = Words(
            f"{len(which)} parts of {name} are authentic but cannot be decoded (the first in {first}); they count as absent",
            f"{name} 的 {len(which)} 个数据部分真实但无法解码(首个在 {first}); 按缺失处理",
        )
        found.append(Remark(words, False, frozenset({name})))
    if rows == 0:
        found.append(Remark(Words("the window is empty: the log holds no reading in it", "窗口为空: 日志中没有该时段的读数")))
    for number in undelivered:
        words = Words(
            f"late data announced in control entry {number} is not in the bundle in full", f"控制日志第 {number} 条所预告的补传数据不完整",
        )
        found.append(Remark(words, True))
    return found


def of_losses(control: Control, windows: Sequence[Window]) -> list[Remark]:
    """Remarks on what restores from a backup, and edges that came without their journal, lost of these windows."""
    found = []
    for (edge, epoch), losses in sorted(control.lost.items()):
        for item in losses:
            if not any(item.sealed_after_us < window.end_us and item.sealed_before_us > window.start_us for window in windows):
                continue
            if item.to_seq is None:
                found.append(Remark(Words(
                    f"{edge} lost its journal of epoch {epoch}, and with it what it had not delivered after batch {item.from_seq - 1}",
                    f"{edge} 丢失了纪元 {epoch} 的日志, 第 {item.from_seq - 1} 批之后未送达的数据随之丢失",
                )))
            elif item.is_loss:
                found.append(Remark(Words(
                    f"a restore of the gateway lost batches {item.from_seq} to {item.to_seq} of {edge}, epoch {epoch}",
                    f"网关恢复时丢失 {edge}(纪元 {epoch})的第 {item.from_seq} 至 {item.to_seq} 批",
                )))
    return found


def of_challenges(judged: Sequence[Judged]) -> list[Remark]:
    """Remarks on what an evaluator asked: whatever was not answered, or is contradicted by the batches, leaves every verdict unconfirmed."""
    wrong = [item for item in judged if item.wrong is not None]
    found = []
    if agreed := len(judged) - len(wrong):
        words = Words(f"{SPOT}s answered in agreement with the batches: {agreed}", f"现场抽问与数据批次相符: {agreed} 次")
        if silent := sum(item.silent for item in judged if item.wrong is None):
            words = Words(f"{words.en}, of which {silent} said that there was no reading", f"{words.zh}, 其中 {silent} 次答称无读数")
        found.append(Remark(words))
    for item in wrong[:NAMED]:
        where, said = f"{item.question.signal}, {item.question.edge}", item.wrong or Words("", "")
        words = Words(f"the {SPOT} of control entry {item.index} ({where}) {said.en}", f"控制日志第 {item.index} 条的现场抽问({where}){said.zh}")
        found.append(Remark(words, True))
    if (more := len(wrong) - NAMED) > 0:
        found.append(Remark(Words(f"{more} more {SPOT}s went wrong", f"另有 {more} 次现场抽问不符"), True))
    return found


def commitment_of(claim: Claim, control: Control, window: Window) -> Committed | None:
    """The first commitment of this very claim for this very window."""
    digest = sha256_hex(canonical_json(claim))
    span = (window.start_us, window.end_us)
    return next((item for item in control.commitments if item.body.digest == digest and (item.body.from_us, item.body.to_us) == span), None)


def of_commitments(claims: Iterable[Claim], control: Control, window: Window, registers: Sequence[Workshop]) -> list[Remark]:
    """Remarks on what was committed to; `registers` are the revisions in force in the window."""
    found = []
    for claim in claims:
        only = frozenset({claim.id})
        item = commitment_of(claim, control, window)
        if item is None:
            other = [entry.index for entry in control.commitments if entry.body.claim == claim.id]
            words = Words("no commitment to this claim for this window is in the control log", "控制日志中没有对该声明和该窗口的事先承诺")
            if other:
                words = Words(
                    f"{words.en} (entry {other[0]} commits to it with another window or wording)",
                    f"{words.zh}(第 {other[0]} 条承诺的窗口或内容不同)",
                )
            found.append(Remark(words, False, None, only))
            continue
        words = Words(f"committed to in control entry {item.index}", f"已在控制日志第 {item.index} 条承诺")
        about = [entry for entry in control.commitments if entry.body.claim == claim.id or entry.body.indicator == item.body.indicator]
        if len(about) > 1:
            # Who commits to many windows or bounds can choose among them afterwards.
            words = Words(f"{words.en}, one of {len(about)} commitments about it", f"{words.zh}, 同类承诺共 {len(about)} 条")
        changed = False
        for register in registers:
            now, then = {machine.id for machine in register.equipment}, set(item.body.equipment)
            if now != then:
                added, gone = ", ".join(sorted(now - then)) or "none", ", ".join(sorted(then - now)) or "none"
                changed = True
                words = Words(
                    f"{words.en}; the machine list changed after the commitment (added: {added}; removed: {gone})",
                    f"{words.zh}; 承诺之后设备清单有变(新增: {added}; 移除: {gone})",
                )
        found.append(Remark(words, changed, None, only))
    return found


def machines_of(claim: Claim, packs: Mapping[str, Pack], indicators: Mapping[str, Indicator], registers: Iterable[Workshop]) -> frozenset[str]:
    """The equipment that a claim rests on, under any of these revisions."""
    return frozenset(
        machine.id for register in registers for machine in register.equipment for name in indicators_of(claim, packs)
        if name in indicators and indicators[name].applies(machine)
    )


def remark(verdict: Verdict, remarks: Iterable[Remark], machines: Callable[[], frozenset[str]]) -> Verdict:
    """The verdict with what must be said of it."""
    if verdict.outcome is Outcome.NOT_APPLICABLE:
        return verdict
    en, zh, outcome = verdict.reason, verdict.reason_zh, verdict.outcome
    for item in remarks:
        if item.claims is not None and verdict.claim not in item.claims:
            continue
        if item.equipment is not None and not item.equipment & machines():
            continue
        en, zh = f"{en}; {item.words.en}", f"{zh}; {item.words.zh}"
        if item.caps and outcome is Outcome.CONFIRMED:
            outcome = Outcome.UNDETERMINED
            en, zh = f"{en}: not confirmed therefore", f"{zh}: 因此不予证实"
    return msgspec.structs.replace(verdict, outcome=outcome, reason=en, reason_zh=zh)
