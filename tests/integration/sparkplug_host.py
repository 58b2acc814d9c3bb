"""A Sparkplug host application for tests, written from the specification's checklist; it decodes the wire by itself and remembers every violation."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

VALUE_FIELDS = {10: "int", 11: "long", 12: "float", 13: "double", 14: "boolean", 15: "string"}
# Checklist: datatype → the value field that carries it.
FIELD_OF = {4: "long", 10: "double", 11: "boolean", 12: "string"}


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Protobuf wire format: (field number, value)."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            size = {1: 8, 5: 4}.get(key & 7) or varint()
            yield key >> 3, data[at : at + size]
            at += size


def decode_metric(data: bytes) -> dict[str, Any]:
    names = {1: "name", 2: "alias", 3: "timestamp", 4: "datatype", 5: "is_historical", 7: "is_null", 9: "properties"}
    metric: dict[str, Any] = {}
    for number, raw in fields(data):
        if number in VALUE_FIELDS:
            kind = VALUE_FIELDS[number]
            value: Any = raw
            if isinstance(raw, bytes):
                value = raw.decode() if kind == "string" else struct.unpack("<d" if kind == "double" else "<f", raw)[0]
            metric["field"], metric["value"] = kind, bool(value) if kind == "boolean" else value
        else:
            metric[names[number]] = raw.decode() if number == 1 and isinstance(raw, bytes) else raw
    return metric


def decode(data: bytes) -> dict[str, Any]:
    payload: dict[str, Any] = {"metrics": []}
    for number, raw in fields(data):
        if number == 2:
            assert isinstance(raw, bytes)
            payload["metrics"].append(decode_metric(raw))
        else:
            payload[{1: "timestamp", 3: "seq"}[number]] = raw
    return payload


class Host:
    """Numbers in messages are those of the checklist. `later`: devices that need not be born with the node, for they come and go."""

    def __init__(self, port: int, group: str, node: str, devices: set[str], later: frozenset[str] = frozenset()) -> None:
        self.group, self.node, self.devices = group, node, devices
        self.wrong: list[str] = []
        self.kinds: list[str] = []
        self.rows: list[tuple[str, str, int, Any, bool]] = []
        self.bd_seqs: list[int] = []
        self.deaths: list[int] = []
        self.online: set[str] = set()
        self.later = later
        self.node_values: dict[str, Any] = {}
        self.wraps = 0
        self._aliases: dict[int, tuple[str, str, int]] = {}
        self._awaited: set[str] = set()
        self._seq = -1
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id="host")
        self.client.reconnect_delay_set(1, 1)
        # 26, 27: the Will and the first word carry the same timestamp.
        self._state = f"spBv1.0/STATE/{self.client._client_id.decode()}"
        self.client.will_set(self._state, json.dumps({"online": False, "timestamp": 1}).encode(), qos=1, retain=True)
        self.client.on_connect = self._on_connect
        self.client.on_message = lambda _client, _data, message: self.receive(message.topic, message.payload, message.qos, message.retain)
        self.client.connect_async("127.0.0.1", port)

    def _on_connect(self, client: paho.Client, *_rest: Any) -> None:
        client.subscribe("spBv1.0/#", qos=1)
        client.publish(self._state, json.dumps({"online": True, "timestamp": 1}).encode(), qos=1, retain=True)

    def command_rebirth(self) -> None:
        # 36: QoS 0, not retained, timestamp, no seq. Metric: name, timestamp, datatype 11, boolean_value true.
        name = b"Node Control/Rebirth"
        metric = b"\x0a" + bytes([len(name)]) + name + b"\x18\x01\x20\x0b\x70\x01"
        self.client.publish(f"spBv1.0/{self.group}/NCMD/{self.node}", b"\x08\x01\x12" + bytes([len(metric)]) + metric)

    def check(self, number: int, holds: bool, what: str) -> None:
        if not holds:
            self.wrong.append(f"{number}: {what}")

    def receive(self, topic: str, data: bytes, qos: int, retain: bool) -> None:
        levels = topic.split("/")
        if levels[1] == "STATE" or levels[2] == "NCMD":
            return
        kind, device = levels[2], levels[4] if len(levels) == 5 else None
        self.check(1, levels[:2] == ["spBv1.0", self.group] and levels[3] == self.node, topic)
        self.check(4, (device is not None) == kind.startswith("D"), topic)
        self.check(14, not retain and (qos == 0 or kind == "NDEATH"), f"{kind} qos {qos} retain {retain}")
        payload = decode(data)
        self.check(16, "timestamp" in payload and all("timestamp" in metric for metric in payload["metrics"]), kind)
        self._sequence(kind, payload)
        self.kinds.append(kind)
        getattr(self, f"_{kind.lower()}")(device, payload)

    def _sequence(self, kind: str, payload: dict[str, Any]) -> None:
        if kind == "NDEATH":
            self.check(7, "seq" not in payload, "NDEATH with seq")
            return
        expected = 0 if kind == "NBIRTH" else (self._seq + 1) % 256
        self.check(13, payload.get("seq") == expected, f"{kind}: seq {payload.get('seq')} instead of {expected}")
        self.wraps += kind != "NBIRTH" and self._seq == 255
        self._seq = payload.get("seq", expected)

    def _nbirth(self, _device: None, payload: dict[str, Any]) -> None:
        metrics = {metric["name"]: metric for metric in payload["metrics"]}
        self.check(11, metrics["Node Control/Rebirth"].get("value") is False and "alias" not in metrics["Node Control/Rebirth"], "Rebirth")
        self.check(8, metrics["bdSeq"]["datatype"] == 4, "bdSeq datatype")
        self.bd_seqs.append(metrics["bdSeq"]["value"])
        self.online = {self.node}
        self._aliases = {}
        self._awaited = set(self.devices)
        self._definitions("", payload)
        self.node_values = {name: metric.get("value") for name, metric in metrics.items()}

    def _dbirth(self, device: str, payload: dict[str, Any]) -> None:
        self.check(12, device in self._awaited or (device in self.later and device not in self.online), f"DBIRTH of {device}")
        self._awaited.discard(device)
        self.online.add(device)
        self._definitions(device, payload)
        for metric in payload["metrics"]:
            self._fact(device, metric["name"], metric["datatype"], metric)

    def _definitions(self, device: str, payload: dict[str, Any]) -> None:
        for metric in payload["metrics"]:
            self.check(10, {"name", "datatype"} <= metric.keys(), str(metric))
            self._value(metric["datatype"], metric)
            if "alias" in metric:
                # A device that is born again may say the same once more.
                known = self._aliases.get(metric["alias"], (device, metric["name"]))
                self.check(19, known[:2] == (device, metric["name"]), f"alias {metric['alias']} twice")
                self._aliases[metric["alias"]] = (device, metric["name"], metric["datatype"])
        given = [metric["alias"] for metric in payload["metrics"] if "alias" in metric]
        self.check(19, len(given) == len(set(given)), f"an alias twice in the birth of {device or 'the node'}")

    def _ddata(self, device: str, payload: dict[str, Any]) -> None:
        self.check(12, not self._awaited and device in self.online, f"DDATA of {device} before its birth")
        stamps = [metric["timestamp"] for metric in payload["metrics"] if not metric.get("is_historical")]
        self.check(17, stamps == sorted(stamps), "order")
        for metric in payload["metrics"]:
            self.check(19, "name" not in metric and "datatype" not in metric, "DATA with name or datatype")
            self.check(20, metric["alias"] in self._aliases, f"alias {metric['alias']} was in no birth")
            owner, name, datatype = self._aliases[metric["alias"]]
            self.check(19, owner == device, f"alias of {owner} from {device}")
            self._fact(device, name, datatype, metric)

    def _ndata(self, _device: None, payload: dict[str, Any]) -> None:
        for metric in payload["metrics"]:
            self.check(19, "name" not in metric and "datatype" not in metric, "DATA with name or datatype")
            owner, name, datatype = self._aliases[metric["alias"]]
            self.check(19, owner == "", f"alias of {owner} from the node")
            self._value(datatype, metric)
            self.node_values[name] = metric.get("value")

    def _ddeath(self, device: str, payload: dict[str, Any]) -> None:
        self.check(21, device in self.online and payload["metrics"] == [], f"DDEATH of {device}")
        self.online.discard(device)

    def _ndeath(self, _device: None, payload: dict[str, Any]) -> None:
        self.check(7, [metric.get("name") for metric in payload["metrics"]] == ["bdSeq"], "NDEATH metrics")
        number = payload["metrics"][0]["value"]
        # 31: only the death of the last birth counts.
        if self.bd_seqs and number == self.bd_seqs[-1]:
            self.deaths.append(number)
            self.online = set()

    def _value(self, datatype: int, metric: dict[str, Any]) -> None:
        # 15: a null has no value, and everything else its datatype's field.
        self.check(15, metric.get("field") == (None if metric.get("is_null") else FIELD_OF[datatype]), str(metric))

    def _fact(self, device: str, name: str, datatype: int, metric: dict[str, Any]) -> None:
        self._value(datatype, metric)
        value = metric.get("value")
        value = value - 2**64 if datatype == 4 and value is not None and value >= 2**63 else value
        self.rows.append((device, name, metric["timestamp"] * 1000, value, bool(metric.get("is_historical"))))
