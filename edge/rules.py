"""What to do with a raw value before it is one of the register's: `address | rule`. Pure.

    | /100              divide; also | *0.1. Counters and states are rounded down
    | READY=2 ACTIVE=3  words of the device as numbers of a state
"""

import math
import re
from fractions import Fraction

import msgspec

from edge.json_values import number_of, to_value
from edge.source import MappedSignal
from workshop.errors import ConfigError, Rejected
from workshop.reading import Value
from workshop.signal import SignalKind

_MARK = " | "
_WORD = re.compile(r"([^\s=,]+)=(-?[0-9]{1,9})")
_NUMBERS = (SignalKind.GAUGE, SignalKind.COUNTER, SignalKind.STATE)


class Rule(msgspec.Struct, frozen=True):
    """At most one of the two."""

    factor: Fraction | None = None
    is_division: bool = False
    words: dict[str, int] | None = None

    def apply(self, value: int | float | str, signal: MappedSignal) -> Value:
        """The value as the signal wants it; text that is a number counts as one where the signal is one.

        Raises:
            Rejected: a word without a number, text that is none, a value of another type.
        """
        if self.words is not None:
            number = self.words.get(str(value))
            if number is None:
                raise Rejected(f"'{value!s:.40}' has no number; add {value!s:.40}=NUMBER to its rule")
            return to_value(number, signal)
        if signal.kind not in _NUMBERS:
            return to_value(value if signal.kind is SignalKind.EVENT else str(value), signal)
        number_or = number_of(value) if isinstance(value, str) else value
        if signal.kind is SignalKind.GAUGE:
            if self.factor is None:
                return to_value(number_or, signal)
            by = float(self.factor)
            return float(number_or) / by if self.is_division else float(number_or) * by
        if self.factor is not None or isinstance(number_or, float):
            if not math.isfinite(number_or):
                raise Rejected(f"{value!r:.40} is no value for a {signal.kind}")
            exact = Fraction(number_or) * (1 if self.factor is None else 1 / self.factor if self.is_division else self.factor)
            if self.factor is None and exact.denominator != 1:
                raise Rejected(f"{value!r:.40} is no whole number, as a {signal.kind} has to be")
            number_or = math.floor(exact)
        return to_value(number_or, signal)


def split_rule(address: str, where: str) -> tuple[str, Rule]:
    """Address and rule.

    Raises:
        ConfigError: a rule of another form.
    """
    plain, mark, text = address.partition(_MARK)
    text = text.strip()
    if not mark:
        return address.strip(), Rule()
    if text[:1] in ("*", "/"):
        try:
            factor = Fraction(text[1:].strip())
        except (ValueError, ZeroDivisionError):
            factor = Fraction(0)
        if factor:
            return plain.strip(), Rule(factor, text[0] == "/")
    words = {found[1]: int(found[2]) for found in _WORD.finditer(text)}
    if words and not _WORD.sub("", text).strip(" ,"):
        return plain.strip(), Rule(words=words)
    raise ConfigError(f"{where}: rule '{text}': write | *0.1, | /100 or | WORD=1 OTHER=2")
