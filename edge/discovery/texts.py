"""A proposal as changes of two files: the register, where signals, roles and units stand, and the edge's file, where addresses stand. Pure."""

import difflib
import json
import re
from itertools import pairwise
from typing import Any

from edge.config import EdgeSettings
from edge.discovery.found import slug
from edge.discovery.proposal import Choice, Proposal
from edge.mapping import SourceBlock
from workshop.register import Workshop
from workshop.signal import Signal

_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LINK = '{ name = "link_state", role = "link_state", kind = "state", max_age_s = 3, origin = "edge", title_zh = "联网状态", title_en = "Link state" }'


def difference(before: str, after: str, name: str) -> str:
    """The change of one file as a unified diff, which `patch` understands as well; empty if nothing changes."""
    lines = difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), name, name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def register_text(text: str, proposals: list[Proposal], register: Workshop, *, source: str, day: str) -> tuple[str, list[str]]:
    """The register's text with what is proposed, and remarks on what a person has to write.

    Args:
        source: where the machines were found, for a remark.
        day: local date, for equipment that is new.
    """
    remarks = []
    for proposal in proposals:
        new = [choice.signal for choice in proposal.choices if choice.is_new]
        if proposal.is_new:
            text = _end(text) + _equipment(proposal, register, source, day)
        elif new:
            changed = _add_signals(text, proposal.equipment, new)
            if changed is None:
                listed = "; ".join(_signal(signal) for signal in new)
                remarks.append(f"{proposal.equipment}: the register writes it in another way than ours; add to its signals by hand: {listed}")
            text = changed or text
    return text, remarks


def edge_text(text: str, proposals: list[Proposal], settings: EdgeSettings, source: dict[str, Any], *, found_at: str) -> tuple[str, list[str]]:
    """The edge file's text with what is proposed, and remarks on what is not.

    Args:
        source: name, protocol and options of the source that would read the machines.
        found_at: for a remark in the file.
    """
    remarks: list[str] = []
    fresh: list[Proposal] = []
    for proposal in proposals:
        owner = next((block for block in settings.source for item in block.equipment if item.id == proposal.equipment), None)
        if owner is None:
            fresh.append(proposal)
            continue
        map_ = next(item.map for item in owner.equipment if item.id == proposal.equipment)
        missing = [choice for choice in proposal.choices if choice.signal.name not in owner.map[map_]]
        if not missing:
            continue
        names = ", ".join(choice.signal.name for choice in missing)
        is_shared = sum(item.map == map_ for item in owner.equipment) > 1
        at = _end_of_map(text, owner.name, map_)
        if is_shared or at is None or not _is_same(owner, source):
            remarks.append(f"{proposal.equipment}: source '{owner.name}' reads it already; add to its map '{map_}' by hand: {names}")
        else:
            lines = text.splitlines(keepends=True)
            text = "".join([*lines[:at], *(f"{_key(c.signal.name)} = {_text(c.address)}\n" for c in missing), *lines[at:]])
    if fresh:
        text = _end(text) + _source(fresh, settings, source, found_at)
    return text, remarks


def _source(proposals: list[Proposal], settings: EdgeSettings, source: dict[str, Any], found_at: str) -> str:
    """A new source. Machines whose addresses differ only by their id share a map."""
    maps: dict[str, str] = {}
    equipment, tables = [], []
    for proposal in proposals:
        addresses = [(choice.signal.name, choice.address.replace(proposal.equipment, "{equipment}")) for choice in proposal.choices]
        extra = {kind: _shared(keys, proposal.equipment) for kind, keys in proposal.machine.extra.items()}
        shape = repr((sorted(addresses), extra))
        if shape not in maps:
            stem = slug(proposal.machine.equipment_class) or "machine"
            maps[shape] = stem if stem not in maps.values() else f"{stem}-{len(maps) + 1}"
            tables.append((maps[shape], addresses, proposal.choices, extra))
        equipment.append(f"  {{ id = {_text(proposal.equipment)}, map = {_text(maps[shape])} }},\n")
    taken, name = {block.name for block in settings.source}, str(source["name"])
    number = 2
    while name in taken:
        name, number = f"{source['name']}-{number}", number + 1
    lines = [f"\n# Found at {found_at}.\n[[source]]\nname = {_text(name)}\n"]
    lines += [f"{key} = {_text(value)}\n" for key, value in source.items() if key != "name"]
    lines += ["equipment = [\n", *equipment, "]\n"]
    for map_, addresses, choices, extra in tables:
        lines.append(f"\n[source.map.{_key(map_)}]\n")
        lines += [_line(name, address, choice) for (name, address), choice in zip(addresses, choices, strict=True)]
        for kind, keys in extra.items():
            lines += [f"\n[source.{kind}.{_key(map_)}]\n", *(f"{_key(key)} = {_text(value)}\n" for key, value in keys.items())]
    return "".join(lines)


def _shared(keys: dict[str, Any], equipment: str) -> dict[str, Any]:
    """A payload block for all machines of a map: of its keys only `link` is an address."""
    return {key: value.replace(equipment, "{equipment}") if key == "link" else value for key, value in keys.items()}


def _is_same(owner: SourceBlock, source: dict[str, Any]) -> bool:
    """Whether a source of the file is the one where the machines were found."""
    here = [owner.protocol, *(owner.options.get(key) for key in ("url", "host", "port"))]
    return here == [source.get(key) for key in ("protocol", "url", "host", "port")]


def _line(name: str, address: str, choice: Choice) -> str:
    remark = f"# {choice.remark}\n" if choice.remark else ""
    return f"{remark}{_key(name)} = {_text(address)}\n"


def _equipment(proposal: Proposal, register: Workshop, source: str, day: str) -> str:
    machine = proposal.machine
    is_controlled = str(machine.is_modelled).lower()
    process = register.processes[0].id if register.processes else "unassigned"
    signals = "".join(f"  {_signal(choice.signal)},\n" for choice in proposal.choices)
    return (
        f"\n# Found at {source}. To be filled in: titles, work center, process, rated power, ideal cycle, date.\n[[equipment]]\n"
        f"id = {_text(proposal.equipment)}\ntitle_zh = {_text(machine.name)}\ntitle_en = {_text(machine.name)}\n"
        f"equipment_class = {_text(machine.equipment_class or 'machine')}\nwork_center = \"unassigned\"\n"
        f"serial_number = {_text(machine.serial_number)}\n"
        f"digital = true\nnumerically_controlled = {is_controlled}\nprocess = {_text(process)}\nrated_power_w = 0\nin_service_from = {_text(day)}\n"
        f"manufacturer = {_text(machine.manufacturer)}\nmodel = {_text(machine.model)}\nsignals = [\n{signals}  {_LINK},\n]\n"
    )


def _signal(signal: Signal) -> str:
    unit = f", unit = {_text(signal.unit)}" if signal.unit else ""
    return (
        f"{{ name = {_text(signal.name)}, role = {_text(signal.role)}, kind = {_text(signal.kind.value)}{unit}, max_age_s = {signal.max_age_s}, "
        f"title_zh = {_text(signal.title_zh)}, title_en = {_text(signal.title_en)} }}"
    )


def _add_signals(text: str, equipment: str, signals: list[Signal]) -> str | None:
    """The text with signals added to one [[equipment]]: into its own list, or as one beside its signal_set; None if it is written otherwise."""
    lines = text.splitlines(keepends=True)
    heads = [number for number, line in enumerate(lines) if line.startswith("[")] + [len(lines)]
    blocks = [(head, after) for head, after in pairwise(heads) if lines[head].strip() == "[[equipment]]"]
    own_id = re.compile(rf'id\s*=\s*["\']{re.escape(equipment)}["\']\s*(#.*)?$')
    start, end = next((block for block in blocks if any(own_id.match(line.strip()) for line in lines[slice(*block)])), (0, 0))
    if not end or (end < len(lines) and lines[end].startswith("[[equipment.")):
        return None
    # Remarks that stand right before the next table belong to that one.
    while end > start and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    added = [f"  {_signal(signal)},\n" for signal in signals]
    own = next((number for number in range(start, end) if re.match(r"signals\s*=\s*\[\s*$", lines[number])), None)
    if own is None and any(re.match(r"signals\s*=", line) for line in lines[start:end]):
        return None
    if own is not None:
        return "".join([*lines[: own + 1], *added, *lines[own + 1 :]])
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    return "".join([*lines[:end], "signals = [\n", *added, "]\n", *lines[end:]])


def _end_of_map(text: str, source: str, map_: str) -> int | None:
    """The line after the last address of a map; None if the text is written in another way than ours."""
    lines = text.splitlines()
    names = [number for number, line in enumerate(lines) if re.match(rf'name\s*=\s*["\']{re.escape(source)}["\']\s*$', line)]
    if len(names) != 1:
        return None
    heads = [number for number in range(names[0], len(lines)) if re.match(rf'\[source\.map\.["\']?{re.escape(map_)}["\']?\]', lines[number])]
    if not heads:
        return None
    end = next((number for number in range(heads[0] + 1, len(lines)) if lines[number].startswith("[")), len(lines))
    while not lines[end - 1].strip() or lines[end - 1].startswith("#"):
        end -= 1
    return end


def _end(text: str) -> str:
    return text if text.endswith("\n") or not text else text + "\n"


def _key(name: str) -> str:
    return name if _KEY.fullmatch(name) else _text(name)


def _text(value: Any) -> str:
    """A TOML value; text as a basic string (TOML 1.0, String), which escapes as JSON does."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_text(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
