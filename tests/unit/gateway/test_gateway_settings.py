"""gateway.toml: defaults, places, and messages that name file and key."""

from pathlib import Path

import pytest

from gateway.settings import load_gateway, parse_gateway
from workshop.errors import ConfigError

FILE = Path("/etc/line/gateway.toml")


def test_register_and_claims_lie_beside_the_file_and_data_in_the_working_directory() -> None:
    settings = parse_gateway('register = "workshop.toml"\nclaims = "c.toml"\n', FILE)
    assert (settings.register, settings.claims, settings.data, settings.port) == ("/etc/line/workshop.toml", "/etc/line/c.toml", "run/gateway", 8410)
    assert settings.embedded_file() == Path("run/gateway/engine.duckdb")
    assert parse_gateway('register = "/a/w.toml"', FILE).register == "/a/w.toml"
    assert parse_gateway('register = "w.toml"\n[engine]\nname = "duckdb"\npath = "/x/e.duckdb"', FILE).embedded_file() == Path("/x/e.duckdb")


@pytest.mark.parametrize(("text", "message"), [
    ("prot = 1\nregister = \"w\"", r"gateway\.toml: .*`prot`.*there are register, data"),
    ("port = \"x\"\nregister = \"w\"", r"gateway\.toml: .*port"),
    ("port = 70000\nregister = \"w\"", r"port = 70000 must be between 0 and 65535"),
    ("port = 1", r"`register`"),
    ("register = \"w\"\n[engine]\npath = \"x\"", r"\[engine\] lacks the key 'name'"),
    ("register = \"w\"\n[engine]\nname = \"gateway\"", r"only reads"),
    ("register = ", r"gateway\.toml: "),
])
def test_a_wrong_file_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_gateway(text, FILE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml: cannot be read"):
        load_gateway(tmp_path / "nothing.toml")


def test_the_demo_s_own_file_is_read() -> None:
    settings = load_gateway(Path("config/demo/gateway.toml"))
    assert settings.port == 8410 and Path(settings.register).is_file()


def test_an_unknown_engine_lists_those_there_are() -> None:
    settings = parse_gateway('register = "w"\n[engine]\nname = "influx"', FILE)
    with pytest.raises(ConfigError, match=r"no engine 'influx'; there are .*duckdb"):
        settings.open_engine()
