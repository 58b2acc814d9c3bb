"""The XML documents of MTConnect 2.0: devices, streams, errors."""

from collections.abc import Iterable
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from simulators.mtconnect.agent import BUFFER, Agent
from simulators.mtconnect.items import ITEMS, UNAVAILABLE, Item, Observation

_NAMESPACE = "urn:mtconnect.org:MTConnect{}:2.0"
# Where each component stands below the device.
_TREE = {"Controller": ("Controller",), "Path": ("Controller", "Path"), "Rotary": ("Axes", "Rotary"), "Electric": ("Systems", "Electric")}


def devices(agent: Agent, now: str, device: str | None) -> bytes:
    """The answer to probe: what there is."""
    root = _root("Devices", agent, now, assetBufferSize="0", assetCount="0")
    shown = SubElement(root, "Devices")
    for name in agent.devices:
        if device in (None, name):
            itself = SubElement(shown, "Device", id=name, uuid=f"chejian-{name}", name=name)
            _items(itself, name, "Device")
            _components(itself, name)
    return _bytes(root)


def streams(agent: Agent, now: str, observations: Iterable[Observation], next_sequence: int) -> bytes:
    """The answer to current and sample."""
    last = str(agent.next_sequence - 1)
    root = _root("Streams", agent, now, nextSequence=str(next_sequence), firstSequence=str(agent.first_sequence), lastSequence=last)
    shown = SubElement(root, "Streams")
    by_device: dict[str, dict[str, list[Observation]]] = {}
    for one in observations:
        by_device.setdefault(one.device, {}).setdefault(one.item.component, []).append(one)
    for name, components in by_device.items():
        stream = SubElement(shown, "DeviceStream", name=name, uuid=f"chejian-{name}")
        for component, rows in components.items():
            part = SubElement(stream, "ComponentStream", component=component, componentId=_component_id(name, component))
            for category, heading in (("SAMPLE", "Samples"), ("EVENT", "Events"), ("CONDITION", "Condition")):
                found = [one for one in rows if one.item.category == category]
                if found:
                    group = SubElement(part, heading)
                    for one in found:
                        _observation(group, one)
    return _bytes(root)


def error(agent: Agent, now: str, code: str, text: str) -> bytes:
    """The answer to a request that cannot be served."""
    root = _root("Error", agent, now)
    SubElement(SubElement(root, "Errors"), "Error", errorCode=code).text = text
    return _bytes(root)


def stamp(time_us: int) -> str:
    """A time, µs UTC, as XML writes it, with all its digits."""
    whole = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000:06d}Z"


def _root(kind: str, agent: Agent, now: str, **more: str) -> Element:
    root = Element(f"MTConnect{kind}", xmlns=_NAMESPACE.format(kind))
    common = {"creationTime": now, "sender": "chejian-simulators", "instanceId": str(agent.instance), "version": "2.0.0", "bufferSize": str(BUFFER)}
    SubElement(root, "Header", {**common, **more})
    return root


def _components(itself: Element, device: str) -> None:
    made: dict[tuple[str, ...], Element] = {}
    for component, path in _TREE.items():
        parent = itself
        for depth in range(1, len(path) + 1):
            part = path[:depth]
            if part not in made:
                below = SubElement(parent, "Components") if parent.find("Components") is None else parent.find("Components")
                assert below is not None  # noqa: S101 – found or made
                made[part] = SubElement(below, part[-1], id=_component_id(device, part[-1]), name=part[-1].lower())
            parent = made[part]
        _items(parent, device, component)


def _items(parent: Element, device: str, component: str) -> None:
    items = [item for item in ITEMS if item.component == component]
    if items:
        # DataItems stand before Components in the schema.
        group = Element("DataItems")
        parent.insert(0, group)
        for item in items:
            more = {"subType": item.sub_type, "units": item.units, "statistic": item.statistic}
            given = {key: value for key, value in more.items() if value}
            SubElement(group, "DataItem", {"id": _item_id(device, item), "category": item.category, "type": item.type, "name": item.signal, **given})


def _observation(group: Element, one: Observation) -> None:
    given = {"dataItemId": _item_id(one.device, one.item), "timestamp": stamp(one.time_us), "sequence": str(one.sequence), "name": one.item.signal}
    if one.item.sub_type:
        given["subType"] = one.item.sub_type
    if one.item.category == "CONDITION":
        # A controller with no alarm is Normal; the number of an alarm is its native code.
        name = "Unavailable" if one.text == UNAVAILABLE else "Normal" if one.text == "0" else "Fault"
        condition = SubElement(group, name, given, type=one.item.type)
        if name == "Fault":
            condition.set("nativeCode", one.text)
            condition.text = f"Alarm {one.text}"
        return
    SubElement(group, one.item.element(), given).text = one.text


def _item_id(device: str, item: Item) -> str:
    return f"{device}-{item.id}"


def _component_id(device: str, component: str) -> str:
    return device if component == "Device" else f"{device}-{component.lower()}-part"


def _bytes(root: Element) -> bytes:
    return bytes(tostring(root, encoding="UTF-8", xml_declaration=True))
