"""A small document, headings, paragraphs and tables, as Markdown or as one HTML page without scripts or anything fetched."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from html import escape

import msgspec

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#1c2430}"
    "table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{border:1px solid #ccd3dc;padding:.35rem .6rem;text-align:left;vertical-align:top}"
    "th{background:#eef1f5}td{overflow-wrap:anywhere}"
)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPECIAL = re.compile(r"([\\`\[\]|])")


class Heading(msgspec.Struct, frozen=True):
    """A heading of level 1 or 2."""

    level: int
    text: str


class Paragraph(msgspec.Struct, frozen=True):
    """Running text."""

    text: str


class Table(msgspec.Struct, frozen=True):
    """Rows of cells under a head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


Piece = Heading | Paragraph | Table


def markdown(pieces: Iterable[Piece]) -> str:
    """The document as Markdown; what somebody else wrote cannot make a cell, a heading or a tag of its own."""
    return "\n\n".join(_markdown(piece) for piece in pieces) + "\n"


def _markdown(piece: Piece) -> str:
    match piece:
        case Heading():
            return f"{'#' * piece.level} {_plain(piece.text)}"
        case Paragraph():
            return _plain(piece.text)
        case Table():
            rows = [piece.head, ["---"] * len(piece.head), *piece.rows]
            return "\n".join("| " + " | ".join(_plain(cell) for cell in row) + " |" for row in rows)


def printable(text: str) -> str:
    """The text with every character that a screen would obey instead of showing (control, direction, line ends) as its escape."""
    return "".join(c if c.isprintable() else " " if unicodedata.category(c) == "Zs" else c.encode("unicode_escape").decode("ascii") for c in text)


def _plain(text: str) -> str:
    """In Markdown only what could begin something is escaped: links, pictures, tags, cells, and the escape itself."""
    return _SPECIAL.sub(r"\\\1", printable(" ".join(text.split()))).replace("<", "&lt;")


def html(pieces: Sequence[Piece], language: str) -> str:
    """The document as one HTML page."""
    title = next((piece.text for piece in pieces if isinstance(piece, Heading)), "")
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join(_html(piece) for piece in pieces)
    return f'<!doctype html>\n<html lang="{language}"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _html(piece: Piece) -> str:
    match piece:
        case Heading():
            return f"<h{piece.level}>{escape(printable(piece.text))}</h{piece.level}>"
        case Paragraph():
            return f"<p>{escape(printable(piece.text))}</p>"
        case Table():
            rows = [f"<tr>{''.join(f'<th>{escape(printable(cell))}</th>' for cell in piece.head)}</tr>"]
            rows += [f"<tr>{''.join(f'<td>{escape(printable(cell))}</td>' for cell in row)}</tr>" for row in piece.rows]
            return f"<table>\n{chr(10).join(rows)}\n</table>"


def window_text(start_us: int, end_us: int) -> str:
    """Both ends of a window in ISO 8601, UTC."""
    texts = ((_EPOCH + timedelta(microseconds=time_us)).isoformat().replace("+00:00", "Z") for time_us in (start_us, end_us))
    return " – ".join(texts)
