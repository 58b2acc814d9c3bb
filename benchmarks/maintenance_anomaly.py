"""`python -m benchmarks.maintenance_anomaly [--seeds 40]`: false and missed alarms of detection on invented series of ten kinds.

Eight signals, 400 sound rows to learn from, 750 to score, of which 250 to 400 are an event: a shift, more noise, or a ramp in one to three signals.
What the method was made with are other series; seeds here begin at 100. The stated false-alarm rate is 0.02.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from analytics.maintenance.sound import Sound

KINDS = ("white", "memory", "wandering", "mixed", "factors", "regimes", "heavy tails", "steps", "seasons", "drift")
_ROWS, _LEARNED, _SIGNALS = 1150, 400, 8
Numbers = NDArray[np.float64]


def _memory(dice: np.random.Generator, share: float, count: int = _SIGNALS) -> Numbers:
    fresh = dice.normal(size=(_ROWS, count)) * np.sqrt(1 - share**2)
    found = np.zeros((_ROWS, count))
    found[0] = dice.normal(size=count)
    for i in range(1, _ROWS):
        found[i] = share * found[i - 1] + fresh[i]
    return found


def _sound(kind: str, dice: np.random.Generator) -> Numbers:
    noise, time = dice.normal(size=(_ROWS, _SIGNALS)), np.arange(_ROWS)[:, None]
    if kind == "memory":
        return _memory(dice, 0.95)
    if kind == "wandering":
        return _memory(dice, 0.995) + 0.5 * noise
    if kind == "mixed":
        return np.column_stack([_memory(dice, share, 1) for share in dice.uniform(0, 0.99, _SIGNALS).tolist()])
    if kind == "factors":
        return np.asarray(_memory(dice, 0.9, 2) @ dice.normal(size=(2, _SIGNALS)) + 0.3 * noise)
    if kind == "regimes":
        lengths = dice.integers(20, 80, _ROWS // 20)
        state = np.repeat(np.arange(len(lengths)) % 2, lengths)[:_ROWS]
        return np.outer(state, dice.normal(scale=3, size=_SIGNALS)) + noise
    if kind == "heavy tails":
        return dice.standard_t(3, size=(_ROWS, _SIGNALS))
    if kind == "steps":
        noise[:, 0] = np.round(0.6 * noise[:, 0])
        noise[:, 1] = 5.0 + 0.1 * (dice.random(_ROWS) < 0.01)
        noise[:, 2] += 0.05 * np.cumsum(dice.normal(size=_ROWS))
        return noise
    if kind == "seasons":
        return np.asarray(1.5 * np.sin(2 * np.pi * time / dice.uniform(60, 300, _SIGNALS) + dice.uniform(0, 6, _SIGNALS)) + 0.6 * noise)
    return _memory(dice, 0.8) + time / _ROWS * dice.normal(size=_SIGNALS) if kind == "drift" else noise


def made(kind: str, seed: int) -> tuple[Numbers, Numbers]:
    """(values, truth) of one series with one event."""
    dice = np.random.default_rng([seed, KINDS.index(kind)])
    values = _sound(kind, dice)
    begin = int(dice.integers(500, 650))
    end = begin + int(dice.integers(250, 400))
    truth = np.zeros(_ROWS)
    truth[begin:end] = 1
    spread = values[:_LEARNED].std(axis=0) + 1e-9
    which = dice.choice(_SIGNALS, size=int(dice.integers(1, 4)), replace=False)
    match int(dice.integers(3)):
        case 0:
            values[begin:end, which] += spread[which] * dice.uniform(2, 5, len(which)) * dice.choice([-1, 1], len(which))
        case 1:
            values[begin:end, which] += dice.normal(size=(end - begin, len(which))) * spread[which] * dice.uniform(2, 4)
        case _:
            values[begin:end, which] += np.outer(np.minimum(np.arange(end - begin) / 80, 1), spread[which] * dice.uniform(3, 6, len(which)))
    return values, truth


def main() -> None:
    """A line a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first", type=int, default=100)
    arguments = parser.parse_args()
    whole = []
    print(f"{'kind':<12}{'false alarms':>13}{'missed':>8}{'f1':>7}")
    for kind in KINDS:
        rows = []
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            values, truth = made(kind, seed)
            detector = Sound().fit(values[:_LEARNED])
            alarm = (detector.score(values)[_LEARNED:] >= detector.threshold).astype(np.float64)
            event = truth[_LEARNED:]
            rows.append((alarm[event == 0].mean(), 1 - alarm[event == 1].mean(), 2 * (alarm * event).sum() / max(alarm.sum() + event.sum(), 1)))
        means = np.mean(rows, axis=0)
        whole.append(means)
        print(f"{kind:<12}{means[0]:>13.3f}{means[1]:>8.3f}{means[2]:>7.3f}")
    means = np.mean(whole, axis=0)
    print(f"{'all':<12}{means[0]:>13.3f}{means[1]:>8.3f}{means[2]:>7.3f}")


if __name__ == "__main__":
    main()
