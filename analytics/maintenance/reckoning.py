"""What alerts were worth: lead time, precision, recall and false alarms per machine-month, from entries made before and failures told afterwards.

An alert is right if a failure of the same kind on the same machine had begun when it was put on record and had not ended: not before there was
anything to see, not after everybody knew. Of several right alerts for one failure the first counts. An alert that names another kind is wrong.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from workshop.window import HOUR_US

MONTH_US = 30 * 24 * HOUR_US


class Alerted(msgspec.Struct, frozen=True):
    """An alert as the control log has it."""

    equipment: str
    what: str
    time_us: int
    """When it was put on record."""
    index: int = -1
    """Of its control entry."""


class Failure(msgspec.Struct, frozen=True):
    """What really happened: from when on it could be seen, and when it ended in a failure, or was mended."""

    equipment: str
    what: str
    from_us: int
    to_us: int


class Worth(msgspec.Struct, frozen=True):
    """Figures of one kind of alert, or of all together. None where there is nothing to divide by."""

    failures: int
    found: int
    alerts: int
    right: int
    false_alarms: int
    machine_months: float
    lead_h: tuple[float, ...]
    """Hours from the first right alert to the end of each failure that was found, ascending."""

    @property
    def recall(self) -> float | None:
        """Share of the failures that were found."""
        return self.found / self.failures if self.failures else None

    @property
    def precision(self) -> float | None:
        """Share of the alerts that were right."""
        return self.right / self.alerts if self.alerts else None

    @property
    def median_lead_h(self) -> float | None:
        """Median lead time, h."""
        return float(np.median(self.lead_h)) if self.lead_h else None

    @property
    def false_per_month(self) -> float | None:
        """False alarms per machine-month of 30 days."""
        return self.false_alarms / self.machine_months if self.machine_months else None


def worth_of(alerts: Sequence[Alerted], failures: Sequence[Failure], machine_months: float, *, open_ended_us: int | None = None) -> dict[str, Worth]:
    """Figures by kind, and of all under "all".

    Args:
        machine_months: watched machines times months, of sound and failing ones alike.
        open_ended_us: failures that end after this time were still going on when the record was closed: alerts for them are right, but nobody can
            say yet that they were missed.
    """
    kinds = sorted({one.what for one in failures} | {one.what for one in alerts})
    by_kind = {
        kind: _worth([a for a in alerts if a.what == kind], [f for f in failures if f.what == kind], machine_months, open_ended_us) for kind in kinds
    }
    parts = list(by_kind.values())
    whole = Worth(
        sum(p.failures for p in parts), sum(p.found for p in parts), sum(p.alerts for p in parts), sum(p.right for p in parts),
        sum(p.false_alarms for p in parts), machine_months, tuple(sorted(hours for p in parts for hours in p.lead_h)),
    )
    return {**by_kind, "all": whole}


def right_alert(alert: Alerted, failures: Sequence[Failure]) -> Failure | None:
    """The failure that an alert is right about, or None."""
    return next((
        one for one in failures if (one.equipment, one.what) == (alert.equipment, alert.what) and one.from_us <= alert.time_us <= one.to_us
    ), None)


def _worth(alerts: list[Alerted], failures: list[Failure], months: float, open_ended_us: int | None) -> Worth:
    first: dict[Failure, int] = {}
    right = 0
    for alert in sorted(alerts, key=lambda one: one.time_us):
        match = right_alert(alert, failures)
        if match is not None:
            right += 1
            first.setdefault(match, alert.time_us)
    # What was still going on at the end counts only if it was found.
    judged = [one for one in failures if open_ended_us is None or one.to_us <= open_ended_us or one in first]
    leads = sorted((one.to_us - time_us) / HOUR_US for one, time_us in first.items())
    return Worth(len(judged), len(first), len(alerts), right, len(alerts) - right, months, tuple(leads))
