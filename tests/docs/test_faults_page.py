"""docs/faults.md names tests that exist, and at least one for every class of fault."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
CLASSES = set(range(1, 26))
ELSEWHERE = {15}
"""Its tests are among those of backup and restore."""


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_class_has_a_test_named_after_it() -> None:
    rows = {int(number): tests for number, tests in re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", PAGE, re.M)}
    assert set(rows) == CLASSES
    for number, tests in rows.items():
        named = re.findall(r"::test_class_(\d+(?:_and_\d+)*)_", tests)
        assert number in ELSEWHERE or any(str(number) in name.split("_and_") for name in named), number


def test_what_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > len(CLASSES)
    for path, name in named:
        assert (ROOT / path).is_file(), path
        assert not name or name in functions(ROOT / path), f"{path}::{name}"
    benches = re.findall(r"python -m benchmarks\.(\w+)", PAGE)
    assert benches and all((ROOT / "benchmarks" / f"{name}.py").is_file() or (ROOT / "benchmarks" / name).is_dir() for name in benches)


def test_every_test_of_a_class_stands_on_the_page() -> None:
    there = {name for path in (ROOT / "tests/faults").glob("test_*.py") for name in functions(path) if name.startswith("test_class_")}
    assert there and not [name for name in there if name not in PAGE]
