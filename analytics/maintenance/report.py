"""What an evaluation says: figures, how sure they are, naive baselines beside them, warnings, and whether to deploy."""

import msgspec

DEPLOY = "deploy"
LEAKS = "do not deploy: leaks"


class Caution(msgspec.Struct, frozen=True):
    """Something that a person should know before believing the figures."""

    kind: str
    columns: tuple[str, ...]
    text: str
    leak: bool = False
    """Whether the figures cannot be believed for it."""


class Report(msgspec.Struct, frozen=True):
    """The outcome; its fields are the keys of the JSON."""

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    folds: list[dict[str, str | int | float]]
    baselines: dict[str, dict[str, float]]
    warnings: list[Caution]
    verdict: str
    task: str
    protocol: str
    rows: int
    units: int
    data_digest: str
    model_digest: str
    """Of the model that was judged; with several folds, of the first."""
    model: dict[str, float]
    """Share of each candidate in the answer."""

    @property
    def deployable(self) -> bool:
        """Whether the verdict is `deploy`."""
        return self.verdict == DEPLOY


def verdict_of(warnings: list[Caution], unbeaten: list[str]) -> str:
    """The verdict: leaks first, because with them no comparison means anything."""
    if any(warning.leak for warning in warnings):
        return LEAKS
    return f"do not deploy: no better than {unbeaten[0]}" if unbeaten else DEPLOY
