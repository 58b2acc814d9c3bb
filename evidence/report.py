"""The report of a verification, Chinese or English: verdicts, contents, steps, and what all of this does not prove."""

from collections.abc import Sequence
from typing import Literal

from evidence.document import Heading, Paragraph, Piece, Table, html, markdown, window_text
from evidence.statement import Predicate
from evidence.verdict import Outcome, Verdict
from evidence.verify import Verification

Language = Literal["zh", "en"]

OUTCOMES = {
    Outcome.CONFIRMED: {"zh": "证实", "en": "confirmed"},
    Outcome.REFUTED: {"zh": "不成立", "en": "refuted"},
    Outcome.UNDETERMINED: {"zh": "证据不足", "en": "undetermined"},
    Outcome.NOT_APPLICABLE: {"zh": "不适用", "en": "not applicable"},
}
_TEXT = {
    "title": {"zh": "证据核验报告", "en": "Report of a verification"},
    "holds": {"zh": "证据成立, 签署者已知。", "en": "The evidence holds, and its signer is known."},
    "unknown": {
        "zh": "证据自洽, 签署者未知: 未提供信任文件。",
        "en": "The evidence is consistent; its signer is unknown: no trust file was given.",
    },
    "refused": {"zh": "证据不成立: 下列步骤中有一步被拒绝。", "en": "The evidence does not hold: one of the steps below refuses it."},
    "verdicts": {"zh": "结论", "en": "Verdicts"},
    "contents": {"zh": "证据包内容", "en": "What the bundle holds"},
    "contents_head": {"zh": "项目 | 内容", "en": "what | contents"},
    "contents_rows": {
        "zh": "日志来源 | 世代 | 窗口 | 基期窗口 | 数据日志范围 | 控制日志条数 | 台账修订 | 政策包 | 指标 | 缺口 | "
        "扣留设备 | 缺失部分 | 无法解码 | 未到补传",
        "en": "origin of the logs | generation | window | baseline | ranges of the data log | control entries | register | packs | "
        "indicators | gaps | withheld equipment | absent parts | malformed parts | announced and not delivered",
    },
    "steps_head": {"zh": "序号 | 结果 | 步骤 | 说明", "en": "no | result | step | what was checked"},
    "head": {"zh": "声明 | 结论 | 规则日期 | 数值 | 理由", "en": "claim | verdict | rules as of | value | reason"},
    "steps": {"zh": "核验步骤", "en": "Steps"},
    "limits": {"zh": "证明了什么, 没有证明什么", "en": "What this proves, and what it does not"},
    "limits_head": {"zh": "密钥或各方 | 持有者 | 证明 | 不证明", "en": "key or party | held by | proves | does not prove"},
    "commitment": {
        "zh": "只有外部见证或时间戳早于窗口的检查点所覆盖的承诺, 才算事先作出; 否则结论中注明未证明。",
        "en": "A claim counts as made before the window only if a checkpoint that covers it was witnessed or stamped outside before it; "
        "otherwise its verdict says 'not shown'.",
    },
    "advice": {
        "zh": "本报告说明政策文本在所述读法下的要求, 不构成法律意见, 也不认定任何企业有权获得补助。",
        "en": "This says what the policy texts ask under the reading named. It is no legal advice, and says of nobody that it is entitled to money.",
    },
}
LIMITS: dict[Language, tuple[tuple[str, str, str, str], ...]] = {
    "zh": (
        ("边缘密钥(Ed25519, 注册时生成)", "工厂内的边缘机", "该批数据出自该边缘机, 此后未改动", "机器确实如此报告"),
        ("网关密钥", "工厂", "这是它出示的日志", "它向所有人出示同一日志"),
        (
            "固定的检查点、见证联署(C2SP)、RFC 3161 时间戳", "评估方、见证方、时间戳机构, 均在工厂之外", "截至此处的日志当时已存在且未改动",
            "所记录的内容属实",
        ),
        ("真实性检查、现场抽问、台账现场抽查", "评估方", "统计意义上伪造的难度", "确定性"),
    ),
    "en": (
        (
            "edge key (Ed25519, made at enrolment)", "the edge box, in the factory", "this batch left that edge, unchanged since",
            "that the machine said it",
        ),
        ("gateway key", "the factory", "this is the log it showed", "that it showed everybody the same log"),
        (
            "pinned checkpoint, witness co-signature (C2SP), RFC 3161 stamp", "evaluator, witness, time authority: outside the factory",
            "the log up to here existed then, and has not changed", "that what was logged is true",
        ),
        (
            "authenticity checks, spot challenge, register sample on site", "the evaluator", "statistically, how hard it would have been to fake",
            "certainty",
        ),
    ),
}


def verdict_table(verdicts: Sequence[Verdict], language: Language) -> Table:
    """The verdicts."""
    rows = []
    for item in verdicts:
        title, reason = (item.title_zh, item.reason_zh) if language == "zh" else (item.title_en, item.reason)
        interval = f" [{item.low}, {item.high}]" if item.low is not None and item.low != item.high else ""
        value = "–" if item.value is None else f"{item.value}{interval}"
        rows.append((f"{title} ({item.clause or item.claim})", OUTCOMES[item.outcome][language], item.as_of, value, reason))
    return Table(_TEXT["head"][language].split(" | "), rows)


def limits_table(language: Language) -> Table:
    """Who proves what, and what nobody here proves."""
    return Table(_TEXT["limits_head"][language].split(" | "), LIMITS[language])


def contents_table(predicate: Predicate, language: Language) -> Table:
    """What a bundle says it holds; nothing of it is checked here."""
    base = predicate.baseline
    absent = "; ".join(f"{item.equipment}: {item.parts} {item.why}" for item in predicate.absent)
    values = (
        predicate.origin, str(predicate.generation), window_text(predicate.window.start_us, predicate.window.end_us),
        "–" if base is None else window_text(base.start_us, base.end_us),
        f"{', '.join(f'[{item.first}, {item.end})' for item in predicate.ranges)} / {predicate.data.size}", str(predicate.control.size),
        ", ".join(item.digest for item in predicate.registers), ", ".join(f"{item.id} {item.sha256}" for item in predicate.packs) or "–",
        ", ".join(f"{item.id} {item.version}" for item in predicate.indicators), str(len(predicate.gaps)),
        ", ".join(predicate.withheld) or "–", absent or "–",
        ", ".join(f"{item.edge}/{item.epoch}/{item.seq}/{item.equipment}" for item in predicate.malformed) or "–",
        ", ".join(str(item) for item in predicate.undelivered) or "–",
    )
    return Table(_TEXT["contents_head"][language].split(" | "), list(zip(_TEXT["contents_rows"][language].split(" | "), values, strict=True)))


def report(verification: Verification, language: Language) -> list[Piece]:
    """The whole report."""
    refused = not verification.ok and verification.predicate is None
    head = _TEXT["refused" if refused else "holds" if verification.ok else "unknown"][language]
    pieces: list[Piece] = [Heading(1, _TEXT["title"][language]), Paragraph(head)]
    if not refused:
        pieces += [Heading(2, _TEXT["verdicts"][language]), verdict_table(verification.verdicts, language)]
    if verification.predicate is not None:
        pieces += [Heading(2, _TEXT["contents"][language]), contents_table(verification.predicate, language)]
    steps = [(str(step.n), "✓" if step.ok else "✗", step.name, step.text) for step in verification.steps]
    pieces += [
        Heading(2, _TEXT["steps"][language]), Table(_TEXT["steps_head"][language].split(" | "), steps),
        Heading(2, _TEXT["limits"][language]), limits_table(language), Paragraph(_TEXT["commitment"][language]), Paragraph(_TEXT["advice"][language]),
    ]
    return pieces


def render(verification: Verification, language: Language) -> str:
    """The report as Markdown."""
    return markdown(report(verification, language))


def render_html(verification: Verification, language: Language) -> str:
    """The report as an HTML page."""
    return html(report(verification, language), language)
