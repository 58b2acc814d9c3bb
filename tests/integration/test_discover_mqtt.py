"""discover at a broker: JSON of the makers' own, and Sparkplug births that have to be asked for; the proposal runs as it stands."""

from pathlib import Path

import pytest

from simulators.settings import Broker, EdgeNode, Equipment, Settings
from tests.integration.test_discover import accept, chejian, collect, plant
from tests.integration.test_simulators import Mosquitto, mosquitto, running

__all__ = ["mosquitto"]
pytestmark = pytest.mark.long
ROBOT = {"item_state", "operation_mode", "program", "cycle_count", "active_power", "energy_import", "alarm", "motor_temperature"}


async def test_json_and_sparkplug_at_one_broker(mosquitto: Mosquitto, tmp_path: Path) -> None:
    folder = plant(tmp_path)
    json = [Equipment(name, "robot", 4500, period_ms=100, ideal_cycle_ms=600) for name in ("robot-01", "robot-07")]
    node = [Equipment(name, "robot", 4500, period_ms=100, ideal_cycle_ms=600) for name in ("arm-02", "arm-03")]
    blocks = Settings(
        5, broker=[Broker("broker", "127.0.0.1", mosquitto.port, json)],
        edge_node=[EdgeNode("cell-2", "127.0.0.1", mosquitto.port, node, state=str(tmp_path / "state"))],
    )
    url = f"mqtt://127.0.0.1:{mosquitto.port}"
    async with running(blocks, tmp_path / "truth"):
        said = await accept(folder, url)
        assert "robot-01 (machine, in the register)" in said and "robot-07 (machine, not in the register yet)" in said
        text = (folder / "edge.toml").read_text()
        assert 'sequence = "seq"' in text and 'time_format = "ms"' in text and 'link = "chejian/{equipment}/link"' in text
        wanted = dict.fromkeys(("robot-01", "robot-07", "arm-02", "arm-03"), ROBOT)
        found = await collect(folder, wanted)
        again = await chejian("edge", "discover", url, "edge.toml", "--listen-s", "1.5", folder=folder)
        assert again[0] == 0 and "nothing new" in again[1], again
    assert {name: roles - set(found.get(name, {})) for name, roles in wanted.items()} == {name: set() for name in wanted}
    assert found["arm-02"]["item_state"] in (0, 1, 2, 3) and isinstance(found["robot-07"]["program"], str)


async def test_an_empty_broker_and_no_broker(mosquitto: Mosquitto, tmp_path: Path) -> None:
    folder = plant(tmp_path)
    code, said, notes = await chejian("edge", "discover", f"mqtt://127.0.0.1:{mosquitto.port}", "edge.toml", "--listen-s", "0.5", folder=folder)
    assert code == 1 and "by hand" in said and "heard in 0.5 s: nothing" in notes
    code, _, wrong = await chejian("edge", "discover", "mqtt://127.0.0.1:9", "edge.toml", folder=folder)
    assert code == 3 and "mqtt://127.0.0.1:9" in wrong and "Traceback" not in wrong
