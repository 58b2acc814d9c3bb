"""What alerts were worth: right, wrong, too late, too early, and nothing to divide by."""

import pytest

from analytics.maintenance.reckoning import Alerted, Failure, worth_of
from analytics.maintenance.watch.finding import Finding
from analytics.maintenance.watch.record import alerts_of, document_of, failures_of, prediction_of
from store.archive_records import ControlEntry
from workshop.canonical import sha256_hex
from workshop.window import HOUR_US


def at(hours: float) -> int:
    return round(hours * HOUR_US)


WEAR = Failure("cnc-01", "bearing_wear", at(100), at(200))


def test_the_first_right_alert_counts() -> None:
    alerts = [Alerted("cnc-01", "bearing_wear", at(150)), Alerted("cnc-01", "bearing_wear", at(130))]
    worth = worth_of(alerts, [WEAR], 2.0)["bearing_wear"]
    assert (worth.recall, worth.precision, worth.median_lead_h, worth.false_alarms) == (1.0, 1.0, 70.0, 0)


@pytest.mark.parametrize("alert", [
    Alerted("cnc-01", "bearing_wear", at(99.9)), Alerted("cnc-01", "bearing_wear", at(200.1)), Alerted("cnc-02", "bearing_wear", at(150)),
    Alerted("cnc-01", "coolant_loss", at(150)),
])
def test_before_after_elsewhere_or_by_another_name_is_wrong(alert: Alerted) -> None:
    worth = worth_of([alert], [WEAR], 2.0)
    assert worth["bearing_wear"].recall == 0.0
    assert worth["all"].precision == 0.0
    assert worth["all"].false_per_month == 0.5


def test_what_still_goes_on_is_not_missed_yet() -> None:
    assert worth_of([], [WEAR], 1.0, open_ended_us=at(180))["all"].recall is None
    found = worth_of([Alerted("cnc-01", "bearing_wear", at(150))], [WEAR], 1.0, open_ended_us=at(180))["all"]
    assert (found.recall, found.precision) == (1.0, 1.0)


def test_nothing_to_divide_by() -> None:
    nothing = worth_of([], [], 0.0)["all"]
    assert (nothing.recall, nothing.precision, nothing.median_lead_h, nothing.false_per_month) == (None, None, None, None)


def test_a_finding_and_a_failure_on_record_and_back() -> None:
    finding = Finding("cnc-01", "bearing_wear", at(120), at(130), 0.75, ("spindle_vibration",), {"deviation": 0.031}, "检查", "inspect", 24.0,
                      (60.0, 30.0, 90.0))
    body = prediction_of(finding)
    assert (body.from_us, body.to_us, body.score, body.digest) == (at(130), at(220), "0.7500", sha256_hex(document_of(finding)))
    entries = [
        ControlEntry(7, 1, "prediction", at(131), "edge:analytics", {"model": body.model, "equipment": "cnc-01", "what": "bearing_wear"}),
        ControlEntry(8, 1, "prediction", at(132), "engineer:x", {"model": "another", "equipment": "cnc-01", "what": "bearing_wear"}),
        ControlEntry(9, 1, "feedback", at(201), "engineer:x", {"equipment": "cnc-01", "from_us": at(100), "to_us": at(200), "finding": "failure",
                                                              "note": "bearing_wear"}),
        ControlEntry(10, 1, "feedback", at(202), "engineer:x", {"equipment": "cnc-01", "from_us": 1, "to_us": 2, "finding": "confirmed"}),
    ]
    # The gateway's time counts, not what the prediction says of itself.
    assert alerts_of(entries) == [Alerted("cnc-01", "bearing_wear", at(131), 7)]
    assert failures_of(entries) == [WEAR]
    entries[0].body["from_us"] = at(130)
    assert alerts_of(entries, replay=True) == [Alerted("cnc-01", "bearing_wear", at(130), 7)]
