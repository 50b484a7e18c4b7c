"""What a document says and what of it is looked for, made of one row of what there is.

Pure: the same row always gives the same document.

Of a mail only what its sender wrote is its text. What it quotes and its signature can be found by their words, last of
all, and are neither shown nor given to the model: the mail that is quoted is a document of its own.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.folding import folded
from ibhelm_pipelines.search import analysis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.search.analysis import Weight

VERSION = f"1 {analysis.VERSION}"
"""Of the code that makes documents. Raised when that changes, so that all are made again."""

BODY_CHARACTERS = 200_000
"""Of a text are kept: a hundred pages. Postgres numbers 16,383 words of a document, about as many as stand on them;
what comes after would be found neither as a phrase nor in its place. And memory has a bound, which texts have not."""

QUOTED_CHARACTERS = 20_000
"""Of quoted mails: what is quoted is a mail itself, as a rule."""

NAMES_CHARACTERS = 2_000
"""Of names, for trigrams: a path of its full length and what it belongs to; not all of a list of 500 recipients."""

COLUMNS = (
    "item_id", "title", "context", "body", "names", "words", "vocabulary", "text_key", "project_ids", "company_ids",
    "cost_groups", "location_ids", "person_ids", "document_type_id", "extension", "language", "content_hash",
    "occurred_at", "digest",
)  # fmt: skip
"""Of a document, as they are copied."""

_SAME = frozenset(COLUMNS) - {"title", "body", "names", "words", "vocabulary", "text_key"}
"""Columns that a document has as its row has them."""

UNTITLED = "(ohne Betreff)"

_WORD = re.compile(r"[^\W\d_]{4,}")
_EXTENSION = re.compile(r"\.\w{1,5}$")
_NAMES_OF_MACHINES = frozenset(
    {"scan", "scanned", "image", "bild", "foto", "photo", "picture", "dscn", "dscf", "imgp", "pict", "sdim", "gopr",
     "kopie", "copy", "unbenannt", "untitled", "screenshot", "bildschirmfoto", "whatsapp", "dokument", "document"}
)  # fmt: skip
"""Words that cameras, scanners and programs write in names."""


def compose(row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a document.

    Args:
        row: of a source in search_documents.sql.
    """
    body = row["body"] or ""
    fields: list[tuple[Weight, str]] = [
        ("A", row["title"]),
        ("B", row["context"]),
        *(("B", label) for label in dict.fromkeys(row["labels"])),
        ("C", body),
        ("D", row["quoted"] or ""),
    ]
    analysed = analysis.analyse([(weight, text) for weight, text in fields if text])
    made = {
        "title": row["title"] or UNTITLED,
        "body": body,
        "names": _names(row["title"], row["names"]),
        "words": analysed.tsvector,
        "vocabulary": sorted(analysed.words),
        "text_key": text_key(row["title"], body),
    }
    return {name: row[name] for name in _SAME} | made


def text_key(title: str, body: str) -> uuid.UUID | None:
    """Return by which key the parts of a text are kept: the same for all with the same title and text.

    None where neither has a meaning: no word of four letters, or only what cameras and scanners call their files.
    """
    if not (_WORD.search(body) or _says_something(title)):
        return None
    return uuid.UUID(bytes=hashlib.md5(f"{title}\0{body}".encode(), usedforsecurity=False).digest())


def _says_something(title: str) -> bool:
    stem = _EXTENSION.sub("", title)
    return any(folded(word) not in _NAMES_OF_MACHINES for word in _WORD.findall(stem))


def _names(title: str, names: Sequence[str]) -> str:
    return folded(" ".join(dict.fromkeys([title, *names])))[:NAMES_CHARACTERS]
