"""Packs shipped with this program, read from the package data of `policies`."""

from functools import cache
from importlib import resources

from evidence.clauses import run_case
from evidence.policy import Pack, parse_pack
from workshop.errors import ConfigError


def pack_names() -> list[str]:
    """The folders of `policies/` that hold a pack, sorted."""
    return sorted(item.name for item in resources.files("policies").iterdir() if item.is_dir() and item.joinpath("pack.toml").is_file())


@cache
def load_pack(name: str) -> Pack:
    """The shipped pack with this name, its worked cases run.

    Raises:
        ConfigError: no such pack (the message lists those there are), a pack that `check_pack` refuses, or one of whose cases comes out otherwise.
    """
    if name not in pack_names():
        raise ConfigError(f"no policy pack '{name}'; there are {', '.join(pack_names()) or 'none'}")
    folder = resources.files("policies").joinpath(name)
    cases = folder.joinpath("cases.toml")
    pack = parse_pack(folder.joinpath("pack.toml").read_bytes(), cases.read_bytes() if cases.is_file() else b"", name)
    check_cases(pack)
    return pack


def load_packs() -> dict[str, Pack]:
    """All shipped packs by id."""
    return {name: load_pack(name) for name in pack_names()}


def check_cases(pack: Pack) -> None:
    """Runs every worked case of the pack.

    Raises:
        ConfigError: a case that comes out otherwise than the pack says.
    """
    for case in pack.cases:
        finding = run_case(pack, case)
        if finding.outcome != case.expect:
            raise ConfigError(f"pack '{pack.id}': case '{case.name}': expected {case.expect}, got {finding.outcome} ({finding.reason})")
