"""For everything that a source says is wrong, `edge check` says what to do; the causes here are those of the sources' own words."""

import pytest

from edge.mqtt_client import _HELP
from edge.remedies import remedy
from edge.sources.modbus import _AWAY, _EXCEPTIONS


@pytest.mark.parametrize(("cause", "fix"), [
    ("mqtts://b:8883: the broker's certificate is refused: self-signed certificate; check tls.ca, server_name, clock", "tls.ca"),
    ("mqtts://b:1883: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "nobody speaks TLS"),
    ("mqtt://b:8883: connection lost: closed by the broker", "[source.tls]"),
    ("mqtt://b:1883: the broker does not let us in: wrong user or password", "password_file"),
    ("mqtt://b:1883: the broker does not let us in: not authorised: give user and password_file, or ask for the right", "password_file"),
    ("mqtt://b:1883: no answer within 3 s", "firewall"), ("mqtt://b:1883: nothing heard for 6 s", "firewall"),
    ("the broker refuses topic 'plant/+/state'", "access list"), ("mqtt://b:1883: the broker refuses spBv1.0/#; ask for the right", "access list"),
    ("stale: edge node g/n was not born yet", "edge discover"), ("the birth of 'm-1' has no metric 'load'", "after #"),
    ("stale: edge node g/n died", "switch"), ("stale: device m-1 died", "switch"),
    ("cnc-01/load: plant/cnc-01#v.load: missing", "after #"), ("cnc-01/state: plant/cnc-01#st: 'three' is no value for a state", "after #"),
    ("cnc-01/load: not JSON: JSON is malformed", "payload block"), ("cnc-01/load: time '2026-01-05' has no zone; set time_offset", "payload block"),
    ("cnc-01/load: payload of 2000000 bytes; max_payload_bytes allows fewer", "raise max_payload_bytes"),
    ("modbus://b:502: nobody answers there", "switch the device on"), ("unit 7: no answer", "correct unit"),
    ("1:input/90/u32: the unit has no such register", "table and number"),
    ("http://b:5000/probe: All connection attempts failed", "start the agent"), ("the agent has no data item 'load'", "name in the address"),
    ("http://b:80/probe: not an MTConnect document: no Header", "correct url"),
    ("'PAUSED' has no number; add PAUSED=NUMBER to its rule", "rule"),
    ("http://b:5000: the agent refuses count=8000; set a smaller count", "smaller count"), ("http://b:5000: the agent answers UNSUPPORTED", "log"),
    ("/drop: No such file or directory; is it mounted, and may the edge read it?", "mounted"), ("a.csv: no column 'Load'", "name in the address"),
])
def test_what_to_do(cause: str, fix: str) -> None:
    assert fix in remedy(cause), remedy(cause)


def test_every_refusal_of_a_broker_and_of_a_unit_has_one() -> None:
    for words in _HELP.values():
        assert remedy(f"mqtt://b:1883: the broker does not let us in: {words}"), words
    for code, words in _EXCEPTIONS.items():
        assert remedy(f"unit 1: {words}" if code in _AWAY else f"1:input/0/u16: {words}"), words
