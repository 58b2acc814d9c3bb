"""Every file in `edge/sources` keeps the contract of a source; a new one is under test the moment it exists."""

import asyncio
import inspect
import typing
from importlib import import_module
from typing import Any

import pytest

from edge.source import MappedSignal, SourceContext, open_source, source_names
from tests.unit.edge.rig import now_us
from workshop.errors import ConfigError, NotConnected
from workshop.signal import SignalKind

EXAMPLES: dict[str, tuple[dict[str, Any], str]] = {
    "opcua": ({"url": "opc.tcp://127.0.0.1:9/", "security": "None"}, "nsu=urn:x;s=cnc-01.load"),
    "mqtt": ({"host": "127.0.0.1", "port": 9, "payload": {"cnc": {"time": "ts", "time_format": "ms"}}}, "plant/cnc-01/state#load"),
    "sparkplug": ({"host": "127.0.0.1", "port": 9}, "plant/cell-2/cnc-01#load"),
    "modbus": ({"host": "127.0.0.1", "port": 9}, "1:input/0/u16"),
    "mtconnect": ({"url": "http://127.0.0.1:9"}, "id:cnc-01-load"),
    "folder": ({"directory": "nowhere/127.0.0.1:9", "table": {"cnc": {"file": "*.csv", "time": "Time", "time_format": "iso"}}}, "column:Load"),
}
"""For each protocol options that reach nobody, and an address."""


def context(address: str) -> SourceContext:
    signal = MappedSignal("cnc-01/load", "cnc-01", SignalKind.GAUGE, address, "cnc")
    return SourceContext("cell", "edge-1.toml: source 'cell'", "edge-1", (signal,), now_us)


@pytest.fixture(params=source_names())
def protocol(request: pytest.FixtureRequest) -> str:
    assert request.param in EXAMPLES, f"give the new protocol {request.param} an example here"
    return str(request.param)


def test_the_file_exports_one_public_name(protocol: str) -> None:
    module = import_module(f"edge.sources.{protocol}")
    assert module.__all__ == ["open_source"]
    hints = typing.get_type_hints(module.open_source)
    assert hints["context"] is SourceContext
    assert hints["settings"].__struct_config__.forbid_unknown_fields
    assert module.__doc__ and module.open_source.__doc__


def test_siblings_do_not_import_each_other(protocol: str) -> None:
    text = inspect.getsource(import_module(f"edge.sources.{protocol}"))
    assert "edge.sources" not in text and "from edge import sources" not in text


def test_an_open_source_has_the_shape_of_the_seam(protocol: str) -> None:
    options, address = EXAMPLES[protocol]
    source = open_source(protocol, options, context(address))
    assert source.equipment == ("cnc-01",)
    assert source.problems == {}
    assert all(isinstance(one, str) for one in source.warnings)
    assert all(asyncio.iscoroutinefunction(getattr(source, name)) for name in ("connect", "read", "close"))


@pytest.mark.parametrize(("change", "said"), [
    ({"colour": "red"}, "unknown key `colour`; the keys there are"), ({"timeout_s": "soon"}, "timeout_s"), ({"timeout_s": -1}, "timeout_s"),
])
def test_a_wrong_option_is_answered_with_place_and_key(protocol: str, change: dict[str, Any], said: str) -> None:
    options, address = EXAMPLES[protocol]
    with pytest.raises(ConfigError, match=r"edge-1\.toml: source 'cell'") as caught:
        open_source(protocol, options | change, context(address))
    assert said in str(caught.value)


@pytest.mark.parametrize("address", ["", "nonsense", "ns=2;s=x", "#"])
def test_an_address_that_is_none_is_refused(protocol: str, address: str) -> None:
    with pytest.raises(ConfigError, match=r"edge-1\.toml: source 'cell'"):
        open_source(protocol, EXAMPLES[protocol][0], context(address))


async def test_nobody_there_is_not_connected_and_closing_is_always_allowed(protocol: str) -> None:
    options, address = EXAMPLES[protocol]
    source = open_source(protocol, options, context(address))
    await source.close()
    with pytest.raises(NotConnected, match=r"127\.0\.0\.1:9"):
        await source.connect()
    await source.close()
    with pytest.raises(NotConnected):
        await source.read()
    await source.close()


def test_an_unknown_protocol_is_answered_with_the_list() -> None:
    with pytest.raises(ConfigError, match=r"edge-1\.toml: source 'cell': no protocol 'modbuss'; there are .*mqtt, .*opcua"):
        open_source("modbuss", {}, context("x"))


@pytest.mark.parametrize(("protocol", "options", "address"), [
    ("modbus", {"host": "192.0.2.1"}, "1:input/0/u16"), ("mtconnect", {"url": "http://192.0.2.1:5000"}, "id:x"),
    ("sparkplug", {"host": "192.0.2.1"}, "g/n/d#m"), ("mqtt", {"host": "192.0.2.1", "payload": {"cnc": {}}}, "t#x"),
])
def test_a_connection_that_anybody_can_change_is_warned_of(protocol: str, options: dict[str, Any], address: str) -> None:
    (warning,) = open_source(protocol, options, context(address)).warnings
    assert "192.0.2.1: anybody on the way can read and change" in warning
    near = {name: value.replace("192.0.2.1", "127.0.0.1") if isinstance(value, str) else value for name, value in options.items()}
    assert open_source(protocol, near, context(address)).warnings == []


@pytest.mark.parametrize("url", ["http://[", "ftp://x", "http://", "http://user:secret@host:5000", "host:5000"])
def test_a_url_that_no_agent_has_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="should look like http://host:5000"):
        open_source("mtconnect", {"url": url}, context("id:x"))
