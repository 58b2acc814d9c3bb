"""docs/fault-classes.md: every class has tests, every test that it names exists, and no test of a class is missing from it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = re.findall(r"^\| (\d+) (\|.*)$", (ROOT / "docs" / "fault-classes.md").read_text(), re.MULTILINE)
ROWS = {int(number): re.findall(r"`([\w/]+\.py)::(\w+)`", rest) for number, rest in TABLE}


def functions_of(file: Path) -> set[str]:
    nodes = ast.walk(ast.parse(file.read_text()))
    return {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")}


def test_every_class_has_tests_that_exist() -> None:
    assert list(ROWS) == list(range(1, 26))
    for number, named in ROWS.items():
        assert named, f"class {number} has no test"
        assert [name for file, name in named if name not in functions_of(ROOT / "tests" / file)] == []


def test_no_test_of_a_class_is_missing() -> None:
    for file in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        for name in functions_of(file):
            for number in re.findall(r"(?:class|and)_(\d+)", name):
                assert (f"faults/{file.name}", name) in ROWS[int(number)], f"class {number}: {name}"
