"""State detection (SD of ISO 13374) by two looks at once: where the signals stand, and how they move from row to row.

A signal that wanders while all is well hides a shift of its level, and its moves show it; a slow drift hides in the moves, and the level shows it.
"""

import numpy as np

from analytics.maintenance.detection import Normal, forward_filled
from analytics.maintenance.table import Numbers


class Sound:
    """The sound state of one machine; each look has half of the stated false-alarm rate.

    Attributes:
        level, moves: what is normal for the signals, and for what is left of them when their own past is taken away.
        memory: f64[inputs], share of a deviation that is left one row later.
        threshold: of the score: 0.
    """

    def __init__(self, rate: float = 0.02) -> None:
        self.rate = rate
        self.level = Normal(rate / 2)
        self.moves = Normal(rate / 2)
        self.mean: Numbers = np.zeros(0)
        self.memory: Numbers = np.zeros(0)
        self.threshold = 0.0

    @property
    def kept(self) -> list[int]:
        """Places of the inputs that vary."""
        return self.level.kept

    def fit(self, values: Numbers) -> "Sound":
        """Learns from rows f64[rows, inputs] in order of time that are taken to be sound."""
        held = forward_filled(values)
        self.mean = held.mean(axis=0)
        away = held - self.mean
        self.memory = np.clip((away[1:] * away[:-1]).sum(axis=0) / np.maximum((away[:-1] ** 2).sum(axis=0), 1e-300), 0.0, 0.999)
        self.level.fit(held)
        self.moves.fit(self._moves(held))
        return self

    def score(self, values: Numbers) -> Numbers:
        """f64[rows]: by how much the larger of the two looks passes its threshold (logarithm of squared distance); from 0 on an alarm."""
        held = forward_filled(values, self.mean)
        level = self.level.score(held) - self.level.threshold
        return np.maximum(level, self.moves.score(self._moves(held)) - self.moves.threshold)

    def contributions(self, values: Numbers) -> Numbers:
        """f64[rows, kept]: share of each input in the squared distance of the level from the sound state."""
        return self.level.contributions(forward_filled(values, self.mean))

    def _moves(self, held: Numbers) -> Numbers:
        away = held - self.mean
        moves = away.copy()
        moves[1:] -= self.memory * away[:-1]
        # Before the first row nothing is known: it did not move.
        moves[:1] = 0.0
        return moves
