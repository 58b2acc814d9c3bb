"""A fake gateway for the page's tests: it answers the read API with made-up figures and stores nothing.

It is declared a fake on purpose: with it the tests decide what every tile says. The page against a real gateway is a test of its own.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from workshop.register import Workshop
from workshop.register_file import parse_register

ROOT = Path(__file__).parents[2]
NOW_US = 1_790_000_000_000_000
TOKEN = "viewer-token-of-the-stand-in"
STATES = {
    "cnc-01": 3, "cnc-02": 3, "cnc-03": 3, "cnc-04": 2, "cnc-05": 3, "lathe-01": 3, "lathe-02": 3,
    "robot-01": 3, "robot-02": 2, "robot-03": 3, "inspection-01": 3, "compressor-01": 3,
}
VALUES: dict[str, Any] = {
    "operation_mode": 3, "spindle_load": 61.23, "active_power": 7421.5, "produced_count": 1284, "inspected_count": 1281, "rejected_count": 17,
    "cycle_count": 902, "pressure": 7.13, "alarm": 0, "oil_temperature": 81.2, "bearing_score": 0.8731,
}
TITLES = {
    "networking_rate_all": ("设备联网率（占全部设备）", "Networking rate (of all equipment)"),
    "networking_rate_digital": ("设备联网率（占数字化设备）", "Networking rate (of digital equipment)"),
    "defect_rate": ("不良品率", "Defect rate"),
    "availability": ("可用率", "Availability"),
    "effectiveness": ("表现率", "Effectiveness"),
    "quality_ratio": ("质量合格率", "Quality ratio"),
    "oee": ("设备综合效率", "Overall equipment effectiveness"),
    "energy_per_good_part": ("单位合格品能耗", "Energy per good part"),
    "key_process_nc_rate": ("关键工序数控化率", "Key processes under numerical control"),
}
DEFINITIONS = [
    {"id": name, "title_zh": zh, "title_en": en, "unit": "W.h/{part}" if name == "energy_per_good_part" else "1", "version": 1}
    for name, (zh, en) in TITLES.items()
]
FIGURES: dict[str, tuple[str | None, str | None, str | None, str]] = {
    "networking_rate_all": ("0.8462", "0.8462", "0.8462", "1.0000"), "networking_rate_digital": ("0.9167", "0.9167", "0.9167", "1.0000"),
    "defect_rate": ("0.0133", "0.0083", "0.0211", "0.9871"), "availability": ("0.7712", None, None, "0.9534"),
    "effectiveness": ("0.8845", None, None, "0.9534"), "quality_ratio": ("0.9867", None, None, "0.9534"), "oee": ("0.6731", None, None, "0.9534"),
    "energy_per_good_part": ("18.42", None, None, "0.9412"), "key_process_nc_rate": (None, None, None, "0"),
}
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
VERDICTS: list[dict[str, Any]] = [
    {
        "claim": "cs-t1", "clause": "CS-T1", "outcome": "undetermined", "as_of": "2018-12-31", "indicator": "defect_rate", "value": None,
        "title_zh": "不良品率降低30%", "title_en": "Defect rate down 30 %", "reason": "no baseline window in the data: a reduction needs a before",
    },
    {
        "claim": "yc-t4", "clause": "YC-T4", "outcome": "not_applicable", "as_of": "2024-12-31", "indicator": "key_process_nc_rate", "value": None,
        "title_zh": "关键工序数控化率达65%", "title_en": "Key processes under numerical control: 65 %",
        "reason": "the target is for all enterprises above designated size of the city; this workshop contributes 2 of 4 key processes",
    },
    {
        "claim": "own-networking", "clause": None, "outcome": "refuted", "as_of": "2026-09-21", "indicator": "networking_rate_all",
        "value": "0.8462", "low": "0.8462", "high": "0.8462", "coverage": "1.0000",
        "title_zh": "设备联网率不低于95%", "title_en": "Networking rate at least 95 %",
        "reason": "84.62 % is below 95 %: press-01 is not networked, cnc-04 was linked in 79 % of the window",
    },
    {
        "claim": "own-defects", "clause": None, "outcome": "confirmed", "as_of": "2026-09-21", "indicator": "defect_rate",
        "value": "0.0133", "low": "0.0083", "high": "0.0211", "coverage": "0.9871",
        "title_zh": "不良品率不高于3%", "title_en": "Defect rate at most 3 %", "reason": f"the whole interval is below 3 % {HOSTILE}",
    },
]


def register() -> Workshop:
    """The demo's register, so that the tiles are those of the demo."""
    return parse_register((ROOT / "config/demo/workshop.toml").read_bytes(), "workshop.toml")


def readings(workshop: Workshop) -> list[dict[str, Any]]:
    """One live reading a signal; cnc-05's link is down, robot-03's readings are too old, lathe-01 has an alarm."""
    rows = []
    for number, (signal_id, item, signal) in enumerate(workshop.signals()):
        value = VALUES.get(signal.role)
        if signal.role == "item_state":
            value = STATES[item.id]
        elif signal.role == "link_state":
            value = 0 if item.id == "cnc-05" else 1
        elif signal.role == "alarm" and item.id == "lathe-01":
            value = 2013
        elif isinstance(value, float):
            value += number % 7
        if value is not None:
            age_us = 60_000_000 if item.id == "robot-03" and signal.role != "link_state" else 200_000
            rows.append({"signal": signal_id, "source_time_us": NOW_US - age_us, "value": value, "quality": 0})
    return rows


def answers() -> dict[str, Any]:
    """Path → JSON answer."""
    workshop = register()
    paths: dict[str, Any] = {
        "/v1/workshop": {"register": msgspec.to_builtins(workshop), "digest": workshop.digest},
        "/v1/latest": {"time_us": NOW_US, "readings": readings(workshop)},
        "/v1/edges": [{"edge": "edge-1", "provenance": "simulated", "revoked_us": None}],
        "/v1/indicators": DEFINITIONS,
        "/v1/verdicts": VERDICTS,
        "/v1/quarantine/count": {"records": 0, "more": False, "since_start": 0},
        "/v1/quarantine": [],
    }
    for name, (value, low, high, coverage) in FIGURES.items():
        counted = name == "defect_rate"
        paths[f"/v1/indicators/{name}"] = {
            "indicator": name, "version": 1, "value": value, "low": low, "high": high, "method": "Wilson 95 %" if counted else "",
            "unit": "W.h/{part}" if name == "energy_per_good_part" else "1", "coverage": coverage,
            "counts": {"defective": 17, "inspected": 1281} if counted else {}, "excluded": [],
            "why": "" if value else "not enough coverage: 0 of at least 0.9",
        }
    return paths


class StandIn:
    """The fake gateway on a free port of the loopback. `paths` may be changed while it runs; a path set to None answers 503."""

    def __init__(self) -> None:
        self.paths: dict[str, Any] = answers()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
                answer = stand_in.paths.get(path) if allowed else None
                body = json.dumps(answer).encode()
                self.send_response(401 if not allowed else 200 if answer is not None else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Stops and frees the port."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(timeout=5)
