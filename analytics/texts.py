"""Readings as texts: programs, reasons, serial numbers, as numbers of a sorted list; what a row says does not depend on the order of the rows."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workshop.block import Block
from workshop.reading import ValueKind
from workshop.signal import Signal, SignalKind

EXACT = 2**53
"""Integers below this are exact as floats too: a machine may send a count as either and gives the same bits. Larger ones are not usable."""

LONGEST = 64
"""Characters of a text that an indicator sees; of a longer one the beginning, and a digest of the whole."""


def is_text(signal: Signal) -> bool:
    """Whether an indicator that names the signal's role reads it as text."""
    return signal.kind in (SignalKind.TEXT, SignalKind.EVENT)


def text_numbers(block: Block, rows: slice, dictionary: Sequence[str] | None = None) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """For every one of these rows the number of its text, and the texts, sorted, without repetition. A bad row has 0, which means nothing.

    Args:
        dictionary: where rows of kind text carry, in `value_i64`, the number of a text in this list instead of the text.
    Returns:
        i64[rows] and the texts. A number that was sent is the text of its decimal digits; a whole one in floating point is the same text.
    """
    kinds, integers, floats = (column[rows].tolist() for column in (block.kind, block.value_i64, block.value_f64))
    said: list[str | None] = []
    for row, kind in enumerate(kinds):
        if kind == ValueKind.TEXT:
            said.append(seen(block.value_text[rows.start + row] if dictionary is None else dictionary[integers[row]]))
        elif kind == ValueKind.NONE:
            said.append(None)
        else:
            said.append(str(integers[row]) if kind == ValueKind.I64 else _digits(floats[row]))
    texts = tuple(sorted({text for text in said if text is not None}))
    number = {text: place for place, text in enumerate(texts)}
    return np.array([0 if text is None else number[text] for text in said], np.int64), texts


def _digits(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(value)


def seen(text: str) -> str:
    """A text as indicators see it."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 17]}…{hashlib.sha256(text.encode()).hexdigest()[:16]}"
