"""Logs as JSON: a line each, also from the libraries, also with what somebody else wrote in them; a wrong setting is said."""

import json
import os
import subprocess
import sys

import pytest

SAYS = """
import logging
from chejian.process import start_logs
import structlog
start_logs()
structlog.get_logger().info("line\\nbreak", name='<b>"quoted"</b>', place="车间")
logging.getLogger("library").warning("it says %s", "so\\n2026-01-01 [info] forged")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("failed")
"""


def said(form: str | None) -> subprocess.CompletedProcess[str]:
    """What a process with this setting logs."""
    environment = {key: value for key, value in os.environ.items() if key != "CHEJIAN_LOG"} | ({} if form is None else {"CHEJIAN_LOG": form})
    return subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, check=False, timeout=60, env=environment)


def test_every_line_is_an_object() -> None:
    rows = [json.loads(line) for line in said("json").stderr.splitlines()]
    assert [(row["event"], row["level"]) for row in rows] == [
        ("line\nbreak", "info"), ("it says so\n2026-01-01 [info] forged", "warning"), ("failed", "error")]
    assert rows[0]["name"] == '<b>"quoted"</b>' and rows[0]["place"] == "车间" and rows[1]["logger"] == "library"
    assert "ZeroDivisionError" in rows[2]["exception"] and all(row["timestamp"].endswith("Z") for row in rows)


@pytest.mark.parametrize("form", [None, "text", ""])
def test_without_it_lines_are_for_people(form: str | None) -> None:
    found = said(form)
    assert found.returncode == 0 and not found.stderr.startswith("{") and "车间" in found.stderr


def test_another_word_is_refused() -> None:
    found = said("yaml")
    assert found.returncode != 0 and "CHEJIAN_LOG='yaml': say json" in found.stderr
