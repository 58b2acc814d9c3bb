"""Spot challenges judged: an evaluator asked an edge for a value, or for what an operator's action did; the batches must hold what it answered.

(1) answered, and in time (2) with a reading within the question's window (3) which the edge's batches hold, or, where the edge answered that nothing
was there, they hold nothing (4) of an action, the signal changed. Whatever fails takes a confirmation away. Pure; gateway and verifier call the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from analytics.compute import LOOKBACK_US
from evidence.control import Control
from evidence.control_records import Asked
from evidence.parts import Parts
from evidence.verdict import Words
from workshop.batch import Provenance
from workshop.block import Block
from workshop.canonical import LARGEST_INTEGER
from workshop.errors import Rejected
from workshop.part import decode_part
from workshop.reading import Quality, Value
from workshop.signal import split_signal_id
from workshop.statements import ANSWER_US, SETTLE_US, AnswerStatement, Question
from workshop.window import Window

_READ = 64

UNANSWERED = Words("was not answered", "未得到回答")
LATE = Words("was answered too late", "回答过迟")
OUTSIDE = Words("was answered with a reading outside its window", "所答读数不在其窗口内")
CONTRADICTED = Words("was answered with a reading that the batches do not hold", "所答读数与数据批次不符")
HIDDEN = Words("was answered with 'no reading', and the batches hold one", "答称无读数, 而数据批次中有")
ABSENT = Words("was answered about data that is not there, and cannot be compared", "所答数据不在, 无法核对")
AHEAD = Words("was answered with a reading whose batch has not come yet", "所答读数的数据批次尚未到达")
STILL = Words("asked for an operator's action, and the signal shows none", "要求操作人员动作, 信号中未见变化")


class Judged(msgspec.Struct, frozen=True):
    """What came of one challenge."""

    index: int
    """Of its control entry."""
    question: Question
    wrong: Words | None
    """None where the batches agree with the answer."""
    silent: bool = False
    """The edge answered that there was no reading."""


class Lacks(NamedTuple):
    """What is not there of each edge's data."""

    absent: Mapping[tuple[str, str], Sequence[tuple[int, int]]]
    """By edge and equipment: [from, to] of each part that is not there."""
    sealed_us: Mapping[str, int]
    """When each edge sealed the last of its batches that are there."""


class _Row(NamedTuple):
    epoch: int
    source_time_us: int
    received_time_us: int
    value: Value
    quality: int


class _Found(NamedTuple):
    """Of one question: its signal's rows from an hour before its window to the window's end, and [from, to] of parts that cannot be decoded."""

    rows: list[_Row]
    malformed: list[tuple[int, int]]


def judge_challenges(control: Control, window: Window, parts: Parts, lacks: Lacks) -> list[Judged]:
    """What came of every challenge that concerns the window, in the log's order.

    A question concerns every window that its own meets; answered with a reading, the one that holds the reading; about an action, the one in which
    its own ends. Questions to edges of derived data concern none: that data supports no verdict.
    """
    asked = {index: item for index, item in control.challenges.items() if _concerns(item, control, window)}
    found = _look_up({index: item.body.question for index, item in asked.items()}, parts)
    return [
        Judged(index, item.body.question, _judge(item, found[index], lacks, window), item.answer is not None
               and item.answer.statement.source_time_us is None)
        for index, item in asked.items()
    ]


def _concerns(item: Asked, control: Control, window: Window) -> bool:
    question = item.body.question
    enrolments = [event for _, event in control.edges.get(question.edge, []) if event is not None]
    if enrolments and enrolments[-1].enrolment.provenance is Provenance.DERIVED:
        return False
    if question.action:
        return window.start_us < question.to_us <= window.end_us
    source_us = item.answer.statement.source_time_us if item.answer is not None else None
    if source_us is not None and question.from_us <= source_us < question.to_us:
        return window.start_us <= source_us < window.end_us
    return question.from_us < window.end_us and question.to_us > window.start_us


def _judge(item: Asked, found: _Found, lacks: Lacks, window: Window) -> Words | None:
    if item.answer is None:
        return UNANSWERED
    question, said = item.body.question, item.answer.statement
    if max(item.answered_us, said.answered_us) > question.to_us + ANSWER_US:
        return LATE
    return _compare(question, said, found, lacks, window) or (_look_for_change(question, found, lacks) if question.action else None)


def _compare(question: Question, said: AnswerStatement, found: _Found, lacks: Lacks, window: Window) -> Words | None:
    equipment = split_signal_id(question.signal)[0]
    gone = [*lacks.absent.get((question.edge, equipment), ()), *found.malformed]
    if said.source_time_us is None:
        start_us, end_us = max(question.from_us, window.start_us - LOOKBACK_US), min(question.to_us, window.end_us)
        within = [row for row in found.rows if start_us <= row.source_time_us < end_us]
        # What came in just before the edge answered may not have been on its disk.
        if any(row.received_time_us <= said.answered_us - SETTLE_US for row in within):
            return HIDDEN
        return ABSENT if any(first < end_us and last >= start_us for first, last in gone) else None
    if not question.from_us <= said.source_time_us < question.to_us:
        return OUTSIDE
    if any(_is_same(row, said) for row in found.rows):
        return None
    if any(first <= said.source_time_us <= last for first, last in gone):
        return ABSENT
    return AHEAD if lacks.sealed_us.get(question.edge, 0) < said.answered_us else CONTRADICTED


def _look_for_change(question: Question, found: _Found, lacks: Lacks) -> Words | None:
    """An action is seen in a signal when the last value before it and those within its window are not all the same."""
    good = [row for row in found.rows if row.quality != Quality.BAD and row.source_time_us < question.to_us]
    before = [row for row in good if row.source_time_us < question.from_us]
    values = {row.value for row in good if row.source_time_us >= question.from_us}
    if before:
        values.add(max(before, key=lambda row: (row.source_time_us, row.received_time_us)).value)
    if len(values) > 1:
        return None
    gone = [*lacks.absent.get((question.edge, split_signal_id(question.signal)[0]), ()), *found.malformed]
    return ABSENT if any(first < question.to_us and last >= question.from_us for first, last in gone) else STILL


def _is_same(row: _Row, said: AnswerStatement) -> bool:
    value = str(row.value) if isinstance(row.value, int) and abs(row.value) > LARGEST_INTEGER else row.value
    # Canonical JSON does not tell 5.0 from 5; a text is never a number.
    same = value == said.value and isinstance(value, str) == isinstance(said.value, str)
    return same and row[:3] == (said.epoch, said.source_time_us, said.received_time_us) and row.quality == said.quality


def _look_up(questions: Mapping[int, Question], parts: Parts) -> dict[int, _Found]:
    """The rows about every question; each part is read once, however many ask for it."""
    found = {index: _Found([], []) for index in questions}
    wanted: dict[int, list[int]] = {}
    for index, question in questions.items():
        for part in _parts_about(question, parts):
            wanted.setdefault(part, []).append(index)
    for part, block in _decode(sorted(wanted), parts):
        epoch = parts.table.name(part)[1]
        for index in wanted[part]:
            question = questions[index]
            if block is None:
                found[index].malformed.append((int(parts.table.from_us[part]), int(parts.table.to_us[part])))
            elif question.signal in block.signals:
                times = block.source_time_us
                rows = (block.signal == block.signals.index(question.signal)) & (times >= question.from_us - LOOKBACK_US) & (times < question.to_us)
                found[index].rows.extend(_Row(epoch, *_row(block, row)) for row in np.flatnonzero(rows).tolist())
    return found


def _parts_about(question: Question, parts: Parts) -> Iterable[int]:
    table, (equipment, _) = parts.table, split_signal_id(question.signal)
    if equipment not in table.equipment_names:
        return []
    number = table.equipment_names.index(equipment)
    start_us = question.from_us - (LOOKBACK_US if question.action else 0)
    chosen = np.flatnonzero((table.equipment == number) & (table.from_us < question.to_us) & (table.to_us >= start_us))
    return [part for part in chosen.tolist() if table.batches[int(table.batch[part])][0] == question.edge]


def _decode(numbers: Sequence[int], parts: Parts) -> Iterator[tuple[int, Block | None]]:
    """Part after part, and its rows; None where they cannot be decoded or are not what the header says."""
    table = parts.table
    for start in range(0, len(numbers), _READ):
        group = numbers[start : start + _READ]
        for part, data in zip(group, parts.reader.read([tuple(place) for place in table.place[group].tolist()]), strict=True):
            try:
                block: Block | None = decode_part(table.name(part)[3], data)
            except Rejected:
                block = None
            if block is not None:
                stated = int(table.rows[part]), int(table.from_us[part]), int(table.to_us[part])
                times = block.source_time_us
                block = block if (len(block), int(times.min()), int(times.max())) == stated else None
            yield part, block


def _row(block: Block, row: int) -> tuple[int, int, Value, int]:
    return int(block.source_time_us[row]), int(block.received_time_us[row]), block.value(row), int(block.quality[row])
