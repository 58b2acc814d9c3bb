"""Parts of the faces that need no network: models, plans of the load, registers, the agent's buffer, bdSeq."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed: the extra [simulators] brings it")

from simulators.errors import SimulatorError
from simulators.load.plan import FRACTION, ITEM, Plan
from simulators.modbus.registers import MAPS, decode, encode
from simulators.mtconnect.agent import BUFFER, Agent, OutOfRange
from simulators.mtconnect.items import ITEMS
from simulators.opcua.companion import MODEL
from simulators.opcua.model import Name, read_model
from simulators.sparkplug.connection import BdSeq
from simulators.sparkplug.metrics import asks_for_rebirth


def test_tables_hold_what_the_specifications_number() -> None:
    numbers = {
        ("machinery", "MachineIdentificationType"): 1012, ("machinery", "MachineryItemState_StateMachineType"): 1002,
        ("machinery", "MachineryOperationModeStateMachineType"): 1008, ("mt", "MachineToolType"): 13, ("mt", "MonitoringType"): 14,
        ("mt", "ProductionType"): 21, ("mt", "NotificationType"): 7, ("mt", "EquipmentType"): 12, ("mt", "AlertType"): 39,
        ("robotics", "MotionDeviceSystemType"): 1002, ("robotics", "MotionDeviceType"): 1004, ("robotics", "SafetyStateType"): 1013,
    }
    assert {name: MODEL.types[Name(*name)].number for name in numbers} == numbers
    assert MODEL.states(Name("machinery", "MachineryItemState_StateMachineType"))[3][1:] == (5006, "Executing")
    # A derived type says which states there are in the place of its base.
    assert MODEL.states(Name("mt", "ProductionProgramStateMachineType"))[1][1:] == (5041, "Running")
    assert Name("machinery", "Location") in MODEL.members(Name("mt", "MachineToolIdentificationType"))


def test_every_name_in_the_tables_is_known() -> None:
    def check(members: list[object]) -> None:
        for member in members:
            of_type = member.type  # type: ignore[attr-defined]
            assert of_type.prefix == "ua" or of_type in MODEL.types or of_type in MODEL.enumerations, member
            check(member.members)  # type: ignore[attr-defined]

    for one in MODEL.types.values():
        assert one.base.prefix == "ua" or one.base in MODEL.types
        check(list(one.members))


def test_a_line_that_is_none_is_named() -> None:
    with pytest.raises(SimulatorError, match="model mt: not a line of a table: 'M Name'"):
        read_model(mt="type 1 OneType : ua:BaseObjectType\n  M Name")


@pytest.mark.parametrize(("signals", "per_message"), [(10, 10), (10, 40), (10, 5), (7, 7), (3, 2)])
def test_a_plan_leaves_nothing_out(signals: int, per_message: int) -> None:
    plan = Plan({number: 100 + number for number in range(signals)}, per_message=per_message, start_us=1_000_000, period_us=500)
    rows = []
    due = []
    while len(rows) < signals * 40:
        due.append(plan.due_us)
        count = plan.next_count()
        items = np.frombuffer(plan.take(), ITEM)
        assert len(items) == count <= per_message
        rows += [(int(item["handle"]), float(item["value"]), int(item["source"])) for item in items]
    assert due == sorted(due)
    for number in range(signals):
        own = [(value, source) for handle, value, source in rows if handle == 100 + number]
        assert own == [
            (tick + number * FRACTION, (1_000_000 + tick * 500) * 10 + 116_444_736_000_000_000) for tick in range(len(own))
        ]
        assert len(own) >= 40


@pytest.mark.parametrize("kind", sorted(MAPS))
def test_registers_come_back_and_hold_their_limits(kind: str) -> None:
    values = {cell.name: ("O1001" if cell.kind == "t" else 12.5 if cell.steps >= 10 else 120.0 if cell.steps else 3) for cell in MAPS[kind]}
    words = encode(MAPS[kind], values)
    assert len(words) == sum(cell.words for cell in MAPS[kind])
    assert decode(MAPS[kind], words) == values
    far = {name: 1e12 if isinstance(value, float) else value for name, value in values.items()}
    assert max(encode(MAPS[kind], far)) <= 0xFFFF


def test_agent_forgets_the_oldest_and_says_so() -> None:
    agent = Agent(["lathe-01"], 1)
    for number in range(BUFFER + 10):
        agent.observe("lathe-01", number, {ITEMS[4]: str(number)})
    rows, following = agent.sample("lathe-01", None, 100)
    assert (rows[0].sequence, len(rows), following) == (11, 100, 111)
    assert agent.sample("lathe-01", agent.next_sequence, 100) == ([], agent.next_sequence)
    for start in (10, agent.next_sequence + 1):
        with pytest.raises(OutOfRange):
            agent.sample(None, start, 1)
    assert agent.observe("lathe-01", 0, {ITEMS[4]: str(BUFFER + 9)}) == set()


def test_bd_seq_goes_on_after_a_restart_and_wraps(tmp_path: Path) -> None:
    path = tmp_path / "state" / "node.bdseq"
    first = BdSeq(path)
    assert [first.next() for _ in range(3)] == [0, 1, 2]
    again = BdSeq(path)
    assert [again.next() for _ in range(254)][-2:] == [255, 0]
    path.write_text("torn")
    assert BdSeq(path).next() == 0


def test_a_strange_command_asks_for_nothing() -> None:
    assert not asks_for_rebirth(b"\xff\xff")
    assert not asks_for_rebirth(b"")
