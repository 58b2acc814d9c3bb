"""The OPC UA face beyond plain variables: companion models, users, alarms, history, reset of counters."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from simulators.clock import Clock
from simulators.face import Face, Stage
from simulators.faces import load_face
from simulators.machine import Event, ItemState, Values
from simulators.settings import Equipment, Server
from simulators.truth import TruthWriter, read_truth
from tests.integration.test_simulators import free_port

MACHINERY, MACHINE_TOOL = "http://opcfoundation.org/UA/Machinery/", "http://opcfoundation.org/UA/MachineTool/"
DI, ROBOTICS = "http://opcfoundation.org/UA/DI/", "http://opcfoundation.org/UA/Robotics/"


class Lathe:
    """A machine that does what the test says."""

    kind = "lathe"
    units = {"spindle_speed": "{rev}/min", "part_count": "{part}", "good_count": "{part}"}  # noqa: RUF012

    def __init__(self, equipment: str) -> None:
        self.equipment = equipment
        self.due_us = 0
        self.values: Values = {
            "item_state": 3, "operation_mode": 3, "program": "O2003", "spindle_speed": 2400.0, "feed_override": 95.0, "part_count": 41,
            "good_count": 40, "alarm": 0,
        }

    def scan(self, now_us: int) -> Values:
        return dict(self.values)

    def detail(self) -> Values:
        return {}

    def take_events(self) -> list[Event]:
        return []


class Arm(Lathe):
    kind = "robot"
    units = {"joint_speed": "deg/s"}  # noqa: RUF012

    def __init__(self, equipment: str) -> None:
        super().__init__(equipment)
        self.values = {"item_state": 3, "operation_mode": 3, "program": "HANDLING_1", "joint_speed": 80.0, "motor_temperature": 40.0, "alarm": 0}


class Stand:
    """A server with a lathe and a robot on it."""

    def __init__(self, face: Face, truth: TruthWriter, lathe: Lathe, url: str, folder: Path) -> None:
        self.face, self.truth, self.lathe, self.url, self.folder = face, truth, lathe, url, folder
        self.clock = Clock()

    async def offer(self, **changes: Any) -> None:
        self.lathe.values |= changes
        await self.face.offer(self.lathe, self.clock())

    async def client(self, **identity: str) -> Client:
        client = Client(self.url)
        if identity:
            client.application_uri = "urn:test"
            pki = self.folder / "pki"
            own = identity.pop("channel", "operator")
            client.application_uri = f"urn:chejian:simulators:cell:{own}"
            await client.set_security(
                SecurityPolicyBasic256Sha256, certificate=str(pki / f"{own}.cert.der"), private_key=str(pki / f"{own}.key.pem"),
            )
            if "user" in identity:
                client.set_user(identity["user"])
                client.set_password(identity.get("password") or (pki / f"{identity['user']}.password").read_text().strip())
        return client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("opcua")
    url = f"opc.tcp://127.0.0.1:{free_port()}/chejian/"
    block = Server(
        "cell", url, ["None", "Basic256Sha256"], [Equipment("lathe-01", "lathe", 15000), Equipment("robot-01", "robot", 4500, companion=True)],
        users={"operator": "user", "boss": "admin"}, pki=str(folder / "pki"),
    )
    lathe = Lathe("lathe-01")
    truth = TruthWriter(folder / "truth", "all")
    face = await load_face("opcua")(block, Stage([lathe, Arm("robot-01")], Clock(), truth, 1))
    yield Stand(face, truth, lathe, url, folder)
    await face.close()
    truth.close()


async def find(client: Client, *path: tuple[str, str]) -> Any:
    """The node at a path of (namespace URI, name) below Objects."""
    names = [f"{await client.get_namespace_index(uri)}:{name}" for uri, name in path]
    return await client.nodes.objects.get_child(names)


def tool(*names: str) -> list[tuple[str, str]]:
    return [(MACHINERY, "Machines"), ("urn:chejian:demo:cnc", "lathe-01"), *((MACHINE_TOOL, name) for name in names)]


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_machine_tool_is_found_through_machines_and_reads_as_the_specification_says(stand: Stand) -> None:
    async with await stand.client() as client:
        machines = client.get_node(ua.NodeId(1001, await client.get_namespace_index(MACHINERY)))
        kinds = {(await node.read_browse_name()).Name: await node.read_type_definition() for node in await machines.get_children()}
        assert kinds["lathe-01"] == ua.NodeId(13, await client.get_namespace_index(MACHINE_TOOL))
        assert kinds["robot-01"] == ua.NodeId(1002, await client.get_namespace_index(ROBOTICS))
        serial = await find(client, *tool(), (DI, "Identification"), (DI, "SerialNumber"))
        assert await serial.read_value() == "SIM-LATHE-01"
        mode = await find(client, *tool("Monitoring", "MachineTool", "OperationMode"))
        assert await mode.read_value() == 1
        assert await mode.read_data_type() == ua.NodeId(65, await client.get_namespace_index(MACHINE_TOOL))
        override = await find(client, *tool("Monitoring", "MachineTool", "FeedOverride"))
        assert await override.read_value() == 95.0
        assert (await (await override.get_child("0:EURange")).read_value()).High == 200.0
        assert (await (await override.get_child("0:EngineeringUnits")).read_value()).UnitId == int.from_bytes(b"P1", "big")
        assert await (await find(client, *tool("Production", "ActiveProgram", "Name"))).read_value() == "O2003"


async def test_item_state_is_told_by_id_number_and_text_and_follows_the_machine(stand: Stand) -> None:
    async with await stand.client() as client:
        index = await client.get_namespace_index(MACHINERY)
        blocks = [*tool(), (MACHINERY, "MachineryBuildingBlocks")]
        current = await (await find(client, *blocks, (MACHINERY, "MachineryItemState"))).get_child("0:CurrentState")
        for state, node in ((ItemState.EXECUTING, 5006), (ItemState.NOT_EXECUTING, 5007), (ItemState.EXECUTING, 5006)):
            await stand.offer(item_state=int(state))
            assert await (await current.get_child("0:Number")).read_value() == state
            assert await (await current.get_child("0:Id")).read_value() == ua.NodeId(node, index)
            text = (await current.read_value()).Text
            assert (await client.get_node(ua.NodeId(node, index)).read_browse_name()).Name == text


async def test_robot_is_a_motion_device_system(stand: Stand) -> None:
    async with await stand.client() as client:
        robot = [(MACHINERY, "Machines"), ("urn:chejian:demo:cnc", "robot-01")]
        arm = [*robot, (ROBOTICS, "MotionDevices"), ("urn:chejian:demo:cnc", "Arm")]
        assert await (await find(client, *arm, (ROBOTICS, "MotionDeviceCategory"))).read_value() == 1
        position = await find(client, *arm, (ROBOTICS, "Axes"), ("urn:chejian:demo:cnc", "Axis6"), (DI, "ParameterSet"), (ROBOTICS, "ActualPosition"))
        assert (await (await position.get_child("0:EngineeringUnits")).read_value()).UnitId == int.from_bytes(b"DD", "big")
        safety = [*robot, (ROBOTICS, "SafetyStates"), ("urn:chejian:demo:cnc", "Safety"), (DI, "ParameterSet")]
        stop = await find(client, *safety, (ROBOTICS, "ProtectiveStop"))
        assert await stop.read_value() is False


async def test_alarm_is_a_condition_event(stand: Stand) -> None:
    events: asyncio.Queue[Any] = asyncio.Queue()

    class Handler:
        def event_notification(self, event: Any) -> None:
            events.put_nowait(event)

    async with await stand.client() as client:
        subscription = await client.create_subscription(50, Handler())
        alert = client.get_node(ua.NodeId(39, await client.get_namespace_index(MACHINE_TOOL)))
        await subscription.subscribe_events(client.nodes.server, alert)
        await stand.offer(alarm=2034, item_state=1)
        await stand.offer(alarm=0, item_state=3)
        came, went = [await asyncio.wait_for(events.get(), 5) for _ in range(2)]
    assert (came.ErrorCode, came.SourceName, came.Retain, came.Severity) == ("2034", "lathe-01", True, 700)
    assert getattr(came, "ActiveState/Id") is True
    assert (getattr(went, "ActiveState/Id"), went.Retain, went.ErrorCode) == (False, False, "2034")


async def test_history_of_a_gauge(stand: Stand) -> None:
    async with await stand.client() as client:
        node = client.get_node(ua.NodeId("lathe-01.SpindleSpeed", await client.get_namespace_index("urn:chejian:demo:cnc")))
        before = datetime.now(UTC)
        for speed in (1000.0, 1001.0, 1002.0):
            await stand.offer(spindle_speed=speed)
        after = datetime.now(UTC) + timedelta(seconds=1)
        assert [value.Value.Value for value in await node.read_raw_history(before, after)] == [1000.0, 1001.0, 1002.0]
        assert [value.Value.Value for value in await node.read_raw_history(None, after, 2)] == [1002.0, 1001.0]
        assert ua.AccessLevel.HistoryRead in await node.get_access_level()


async def test_wrong_users_are_refused_and_right_ones_come_in(stand: Stand) -> None:
    for identity in ({"user": "operator"}, {"channel": "operator"}, {"user": "boss", "channel": "operator"}):
        async with await stand.client(**identity) as client:
            assert await client.get_namespace_index(MACHINERY) > 0
    for wrong in ({"user": "operator", "password": "guess"}, {"user": "nobody", "password": "x"}):
        with pytest.raises(ua.UaStatusCodeError):
            await (await stand.client(**wrong)).connect()


async def test_only_an_admin_resets_counters(stand: Stand) -> None:
    async def reset(client: Client) -> None:
        production = await find(client, *tool("Production"))
        await production.call_method(f"{await client.get_namespace_index('urn:chejian:demo:cnc')}:ResetCounters")

    for identity in ({}, {"user": "operator"}):
        async with await stand.client(**identity) as client:
            with pytest.raises(ua.UaStatusCodeError) as refused:
                await reset(client)
            assert refused.value.code == ua.StatusCodes.BadUserAccessDenied
    async with await stand.client(user="boss") as client:
        node = client.get_node(ua.NodeId("lathe-01.PartCount", await client.get_namespace_index("urn:chejian:demo:cnc")))
        assert await node.read_value() == 41
        await reset(client)
        await stand.offer()
        assert await node.read_value() == 0
        await stand.offer(part_count=44)
        assert await node.read_value() == 3
    stand.truth.flush()
    assert [event["event"] for event in read_truth((stand.folder / "truth").glob("*.jsonl")).events] == ["counters_reset"]


