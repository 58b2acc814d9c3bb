"""Settings of the standard faces: what is refused, and in which words."""

from pathlib import Path

import pytest

from simulators.errors import SimulatorError
from simulators.settings import load_settings

INTEROP = Path(__file__).parents[3] / "config" / "interop" / "simulators.toml"
MACHINE = 'equipment = [{ id = "cnc-01", kind = "lathe", rated_power_w = 1000 }]'
SERVER = f'seed = 1\n[[server]]\nname = "cell"\nurl = "opc.tcp://127.0.0.1:4840/"\n{MACHINE}\n'
LOAD = 'seed = 1\n[[load]]\nname = "load"\nurl = "opc.tcp://127.0.0.1:4840/"\n'


def test_interop_file_has_every_face_but_plain_mqtt() -> None:
    settings = load_settings(INTEROP)
    assert sorted({block.face for block in settings.blocks()}) == ["load", "modbus", "mtconnect", "opcua", "sparkplug"]
    assert set(settings.server[0].users.values()) == {"user", "admin"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SERVER + 'security = ["Basic128Rsa15"]', ["Basic128Rsa15", "security"]),
        (SERVER + "security = []", ["security"]),
        (SERVER + 'security = "None"\nusers = { boss = "admin" }', ["cell", "users need a policy besides None"]),
        (SERVER + 'security = ["None"]\nusers = { boss = "admin" }', ["cell", "users need a policy besides None"]),
        (SERVER + 'security = "None"\nanonymous = false', ["cell", "nobody could come in"]),
        (SERVER + 'security = ["Basic256Sha256"]\nusers = { boss = "king" }', ["king", "users"]),
        (LOAD + "signals = 10\nvalues_per_message = 4", ["load", "multiple"]),
        (LOAD + MACHINE, ["equipment"]),
        (LOAD.replace("opc.tcp", "http"), ["load", "opc.tcp://"]),
        (f'seed = 1\n[[edge_node]]\nname = "n"\nhost = "h"\nport = 1883\ngroup = "a/b"\n{MACHINE}', ["group"]),
        (f'seed = 1\n[[edge_node]]\nname = "n"\nhost = "h"\nport = 1883\nbroker = "x"\n{MACHINE}', ["unknown key `broker`", "primary_host"]),
        (f'seed = 1\n[[device]]\nname = "n"\nhost = "h"\nport = 0\nface = "modbus"\n{MACHINE}', ["port"]),
    ],
)
def test_mistakes_are_said_in_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "simulators.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SimulatorError) as caught:
        load_settings(path)
    said = str(caught.value)
    assert "\n" not in said
    assert [word for word in words if word not in said] == [], said
