"""Machines behind JSON topics of an MQTT broker: which level of the topic is the machine, where its time stands, which values it sends. Pure."""

import re
from collections import defaultdict
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec

from edge.discovery.found import Machine, Variable, id_for, safe, slug
from edge.discovery.vocabulary import role_named
from workshop.register import Workshop

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TIMES = ("ts", "timestamp", "time", "datetime", "date_time", "t", "采集时间", "时间")
_SEQUENCES = ("seq", "sequence", "sequence_number", "msgid", "counter")
_BOOTS = ("boot", "boot_time", "started")
_SCALES = ((10**17, "ns"), (10**14, "us"), (10**11, "ms"), (10**8, "s"))
_LINKS = {"online", "offline"}
_DEPTH, _KEYS, _KEPT = 5, 200, 50


class Topic(msgspec.Struct):
    """What came on one topic."""

    name: str
    payloads: list[Any]
    """The decoded JSON of the last messages."""
    count: int = 0
    is_retained: bool = False
    text: str = ""
    """The last payload, where it is a word and not JSON."""

    def add(self, payload: bytes, is_retained: bool) -> None:
        """Takes a message."""
        self.count += 1
        self.is_retained = is_retained
        try:
            content = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.text = safe(payload[:50].decode(errors="replace"))
            return
        if isinstance(content, str):
            self.text = safe(content)
        self.payloads = [*self.payloads[-_KEPT:], content]


def machines_of_topics(topics: list[Topic], register: Workshop, listened_s: float) -> tuple[list[Machine], list[str]]:
    """The machines, and remarks.

    Args:
        register: an id that it has, standing in a topic, says which level is the machine.
        listened_s: how long was listened, s.
    """
    known = {item.id for item in register.equipment}
    data = [topic for topic in topics if topic.payloads and isinstance(topic.payloads[-1], dict)]
    links = {topic.name for topic in topics if topic.text in _LINKS}
    machines: dict[str, Machine] = {}
    remarks = []
    for topic in sorted(data, key=lambda one: -len(_fields(one.payloads[-1]))):
        level = _level(topic.name, known)
        id_ = id_for(topic.name.split("/")[level])
        block = _block(topic, [link for link in links if topic.name.split("/")[: level + 1] == link.split("/")[: level + 1]])
        variables = _variables(topic, block, listened_s)
        if not any(role_named(variable.name) for variable in variables):
            continue
        if "time" not in block:
            remarks.append(f"{topic.name}: no time that we know in it: the time of reception will stand for it; set payload.time if there is one")
        machine = machines.setdefault(id_, Machine(id_, safe(topic.name.split("/")[level]), extra={"payload": block}))
        # One payload block serves a map: a second topic of another shape would need another map.
        if machine.extra["payload"].get("time") == block.get("time") and machine.extra["payload"].get("time_format") == block.get("time_format"):
            machine.variables += variables
        else:
            remarks.append(f"{topic.name}: says its time in another way than the machine's other topics: not proposed; give it a map of its own")
    return list(machines.values()), remarks


def _level(topic: str, known: set[str]) -> int:
    """Which level of a topic names the machine: one that the register knows, else the last but one: what comes last says what is told."""
    levels = topic.split("/")
    named = [place for place, level in enumerate(levels) if slug(level) in known]
    return named[0] if named else max(0, len(levels) - 2)


def _fields(content: Any, stem: str = "", depth: int = 0) -> dict[str, Any]:
    """JMESPath → value, for every single value in a payload."""
    found: dict[str, Any] = {}
    if depth >= _DEPTH or not isinstance(content, dict):
        return found
    for key, value in content.items():
        name = key if _PLAIN.fullmatch(key) else '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
        path = f"{stem}.{name}" if stem else name
        if isinstance(value, dict):
            found |= _fields(value, path, depth + 1)
        elif isinstance(value, (int, float, str)) and len(found) < _KEYS and key.isprintable():
            found[path] = value
    return found


def _block(topic: Topic, links: list[str]) -> dict[str, Any]:
    """The payload block of a topic: time, number, start, link."""
    fields = _fields(topic.payloads[-1])
    lower = {path.rpartition(".")[2].strip('"').lower(): path for path in reversed(fields)}
    block: dict[str, Any] = {}
    for name in _TIMES:
        form = _form(fields[lower[name]]) if name in lower else ""
        if form:
            block |= {"time": lower[name], "time_format": form}
            break
    sequence = next((lower[name] for name in _SEQUENCES if name in lower), "")
    if sequence and _grows_by_one([_fields(payload).get(sequence) for payload in topic.payloads if isinstance(payload, dict)]):
        block["sequence"] = sequence
        boot = next((lower[name] for name in _BOOTS if name in lower), "")
        if boot:
            block["boot"] = boot
            if form := _form(fields[boot]):
                block["boot_format"] = form
    if links:
        block["link"] = links[0]
    return block


def _form(value: Any) -> str:
    """The form of a time; empty if it is none."""
    if isinstance(value, str):
        try:
            return "iso" if datetime.fromisoformat(value).tzinfo is not None else ""
        except ValueError:
            return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    return next((form for least, form in _SCALES if least <= value < least * 1000), "")


def _grows_by_one(values: list[Any]) -> bool:
    numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    steps = [after - before for before, after in pairwise(numbers)]
    return len(numbers) == len(values) and len(steps) >= 2 and all(step == 1 for step in steps)


def _variables(topic: Topic, block: dict[str, Any], listened_s: float) -> list[Variable]:
    period_s = listened_s / (topic.count - 1) if topic.count >= 3 else None
    own = {block.get(key) for key in ("time", "sequence", "boot")}
    return [
        Variable(f"{topic.name}#{path}", path.rpartition(".")[2].strip('"'), value, period_s=period_s)
        for path, value in _fields(topic.payloads[-1]).items() if path not in own
    ]


def by_first_level(topics: list[Topic]) -> dict[str, int]:
    """How many topics there are below each first level, for remarks."""
    counts: dict[str, int] = defaultdict(int)
    for topic in topics:
        counts[topic.name.partition("/")[0]] += 1
    return dict(counts)
