"""The table of control entries in docs/evidence-format.md names exactly the members that the code reads and writes, in their order."""

import re
from pathlib import Path

import msgspec
import pytest

from store.control_kinds import KINDS
from workshop.statements import AnswerStatement, Question, ResumeStatement, RotationStatement

PAGE = (Path(__file__).parents[2] / "docs/evidence-format.md").read_text(encoding="utf-8")
STATEMENTS = {"rotation": RotationStatement, "gap": ResumeStatement, "answer": AnswerStatement}


def row(kind: str) -> str:
    [found] = [line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` |")]
    return found


def members(text: str) -> list[str]:
    """Names at the top of a braced list."""
    while (bare := re.sub(r"\[[^\[\]]*\]|(?<=.)\{[^{}]*\}", "", text)) != text:
        text = bare
    return re.findall(r'"(\w+)"', text)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_row(kind: str) -> None:
    body = re.search(r"`(\{.*?\})`", row(kind))
    assert body is not None and members(body[1]) == [field.encode_name for field in msgspec.structs.fields(KINDS[kind])]


@pytest.mark.parametrize("kind", STATEMENTS)
def test_every_statement_has_its_members(kind: str) -> None:
    text = re.search(r"[Ss]tatement `(\{.*?\})`", row(kind))
    assert text is not None and set(members(text[1])) == {"v", *STATEMENTS[kind].__struct_encode_fields__}


def test_a_question_has_its_members() -> None:
    text = re.search(r'"question": (\{.*?\})', row("challenge"))
    assert text is not None and members(text[1]) == list(Question.__struct_encode_fields__)


def test_no_row_is_about_a_kind_that_there_is_not() -> None:
    table = PAGE.partition("| kind | body |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == set(KINDS)
