"""What the panel of one document shows: its facts, its text by pages, and what stands beside it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.search.query import parse
from ibhelm_pipelines.search.results import Link
from ibhelm_pipelines.search.snippets import highlighted
from ibhelm_pipelines.web.looks import Look, here, look_of, look_of_hit, name_of
from ibhelm_pipelines.web.templating import folder_address
from ibhelm_pipelines.wording import minute, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.search.query import Query
    from ibhelm_pipelines.search.results import Detail, DocumentKind, Hit, Neighbour
    from ibhelm_pipelines.web.wishes import Wish

    Parts = tuple[tuple[str, bool], ...]

SHOWN_CHARACTERS = 60_000
"""Of a text: some thirty pages; who wants more opens the document."""

SHOWN_INLINE = frozenset({"pdf", "png", "jpg", "jpeg", "gif", "webp", "avif", "bmp", "txt"})
"""What the gateway lets browsers show (web/headers.py)."""

_TARGETS = {
    "project": "Projekt",
    "document_type": "Dokumenttyp",
    "cost_group": "Kostengruppe",
    "location": "Ort",
}
_LANGUAGES = {"de": "Deutsch", "en": "Englisch", "fr": "Französisch", "it": "Italienisch", "nl": "Niederländisch"}
_MOMENTS: dict[DocumentKind, str] = {
    "file": "Geändert",
    "email": "Gesendet",
    "email_comment": "Geschrieben",
    "task": "Geändert",
    "task_comment": "Geschrieben",
}
_BESIDE: dict[DocumentKind, str] = {
    "file": "Im selben Ordner",
    "email": "In dieser Unterhaltung",
    "email_comment": "In dieser Unterhaltung",
    "task": "Zu dieser Aufgabe",
    "task_comment": "Zu dieser Aufgabe",
}
_VENDORS: dict[DocumentKind, str] = {
    "email": "Missive",
    "email_comment": "Missive",
    "task": "Teamwork",
    "task_comment": "Teamwork",
}


@dataclass(frozen=True, kw_only=True)
class Other:
    """Another document; address opens its details."""

    name: str
    look: Look
    occurred_at: dt.datetime
    address: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One document, as the panel shows it.

    Attributes:
        pages: number, where the text has several, and the text with the searched words marked.
        is_cut: whether the text goes on.
        permanent_address: of this document, whatever was searched for.
    """

    detail: Detail
    look: Look
    name: str
    title: Parts
    url: str | None
    folder_url: str | None
    is_shown_inline: bool
    vendor: str
    permanent_address: str
    facts: tuple[tuple[str, str], ...]
    links: tuple[Link, ...]
    pages: tuple[tuple[int | None, Parts], ...]
    is_cut: bool
    similar: tuple[Other, ...]
    neighbours_title: str
    neighbours: tuple[Other, ...]


def show(detail: Detail, similar: Sequence[Hit], wish: Wish, address: str) -> Shown:
    """Return what the panel shows of a document.

    Args:
        detail: all that there is to say.
        similar: documents like it.
        wish: whose words are marked in its text.
        address: of the gateway.
    """
    hit, query = detail.hit, parse(wish.text)
    url = here(hit.url, address)
    return Shown(
        detail=detail,
        look=look_of_hit(hit, address),
        name=name_of(hit.title),
        title=highlighted(name_of(hit.title), query),
        url=url,
        folder_url=folder_address(hit.folder_url),
        is_shown_inline=url is not None and hit.kind == "file" and hit.extension in SHOWN_INLINE,
        vendor=_VENDORS.get(hit.kind, ""),
        permanent_address=f"/?open={hit.document_id}",
        facts=tuple(_facts(detail)),
        links=tuple(
            Link(target=_TARGETS.get(each.target, each.target), label=each.label, because=each.because)
            for each in detail.links
        ),
        pages=tuple(_pages(detail.body, query)),
        is_cut=len(detail.body) > SHOWN_CHARACTERS,
        similar=tuple(_other(each, wish) for each in similar),
        neighbours_title=_BESIDE[hit.kind],
        neighbours=tuple(_other(each, wish) for each in detail.neighbours),
    )


def _facts(detail: Detail) -> Iterator[tuple[str, str]]:
    hit, linked = detail.hit, {link.target for link in detail.links}
    yield _MOMENTS[hit.kind], minute(hit.occurred_at)
    if detail.size_bytes is not None:
        yield "Größe", size(detail.size_bytes)
    if hit.projects and "project" not in linked:
        yield "Projekt", ", ".join(name for _, name in hit.projects)
    if hit.cost_groups and "cost_group" not in linked:
        yield "Kostengruppen", ", ".join(hit.cost_groups)
    if detail.language:
        yield "Sprache", _LANGUAGES.get(detail.language, detail.language)
    parts: dict[str, list[str]] = {}
    for name, part in detail.people:
        parts.setdefault(part, []).append(name)
    for part, names in parts.items():
        yield part[:1].upper() + part[1:], ", ".join(names)


def _pages(body: str, query: Query) -> Iterator[tuple[int | None, Parts]]:
    pages = body[:SHOWN_CHARACTERS].split("\f")
    has_pages = "\f" in body
    for number, text in enumerate(pages, start=1):
        if text.strip():
            yield (number if has_pages else None), highlighted(text.strip(), query)


def _other(document: Hit | Neighbour, wish: Wish) -> Other:
    return Other(
        name=name_of(document.title),
        look=look_of(document.kind, document.title.rpartition(".")[2]),
        occurred_at=document.occurred_at,
        address=wish.address(open_id=document.document_id),
    )
