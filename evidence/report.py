"""The report of a verification as plain text in Markdown, Chinese or English: verdicts, steps, and what all of this does not prove."""

from collections.abc import Sequence
from typing import Literal

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
    "verdicts": {"zh": "结论", "en": "Verdicts"},
    "head": {"zh": "声明 | 结论 | 规则日期 | 数值 | 理由", "en": "claim | verdict | rules as of | value | reason"},
    "steps": {"zh": "核验步骤", "en": "Steps"},
    "limits": {"zh": "证明了什么, 没有证明什么", "en": "What this proves, and what it does not"},
    "limits_head": {"zh": "密钥或各方 | 持有者 | 证明 | 不证明", "en": "key or party | held by | proves | does not prove"},
    "commitment": {
        "zh": "只有外部见证或时间戳早于窗口的检查点所覆盖的承诺, 才算事先作出; 本版本未证明任何一项。",
        "en": "A claim counts as made before the window only if a checkpoint that covers it was witnessed or stamped outside before it: not shown.",
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


def verdict_table(verdicts: Sequence[Verdict], language: Language) -> str:
    """The verdicts as a Markdown table."""
    lines = [f"| {_TEXT['head'][language]} |", "|---|---|---|---|---|"]
    for item in verdicts:
        title, reason = (item.title_zh, item.reason_zh) if language == "zh" else (item.title_en, item.reason)
        interval = f" [{item.low}, {item.high}]" if item.low is not None and item.low != item.high else ""
        value = "–" if item.value is None else f"{item.value}{interval}"
        cells = (f"{title} ({item.clause or item.claim})", OUTCOMES[item.outcome][language], item.as_of, value, reason)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines)


def limits_table(language: Language) -> str:
    """Who proves what, and what nobody here proves, as a Markdown table."""
    rows = [f"| {_TEXT['limits_head'][language]} |", "|---|---|---|---|", *("| " + " | ".join(row) + " |" for row in LIMITS[language])]
    return "\n".join(rows)


def render(verification: Verification, language: Language) -> str:
    """The whole report."""
    head = _TEXT["holds" if verification.ok else "unknown"][language]
    steps = "\n".join(f"{step.n}. {'✓' if step.ok else '✗'} {step.name}: {step.text}" for step in verification.steps)
    return "\n\n".join((
        f"# {_TEXT['title'][language]}", head, f"## {_TEXT['verdicts'][language]}", verdict_table(verification.verdicts, language),
        f"## {_TEXT['steps'][language]}", steps, f"## {_TEXT['limits'][language]}", limits_table(language), _TEXT["commitment"][language],
        _TEXT["advice"][language],
    )) + "\n"


def _cell(text: str) -> str:
    # A bar or a line end of somebody else's text must not make a cell of its own.
    return text.replace("|", "\\|").replace("\n", " ")
