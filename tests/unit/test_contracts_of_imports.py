"""Every import contract of pyproject.toml holds, and catches each kind of violation that it names, on a copy of the tree."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS: list[dict[str, Any]] = LINTER["contracts"]
THE_HOUSE = {"floors", "simulators-alone", "nobody-imports-simulators", "edge-is-small", "verdicts-are-pure", "evidence-alone"}


def violations(contract: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Imports (importer, imported) that the contract must refuse: every module that it names takes part in at least one."""
    if contract["type"] == "layers":
        layers = [[name.strip() for name in re.split(r"[|:]", layer)] for layer in contract["layers"]]
        for upper, lower in pairwise(layers):
            yield from ((importer, imported) for importer in lower for imported in upper)
        for siblings in layers:
            yield from ((importer, imported) for importer in siblings for imported in siblings if importer != imported)
    elif contract["type"] == "forbidden":
        sources, forbidden = contract["source_modules"], contract["forbidden_modules"]
        length = max(len(sources), len(forbidden))
        yield from (pair for pair, _ in zip(zip(cycle(sources), cycle(forbidden), strict=False), range(length), strict=False))
    else:
        pytest.fail(f"contract {contract['id']}: say here how a contract of type {contract['type']} is violated")


def file_of(tree: Path, module: str) -> Path:
    """The file of a module or package in the tree."""
    path = tree.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def lint(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs import-linter on the tree. The tree comes first on its path, so that the copy is read and not what is installed."""
    program = f"import sys; sys.path.insert(0, {str(tree)!r}); from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-logo", "--no-cache", *options], cwd=tree, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of our packages with pyproject.toml."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in LINTER["root_packages"]:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_contracts_of_the_house_are_there() -> None:
    assert {contract["id"] for contract in CONTRACTS} >= THE_HOUSE


def test_the_tree_keeps_every_contract(tree: Path) -> None:
    result = lint(tree)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract["id"])
def test_each_violation_of_a_contract_is_caught(tree: Path, contract: dict[str, Any]) -> None:
    wanted = list(violations(contract))
    assert wanted
    for importer, imported in wanted:
        with file_of(tree, importer).open("a") as file:
            file.write(f"\nimport {imported}\n")
    result = lint(tree, "--contract", contract["id"])
    assert result.returncode == 1, result.stdout + result.stderr
    said = " ".join(result.stdout.split())  # long names are wrapped, or run into the next word
    assert f"{contract['name']}BROKEN".replace(" ", "") in said.replace(" ", "")
    missed = [f"{importer} -> {imported}" for importer, imported in wanted if f"{importer} -> {imported} " not in said]
    assert missed == [], result.stdout
