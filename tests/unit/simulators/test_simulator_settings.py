"""simulators.toml: every mistake gives one line with file and key."""

from pathlib import Path

import pytest

from simulators.errors import SimulatorError
from simulators.faces import face_names, load_face
from simulators.settings import load_settings, server_address

DEMO = Path(__file__).parents[3] / "config" / "demo" / "simulators.toml"

GOOD = """
seed = 1
[[server]]
name = "cell"
url = "opc.tcp://127.0.0.1:4840/chejian/"
security = "None"
equipment = [{ id = "cnc-01", kind = "machining_centre", rated_power_w = 1000 }]
"""


def refusal(folder: Path, text: str) -> str:
    path = folder / "simulators.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SimulatorError) as caught:
        load_settings(path)
    assert caught.value.exit_code == 2
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said


def test_demo_file_is_right() -> None:
    settings = load_settings(DEMO)
    assert [block.name for block in settings.server] == ["cell", "cnc-05"]
    assert [block.name for block in settings.broker] == ["broker"]
    assert settings.server[0].link is None
    link = settings.server[1].link
    assert link is not None
    assert link.down_s / link.period_s == 0.2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("security", "secrecy"), ["unknown key `secrecy`", "server[", "security"]),
        (("kind =", "sort ="), ["unknown key `sort`", "equipment[", "ideal_cycle_ms"]),
        (("seed = 1", ""), ["missing key `seed`", "broker", "seed", "server"]),
        (("machining_centre", "milling_machine"), ["milling_machine", "kind"]),
        (('"None"', '"Sign"'), ["Sign", "security"]),
        (("rated_power_w = 1000", "rated_power_w = 0"), ["rated_power_w"]),
        (("rated_power_w = 1000", "rated_power_w = 1000, scrap_probability = nan"), ["scrap_probability"]),
        (("rated_power_w = 1000", "rated_power_w = 1000, stop_every_s = inf"), ["stop_every_s"]),
        (('id = "cnc-01"', 'id = "CNC 1"'), ["id"]),
        (("opc.tcp://127.0.0.1:4840/chejian/", "http://127.0.0.1/"), ["cell", "opc.tcp://"]),
        (("opc.tcp://127.0.0.1:4840/chejian/", "opc.tcp://127.0.0.1:99999/"), ["cell", "opc.tcp://"]),
        (('security = "None"', 'security = "None"\nlink = { period_s = 4, down_s = 4, first_s = 1 }'), ["down_s", "period_s"]),
        (("seed = 1", "seed = "), ["not TOML"]),
    ],
)
def test_mistakes_name_file_and_key(tmp_path: Path, change: tuple[str, str], words: list[str]) -> None:
    said = refusal(tmp_path, GOOD.replace(*change))
    assert all(word in said for word in words), said


def test_same_equipment_twice_is_refused(tmp_path: Path) -> None:
    other = GOOD.replace("seed = 1", "").replace('"cell"', '"other"').replace("4840", "4841")
    assert "'cnc-01' appears twice" in refusal(tmp_path, GOOD + other)


def test_same_name_twice_is_refused(tmp_path: Path) -> None:
    other = GOOD.replace("seed = 1", "").replace("cnc-01", "cnc-02")
    assert "'cell'" in refusal(tmp_path, GOOD + other)


def test_nothing_to_simulate_is_refused(tmp_path: Path) -> None:
    assert "nothing would be simulated" in refusal(tmp_path, "seed = 1\n")
    assert "equipment" in refusal(tmp_path, GOOD.split("equipment =", maxsplit=1)[0] + "equipment = []\n")


def test_missing_file_and_foreign_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="cannot be read"):
        load_settings(tmp_path / "absent.toml")
    (tmp_path / "bytes.toml").write_bytes(b"seed = 1 \xff")
    with pytest.raises(SimulatorError, match="is not TOML"):
        load_settings(tmp_path / "bytes.toml")


def test_addresses() -> None:
    assert server_address("opc.tcp://127.0.0.1:4840/chejian/") == ("127.0.0.1", 4840)
    assert server_address("opc.tcp://[::1]:4841") == ("::1", 4841)
    for wrong in ("", "opc.tcp://host/", "http://host:1/", "opc.tcp://:4840/"):
        with pytest.raises(ValueError, match=r".*"):
            server_address(wrong)


def test_every_face_exports_one_name_and_an_unknown_one_lists_them() -> None:
    assert face_names() == ["load", "modbus", "mqtt", "mtconnect", "opcua", "sparkplug"]
    for name in face_names():
        assert callable(load_face(name))
    with pytest.raises(SimulatorError, match="there are load, modbus, mqtt, mtconnect, opcua, sparkplug"):
        load_face("profinet")
