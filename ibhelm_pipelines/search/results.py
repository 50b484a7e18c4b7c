"""What a search gives back; the same for the command, the web page, the JSON API and the MCP server."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal

DocumentKind = Literal["file", "email", "email_comment", "task", "task_comment"]
Lane = Literal["words", "names", "vectors"]
FacetName = Literal["project", "kind", "type", "cost_group", "extension", "person", "company", "place", "year"]


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """A passage of a document's text.

    Attributes:
        page: of the document, from 1; None where it has no pages.
        parts: text, and whether it is what was searched for; never HTML.
    """

    page: int | None
    parts: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One document that was found.

    Attributes:
        document_id: of search.documents.
        item_id: of the table of its kind in public.
        title: as in search.documents, and where of it the searched words stand.
        context: the folder of a file, sender of a mail, project and list of a task.
        projects: id and name of those it belongs to.
        document_type: German name, such as Angebot; None where nothing decided.
        cost_groups: label such as `434 Kälteanlagen`.
        preview_url: signed link to a picture; None where there is none.
        url: where to open it: download of a file, task in Teamwork, conversation in Missive.
        folder_url: `smb://` link that opens a file's folder (IBHELM_NAS_URL); None of all else.
        score: what it was ranked by; comparable within one search only.
        ranks: place in each lane that found it, from 1.
        because: why it is here, in German, for people.
    """

    document_id: int
    kind: DocumentKind
    item_id: int
    title: str
    title_parts: tuple[tuple[str, bool], ...]
    context: str
    occurred_at: dt.datetime
    extension: str | None
    projects: tuple[tuple[int, str], ...]
    document_type: str | None
    cost_groups: tuple[str, ...]
    preview_url: str | None
    url: str | None
    folder_url: str | None
    snippets: tuple[Snippet, ...]
    score: float
    ranks: dict[Lane, int]
    because: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FacetValue:
    """One value that hits have: what it is called, how many have it, and what to add to the query to ask for it.

    Attributes:
        term: such as `projekt:2301`; add it to the query, or take it away where it is chosen.
    """

    label: str
    count: int
    term: str
    is_chosen: bool


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a search found.

    Attributes:
        text: the query as it was typed.
        total: how many documents there are in all; at least so many where `is_capped`.
        cursor: for the next page; None on the last one.
        suggestion: another spelling of the whole query that finds more; None where there is none.
        problems: what of the query was not understood, in German, for people.
        without_vectors: why meaning was not searched, in German; None where it was.
    """

    text: str
    hits: tuple[Hit, ...]
    total: int
    is_capped: bool
    facets: dict[FacetName, tuple[FacetValue, ...]] = field(default_factory=dict)
    cursor: str | None
    suggestion: str | None
    problems: tuple[str, ...]
    without_vectors: str | None
    took_ms: float


@dataclass(frozen=True, kw_only=True)
class Version:
    """What a file was at a time; `until` is None of what it is now."""

    path: str
    size_bytes: int | None
    since: dt.datetime
    until: dt.datetime | None


@dataclass(frozen=True, kw_only=True)
class Link:
    """What an item belongs to, and why.

    Attributes:
        target: project, document_type, cost_group or location.
        because: the rule that decided, in the office's words.
    """

    target: str
    label: str
    because: str


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """Another document beside it: of the same folder, conversation or task."""

    document_id: int
    kind: DocumentKind
    title: str
    occurred_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Detail:
    """All that there is to say about one document.

    Attributes:
        hit: as a search would show it, without snippets.
        body: its text, capped, with form feeds between pages.
        size_bytes: of a file.
        people: name and part (writer, recipient, assignee, owner), in German.
        copies: paths of other live files with the same content.
        neighbours: newest first, at most 50.
    """

    hit: Hit
    body: str
    size_bytes: int | None
    language: str | None
    people: tuple[tuple[str, str], ...]
    versions: tuple[Version, ...]
    links: tuple[Link, ...]
    copies: tuple[str, ...]
    neighbours: tuple[Neighbour, ...]
