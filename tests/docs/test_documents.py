"""What the documents say exists: commands, options, targets, links, settings; and both READMEs say the same."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from edge.config import check_edge, load_edge
from workshop.register_file import parse_register

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
CHEJIAN = Path(sys.executable).with_name("chejian")
OTHERS = {"curl", "docker", "python3", "venv/bin/pip"}
"""Programs of other people that the documents call; what they are told is checked elsewhere or is theirs."""


def blocks(document: Path, *languages: str) -> list[str]:
    """The contents of the fenced blocks in these languages; fences may be indented in a list."""
    found = re.findall(r"^[ ]*```(\w+)\n(.*?)^[ ]*```", document.read_text(), re.MULTILINE | re.DOTALL)
    return [content for language, content in found if language in languages]


def commands() -> list[list[str]]:
    """Every command in the documents as words; in a console block only what follows a `$`."""
    lines: list[str] = []
    for document in DOCUMENTS:
        for content in blocks(document, "bash"):
            lines += content.replace("\\\n", " ").splitlines()
        for content in blocks(document, "console"):
            lines += [line.strip()[2:] for line in content.replace("\\\n", " ").splitlines() if line.strip().startswith("$ ")]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


COMMANDS = commands()


def spoken_to(words: list[str]) -> tuple[str, ...]:
    """The subcommand of a `chejian` line: the words before the first file, value or option."""
    return tuple(word for word, _ in zip(words[1:], range(2), strict=False) if re.fullmatch(r"[a-z]+(-[a-z]+)*", word))


@cache
def help_of(subcommand: tuple[str, ...]) -> str:
    """The help text of a subcommand; fails the test when there is none."""
    result = subprocess.run(
        [CHEJIAN, *subcommand, "--help"], capture_output=True, text=True, check=False, timeout=60,
        env={"COLUMNS": "200", "TERM": "dumb", "LANG": "C.UTF-8"},
    )
    assert result.returncode == 0, f"chejian {' '.join(subcommand)} --help: {result.stdout}{result.stderr}"
    return result.stdout


def check_chejian(words: list[str]) -> None:
    subcommand = spoken_to(words)
    text = help_of(subcommand)
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{re.escape(option)}\b", text), f"{' '.join(words)}: no option {option}"


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "chejian"], ids=" ".join)
def test_each_chejian_command_in_the_documents_exists(words: list[str]) -> None:
    check_chejian(words)


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] != "chejian"], ids=" ".join)
def test_each_other_command_in_the_documents_exists(words: list[str]) -> None:
    if words[0] != "make":
        assert words[0] in OTHERS
        return
    target, variables = words[1], dict(word.split("=", 1) for word in words[2:])
    assert target in make_targets()
    assert set(variables) <= {"ARGS", "PYTEST_ARGS", "PYTHON"}
    if target == "demo":
        check_chejian(["chejian", "demo", *shlex.split(variables.get("ARGS", ""))])


@pytest.mark.parametrize("page", sorted((ROOT / "docs/how-to").glob("*.md")), ids=lambda page: page.stem)
def test_paths_of_the_api_in_the_pages_exist(page: Path) -> None:
    routes = "\n".join(file.read_text() for file in (ROOT / "gateway/api").glob("*.py"))
    for path in re.findall(r"http://127\.0\.0\.1:8410(/v1/[a-z/]+)", page.read_text()):
        assert f'"{path}"' in routes


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_relative_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert missing == []


def test_both_readmes_have_the_same_parts() -> None:
    english, chinese = (readme.read_text() for readme in READMES)
    for pattern in (r"^#+ ", r"^\| ", r"^[0-9]\. "):
        assert len(re.findall(pattern, english, re.MULTILINE)) == len(re.findall(pattern, chinese, re.MULTILINE)), pattern
    assert blocks(READMES[0], "bash") == blocks(READMES[1], "bash")


def test_every_page_is_reachable_from_a_readme() -> None:
    reachable, waiting = set(), list(READMES)
    while waiting:
        document = waiting.pop()
        if document in reachable or not document.exists():
            continue
        reachable.add(document)
        waiting += [(document.parent / link).resolve() for link in re.findall(r"\]\(([^)#\s:]+\.md)\)", document.read_text())]
    assert [str(page.relative_to(ROOT)) for page in DOCUMENTS if page not in reachable and page.parent.name == "how-to"] == []


def test_the_configuration_in_the_how_to_pages_is_accepted() -> None:
    register = parse_register((ROOT / "config/demo/workshop.toml").read_bytes(), "workshop.toml")
    names = ("an-opcua-machine", "an-mqtt-machine", "a-sparkplug-node", "a-modbus-device", "an-mtconnect-agent")
    pages = [ROOT / f"docs/how-to/connect-{name}.md" for name in names] + [ROOT / "docs/how-to/read-files-from-a-folder.md"]
    opcua, *others = ("\n".join(blocks(page, "toml")) for page in pages)
    for text in (opcua, *(opcua.partition("[[source]]")[0] + other for other in others)):
        settings = load_edge(text, "edge-1.toml")
        check_edge(settings, register, "edge-1.toml")


def test_every_how_to_page_stands_in_their_index() -> None:
    folder = ROOT / "docs" / "how-to"
    named = set(re.findall(r"\(([a-z0-9-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))
    assert named == {page.name for page in folder.glob("*.md")} - {"README.md"}
