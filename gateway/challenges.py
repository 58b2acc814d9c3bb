"""Spot challenges: which are open, what may be asked and what counts as an answer. Question and answer are control entries."""

import secrets
import threading

import msgspec

from gateway.problems import Refusal
from gateway.shapes import NewChallenge
from store.archive import Archive
from store.control_kinds import Answer, Challenge
from store.signing import decode_signature, verify
from workshop.batch import Provenance
from workshop.canonical import canonical_json
from workshop.errors import Rejected
from workshop.register import Workshop
from workshop.statements import Question
from workshop.window import HOUR_US, Clock
from workshop.wire import AnswerPost, OpenChallenge

KEEP_US = 24 * HOUR_US
"""How long an edge is still asked after the end of a window; a late answer is seen to be late."""


class Challenges:
    """The questions of this gateway's control log. Threads may share it."""

    def __init__(self, archive: Archive, register: Workshop, clock: Clock) -> None:
        self._archive, self._clock = archive, clock
        self._signals = {name for name, _, _ in register.signals()}
        self._lock = threading.Lock()
        self._seen = 0
        self._open: dict[int, Question] = {}

    def ask(self, new: NewChallenge, author: str) -> int:
        """Logs a question; returns the entry's index.

        Raises:
            Rejected: no such edge or signal.
        """
        edge = self._archive.edge(new.edge)
        if edge is None or edge.revoked_us is not None or edge.provenance is Provenance.DERIVED or new.signal not in self._signals:
            raise Rejected(f"challenge: no edge '{new.edge[:80]}' that measures is enrolled, or no signal '{new.signal[:120]}' is in the register")
        now = self._clock()
        start = now if new.action else now - new.window_us
        question = Question(secrets.token_hex(16), new.edge, new.signal, new.action, start, now + new.window_us)
        return self._archive.add(Challenge(question), author=author)

    def open(self, edge: str) -> list[OpenChallenge]:
        """The questions to this edge that have no answer yet."""
        oldest = self._clock() - KEEP_US
        with self._lock:
            self._look()
            return [OpenChallenge(index, question) for index, question in self._open.items() if question.edge == edge and question.to_us > oldest]

    def answer(self, edge: str, post: AnswerPost) -> int:
        """Logs an edge's answer; returns the entry's index.

        Raises:
            Refusal: 409, the question is answered already or was never asked.
            Rejected: the statement repeats another question, or the edge did not sign it.
        """
        record = self._archive.edge(edge)
        with self._lock:
            self._look()
            question = self._open.get(post.challenge)
            if question is None or question.edge != edge or record is None:
                raise Refusal(409, "conflict", f"entry {post.challenge} is no open challenge to edge '{edge}'")
            if post.statement.question != question:
                raise Rejected(f"answer: the statement repeats another question than that of entry {post.challenge}")
            if not verify(record.public_key, "answer", canonical_json(post.statement), decode_signature(post.signature)):
                raise Rejected(f"answer: not signed with the key of edge '{edge}'")
            return self._archive.add(Answer(post.challenge, post.statement, post.signature), author=f"edge:{edge}")

    def _look(self) -> None:
        """Takes what has come into the log since the last time."""
        size = self._archive.control_size
        if size == self._seen:
            return
        for entry in self._archive.control_entries(self._seen, "challenge"):
            if entry.index < size:
                self._open[entry.index] = msgspec.convert(entry.body, Challenge).question
        for entry in self._archive.control_entries(self._seen, "answer"):
            if entry.index < size:
                self._open.pop(entry.body["challenge"], None)
        self._seen = size
