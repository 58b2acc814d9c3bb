"""Readings as texts: programs, reasons, serial numbers, as numbers of a sorted list; what a row says does not depend on the order of the rows."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workshop.block import Block
from workshop.reading import ValueKind
from workshop.signal import Signal, SignalKind

EXACT = 2**53
"""Integers below this are exact as floats too: a machine may send a count as either and gives the same bits. Larger ones are not usable."""

_FIRST = np.ones(1, np.bool_)

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
    kind = block.kind[rows]
    place = np.flatnonzero(kind == ValueKind.TEXT)
    found: list[tuple[NDArray[np.int64], list[str], NDArray[np.int64]]] = []  # rows, what they say, each once, and which of it each row says
    if dictionary is None:
        said = [block.value_text[row] for row in (place + rows.start).tolist()]
        number = {text: code for code, text in enumerate(dict.fromkeys(said))}
        found.append((place, [seen(text) for text in number], np.array([number[text] for text in said], np.int64)))
    else:
        codes, inverse = _each_once(block.value_i64[rows] if len(place) == len(kind) else block.value_i64[rows][place])
        found.append((place, [seen(dictionary[code]) for code in codes.tolist()], inverse))
    for what, column, spoken in ((ValueKind.I64, block.value_i64, str), (ValueKind.F64, block.value_f64, _digits)):
        place = np.flatnonzero(kind == what)
        if len(place):
            values, inverse = _each_once(column[rows][place])
            found.append((place, [spoken(value) for value in values.tolist()], inverse))
    texts = tuple(sorted({text for _, words, _ in found for text in words}))
    order = {text: code for code, text in enumerate(texts)}
    numbers = np.zeros(len(kind), np.int64)
    for place, words, inverse in found:
        numbers[place] = np.array([order[text] for text in words], np.int64)[inverse]
    return numbers, texts


def _each_once(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """As `numpy.unique` with its inverse; a machine says the same many times in a row, so only the first of each run is sorted."""
    heads = np.concatenate((_FIRST, values[1:] != values[:-1]))[: len(values)]
    found, inverse = np.unique(values[heads], return_inverse=True)
    return found, inverse[np.cumsum(heads) - 1]


def _digits(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(value)


def seen(text: str) -> str:
    """A text as indicators see it."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 17]}…{hashlib.sha256(text.encode()).hexdigest()[:16]}"
