"""A result explained as one would defend it before an auditor: the formula with the numbers put in, counts, what was left out, what would change it.

Pure text from a result; sensitivities are computed again from the same readings, with a register that says something else on one point.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import msgspec

from analytics.count_words import named
from analytics.declared_figures import CATALOGUE
from analytics.definition import Definition
from analytics.facts import DeclaredInput
from analytics.indicator import Indicator, Result
from analytics.networking import NETWORKED_SHARE, ROLES
from analytics.series import MACHINE
from workshop.calendar import zone_of
from workshop.register import Equipment, Workshop
from workshop.signal import Origin
from workshop.window import SECOND_US, Window

Recompute = Callable[[Workshop], Result]
"""The same indicator from the same readings under another register."""
MOST_LEFT_OUT = 30
_SHARES = (Fraction(1, 2), Fraction(7, 10), Fraction(8, 10), NETWORKED_SHARE, Fraction(95, 100), Fraction(99, 100))

_WORDS = {
    "window": ("窗口", "window"), "value": ("结果", "value"), "undefined": ("无定义或未知", "undefined or unknown"),
    "interval": ("区间", "interval"), "coverage": ("覆盖率", "coverage"), "least": ("最低要求", "at least"), "formula": ("公式", "formula"),
    "numbers": ("代入数值", "with numbers"),
    "counts": ("计数", "counts"), "equipment": ("逐台设备", "equipment"), "excluded": ("未计入", "left out"),
    "why": ("说明", "how it came about"),
    "sensitivity": ("敏感性", "sensitivity"), "traps": ("口径与陷阱", "choices and traps"), "source": ("来源", "source"),
    "roles": ("所用信号", "signals"), "register": ("台账", "register"), "display": ("展示区间", "interval for showing"), "none": ("无", "none"),
    "not_asked": ("未重算:需要读数,请用 --bundle", "not computed again: that takes the readings, ask with --bundle"),
    "machine": ("* (设备自身的全部信号)", "* (every signal that the machine itself makes)"),
    "alone": ("仅台账", "the register alone"), "declared": ("申报输入(非测量)", "declared inputs, not measured"),
    "facts": ("所需申报值与订单", "declared figures and orders it needs"), "paper": ("仅申报值", "declared figures alone"),
    "beside": ("须一并看", "read it with"),
}


class Sensitivity(msgspec.Struct, frozen=True):
    """What the value would be if one thing were otherwise."""

    what_zh: str
    what_en: str
    value: Decimal | None


class Explanation(msgspec.Struct, frozen=True):
    """Headed paragraphs, in the order in which they are read."""

    title: str
    parts: list[tuple[str, list[str]]]

    @property
    def text(self) -> str:
        """Plain text."""
        lines = [self.title]
        for head, found in self.parts:
            lines += [f"{head}: {found[0]}"] if len(found) == 1 else [f"{head}:", *(f"  {line}" for line in found)]
        return "\n".join(lines)


def explain(
    indicator: Indicator, result: Result, register: Workshop, window: Window, language: str, sensitivities: Sequence[Sensitivity] = (),
    beside: Sequence[Result] = (),
) -> Explanation:
    """The result in words, "zh" or "en"; sentences of the result itself are English.

    Args:
        beside: results of the indicators that `beside_of` names, in the same window.
    """
    chinese = language == "zh"

    def word(key: str) -> str:
        return _WORDS[key][0 if chinese else 1]

    def shown(value: Decimal | None) -> str:
        return word("undefined") if value is None else f"{value} {indicator.unit}" if indicator.unit != "1" else str(value)

    without = word("paper" if indicator.facts else "alone")
    def shown_alone(item: Result) -> str:
        value = word("undefined") if item.value is None else str(item.value)
        return f"{value} ({word('coverage')} {item.coverage})"

    parts = [
        (word("window"), [f"[{local_time(window.start_us, register)}, {local_time(window.end_us, register)}) {register.time_zone}"]),
        (word("value"), [shown(result.value)]),
        (word("interval"), [f"{shown(result.low)} … {shown(result.high)} ({result.method})"]),
    ]
    if result.display_low is not None:
        parts.append((word("display"), [f"{result.display_low} … {result.display_high} ({result.display_method})"]))
    if result.declared:
        parts.append((word("declared"), [_declared(item, register, chinese=chinese) for item in result.declared]))
    parts += [
        (word("coverage"), [f"{result.coverage} ({word('least')} {indicator.min_coverage})"]),
        (word("formula"), [indicator.formula]),
        (word("numbers"), [with_numbers(indicator, result)]),
        (word("counts"), [f"{named(name, chinese)} = {value}" for name, value in result.counts.items()] or [word("none")]),
        (word("equipment"), [_line(name, values, chinese) for name, values in result.detail.items()] or [without]),
        (word("excluded"), [_exclusion(item.equipment, item.what, item.us) for item in result.excluded] or [word("none")]),
        (word("why"), [result.why]),
        *([(word("beside"), [f"{item.indicator} {shown_alone(item)}; {item.why}" for item in beside])] if beside else []),
        (word("sensitivity"), [f"{item.what_zh if chinese else item.what_en}: {shown(item.value)}" for item in sensitivities] or [word("not_asked")]),
        (word("traps"), [indicator.notes_zh if chinese else indicator.notes_en]),
        (word("roles"), [", ".join(word("machine") if role == MACHINE else role for role in indicator.roles) or without]),
        *([(word("facts"), [", ".join(indicator.facts)])] if indicator.facts else []),
        (word("source"), [indicator.source]),
        (word("register"), [f"{register.id}, sha256 {register.digest}"]),
    ]
    title = indicator.title_zh if chinese else indicator.title_en
    return Explanation(f"{title} · {indicator.id} version {indicator.version}", [(head, lines) for head, lines in parts])


def beside_of(indicator: Indicator) -> tuple[str, ...]:
    """Ids of the indicators that are to be read with this one."""
    return indicator.beside if isinstance(indicator, Definition) else ()


def with_numbers(indicator: Indicator, result: Result) -> str:
    """The formula with the counts of the result in it, and what came out."""
    counts = {name: f"{value:,}".replace(",", " ") for name, value in result.counts.items()}
    value = "undefined" if result.value is None else str(result.value)
    return f"{indicator.numbers.format_map(counts)} = {value}"


def sensitivities(indicator: Indicator, result: Result, register: Workshop, recompute: Recompute | None = None) -> list[Sensitivity]:
    """What would change the value: another threshold, another maximum age of the readings, one piece of equipment less.

    Args:
        recompute: None where the readings are not at hand; then only what follows from the result itself is given.
    """
    found = _thresholds(indicator, result)
    if recompute is None:
        return found
    for label, numerator, denominator in (("½", 1, 2), ("2", 2, 1)):
        changed = recompute(_with_ages(register, numerator, denominator))
        found.append(Sensitivity(f"读数最大时效×{label}", f"maximum age of readings × {label}", changed.value))
    names = [name for name in result.detail if len(register.equipment) > 1][:MOST_LEFT_OUT]
    for name in names:
        fewer = tuple(item for item in register.equipment if item.id != name)
        found.append(Sensitivity(f"不含{name}", f"without {name}", recompute(msgspec.structs.replace(register, equipment=fewer)).value))
    return found


def _thresholds(indicator: Indicator, result: Result) -> list[Sensitivity]:
    """Of the networking rates: the value at other shares of the watched time."""
    total = result.counts.get("total", 0)
    if indicator.roles != ROLES or "networked" not in result.counts or not total:
        return []
    found = []
    for share in _SHARES:
        networked = sum(
            1 for values in result.detail.values() if values["window_us"] and values.get("connected_us", 0) >= share * values["window_us"]
        )
        value = Decimal(f"{round(Fraction(min(networked, total), total) * 10**indicator.places)}e-{indicator.places}")
        found.append(Sensitivity(f"联网阈值取监视时间的{float(share):.0%}", f"networked from {float(share):.0%} of the watched time on", value))
    return found


def _with_ages(register: Workshop, numerator: int, denominator: int) -> Workshop:
    """The register with other maximum ages of what the machines say; the edge's own link state keeps its."""
    def changed(item: Equipment) -> Equipment:
        ages = [max(1, signal.max_age_s * numerator // denominator) for signal in item.signals]
        signals = tuple(
            msgspec.structs.replace(signal, max_age_s=age) if signal.origin is Origin.MACHINE else signal
            for signal, age in zip(item.signals, ages, strict=True)
        )
        return msgspec.structs.replace(item, signals=signals)

    return msgspec.structs.replace(register, equipment=tuple(changed(item) for item in register.equipment))


def local_time(time_us: int, register: Workshop) -> str:
    """A time as people in the workshop read it."""
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).astimezone(zone_of(register))
    return local.isoformat(sep=" ", timespec="seconds" if time_us % SECOND_US == 0 else "microseconds")


def _declared(item: DeclaredInput, register: Workshop, *, chinese: bool) -> str:
    """Value, time, author, date and attachment of a declaration."""
    known = CATALOGUE.get(item.name)
    title = item.name if known is None else f"{item.name} ({known.zh if chinese else known.en})"
    span = f"[{local_time(item.from_us, register)}, {local_time(item.to_us, register)})"
    rests = f"sha256 {item.attachment}" if item.attachment else "无附件" if chinese else "no document attached"
    by, on = ("申报人", "申报时间") if chinese else ("by", "on")
    return f"{title} = {item.value} {item.unit}, {span}, {by} {item.author}, {on} {local_time(item.time_us, register)}, #{item.entry}, {rests}"


def _line(name: str, values: dict[str, int], chinese: bool) -> str:
    return f"{name}: " + ", ".join(_amount(key, value, chinese) for key, value in sorted(values.items()) if value or key == "covered_us")


def _amount(key: str, value: int, chinese: bool) -> str:
    word = named(key, chinese)
    if key.endswith("_us"):
        return f"{word.removesuffix('_us')} {value / SECOND_US:.3f} s"
    if key.endswith("_mwh"):
        return f"{word.removesuffix('_mwh')} {value / 1_000_000:.3f} kWh"
    return f"{word} {value}"


def _exclusion(equipment: str, what: str, us: int) -> str:
    return f"{equipment}: {what}" + (f", {us / SECOND_US:.3f} s" if us else "")
