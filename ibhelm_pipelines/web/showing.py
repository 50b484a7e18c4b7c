"""What the search page shows: results turned into lines, filters and sentences in German, each link with its address.

Invariant: nothing is decided in templates but how it looks; what is shown came from the search as it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.folding import folded
from ibhelm_pipelines.search.query import parse
from ibhelm_pipelines.web.looks import Look, here, look_of_hit, name_of, title_of
from ibhelm_pipelines.wording import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.search.query import Filter, Query
    from ibhelm_pipelines.search.results import FacetName, FacetValue, Hit, Results
    from ibhelm_pipelines.web.detail_view import Shown
    from ibhelm_pipelines.web.saved import SavedSearch
    from ibhelm_pipelines.web.wishes import Wish

FACETS: dict[FacetName, str] = {
    "project": "Projekt",
    "kind": "Art",
    "type": "Dokumenttyp",
    "cost_group": "Kostengruppe",
    "year": "Jahr",
    "person": "Person",
    "company": "Firma",
    "place": "Ort",
    "extension": "Endung",
}
"""In the order of the page."""

EXAMPLES = (
    ("Brandschutzklappe Lindenhof", "beide Wörter, in jeder Form; auch, was dasselbe meint"),
    ('"DN 50" Heizkreis', "in Anführungszeichen: genau diese Folge"),
    ("Lüfter OR Ventilator", "eines von beiden"),
    ("Angebot -Rechnung", "mit dem ersten, ohne das zweite"),
    ("projekt:2301 kg:430", "in einem Projekt, in einer Kostengruppe samt ihren Untergruppen"),
    ("typ:plan seit:2024", "Dokumenttyp, ab einem Jahr oder Tag (auch bis: und jahr:)"),
    ("von:schneider art:mail", "von einer Person; nur Mails (auch Datei, Aufgabe, Kommentar)"),
)


@dataclass(frozen=True, kw_only=True)
class ShownSnippet:
    """A passage; address opens the file at its page."""

    page: int | None
    parts: tuple[tuple[str, bool], ...]
    address: str | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A hit with all that the page says about it; address opens its details."""

    hit: Hit
    look: Look
    name: str
    title: tuple[tuple[str, bool], ...]
    address: str
    snippets: tuple[ShownSnippet, ...]


@dataclass(frozen=True, kw_only=True)
class ShownValue:
    """A value of a facet; address adds it to the query, or takes it away."""

    id: str
    label: str
    count: int
    address: str
    is_chosen: bool


@dataclass(frozen=True, kw_only=True)
class ShownFacet:
    """A facet with its values."""

    title: str
    values: tuple[ShownValue, ...]


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A filter that was chosen; address takes it away."""

    id: str
    label: str
    address: str


class SearchPage:
    """All that the templates show.

    Args:
        wish: what was asked for.
        results: None where nothing was searched for.
        saved: searches that the office keeps.
        shown: the document whose details are open.
        address: of the gateway, which links to previews begin with.
    """

    examples = EXAMPLES

    def __init__(
        self, wish: Wish, results: Results | None, *, saved: Sequence[SavedSearch], shown: Shown | None, address: str
    ) -> None:
        self.wish, self.results, self.saved, self.shown = wish, results, saved, shown
        self.heading = f"{wish.text} – IBHelm" if wish.text else "IBHelm"
        self.count = "" if results is None else count_sentence(results)
        self.seconds = "" if results is None else f"{results.took_ms:.0f} ms"
        query = parse(wish.text)
        self.plain = query.plain
        self.rows = () if results is None else tuple(_row(hit, wish, address) for hit in results.hits)
        self.next_address = wish.address(after=results.cursor) if results and results.cursor else None
        facets = {} if results is None else results.facets
        self.facets = tuple(_facets(facets, wish, query))
        self.chips = tuple(_chips(facets, wish, query))


def count_sentence(results: Results) -> str:
    """Return how many documents were found, as people say it."""
    if results.is_capped:
        return f"über {number(results.total)} Treffer"
    return f"{number(results.total)} Treffer" if results.total else "Keine Treffer"


def _row(hit: Hit, wish: Wish, address: str) -> Row:
    url = here(hit.url, address) if hit.extension == "pdf" else None
    return Row(
        hit=hit,
        look=look_of_hit(hit, address),
        name=name_of(hit.title),
        title=title_of(hit),
        address=wish.address(open_id=hit.document_id),
        snippets=tuple(
            ShownSnippet(page=each.page, parts=each.parts, address=f"{url}#page={each.page}" if url else None)
            for each in hit.snippets
        ),
    )


def _facets(facets: dict[FacetName, tuple[FacetValue, ...]], wish: Wish, query: Query) -> Iterator[ShownFacet]:
    for name, title in FACETS.items():
        if values := facets.get(name):
            yield ShownFacet(title=title, values=tuple(_value(value, wish, query) for value in values))


def _value(value: FacetValue, wish: Wish, query: Query) -> ShownValue:
    chosen = _chosen_by(value.term, query) if value.is_chosen else []
    return ShownValue(
        id=_id("f", value.term),
        label=value.label,
        count=value.count,
        address=wish.without(query, *chosen) if chosen else wish.with_term(value.term),
        is_chosen=value.is_chosen,
    )


def _chosen_by(term: str, query: Query) -> list[Filter]:
    """Return the filters by which a facet's value was chosen: those that say the same, else all of that field."""
    asked = parse(term).filters
    alike = [each for each in query.filters if any(each.field == one.field for one in asked)]
    return [each for each in alike if any(_same(each.value, one.value) for one in asked)] or alike


def _same(one: str, other: str) -> bool:
    return folded(one) == folded(other)


def _chips(facets: dict[FacetName, tuple[FacetValue, ...]], wish: Wish, query: Query) -> Iterator[Chip]:
    names = {
        (each.field, folded(each.value)): f"{FACETS[name]}: {value.label}"
        for name, values in facets.items()
        for value in values
        if value.is_chosen
        for each in parse(value.term).filters
    }
    for each in query.filters:
        typed = query.text[each.start : each.end].lstrip("-")
        label = names.get((each.field, folded(each.value))) or typed.replace(":", ": ", 1).replace('"', "")
        label = f"nicht {label}" if each.is_excluded else label
        yield Chip(id=_id("c", f"{each.start}{typed}"), label=label, address=wish.without(query, each))


def _id(kind: str, text: str) -> str:
    """Return an id that stays with its link, so that the focus does when the page fills itself anew."""
    return f"{kind}-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:10]}"
