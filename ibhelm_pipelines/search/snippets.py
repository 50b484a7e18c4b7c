"""Passages of a document that show why it was found, and which words of a text are those that were searched for.

Texts come as they are: no character is lost or added, but blanks, line ends and page marks become one blank each.
Never HTML: who shows a passage escapes it.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ibhelm_pipelines.search.analysis import Token, places, tokens
from ibhelm_pipelines.search.query import Alternative, Phrase, Query, Word
from ibhelm_pipelines.search.results import Snippet

PAGE_MARK = "\f"
MAX_CANDIDATES = 4_000
"""Places of a body that are looked at: enough for the best ones, few enough for a body full of one word."""
MAX_WINDOWS = 12
MAX_WORD_CHARS = 100
"""A word is not cut, unless it is longer."""

_BLANKS = re.compile(r"\s+")
_NUMBER = re.compile(r"\d[\d.-]*")
_BETWEEN = re.compile(r"[-\u2010\u2011]?\s?|[_./ ]")

Parts = tuple[tuple[str, bool], ...]


class _Place(NamedTuple):
    """Where a word stands that may be one of those searched for; `keys` say which."""

    start: int
    end: int
    keys: frozenset[tuple[int, int]]


class _Window(NamedTuple):
    start: int
    end: int
    held: int


def highlighted(text: str, query: Query) -> Parts:
    """Part a text into what was searched for and the rest; a word is marked whole where a part of it was searched."""
    found = list(tokens(text))
    spans = _spans(text, found, _alternatives(query)) or _spans(text, found, _single_words(query))
    return tuple(_parts(text, spans))


def snippets(
    body: str,
    query: Query,
    *,
    start: int | None = None,
    length: int | None = None,
    most: int = 2,
    characters: int = 240,
) -> tuple[Snippet, ...]:
    """Return the passages that hold most of what was searched for, best ones first.

    Where none does: the beginning of the chunk that was found by its meaning, or of the body.
    """
    found: list[Snippet] = []
    taken: list[tuple[int, int]] = []
    for window in _best(body, query, characters):
        span = _passage(body, window.start, window.end, characters)
        if len(found) < most and not any(span[0] < end and first < span[1] for first, end in taken):
            taken.append(span)
            found.append(_snippet(body, span, query))
    if found or not body.strip():
        return tuple(found)
    at = min(start or 0, len(body) - 1)
    until = len(body) if length is None else at + length
    return (_snippet(body, _beginning(body, at, until, characters), query),)


def _alternatives(query: Query) -> list[Alternative]:
    return [each for clause in query.clauses for each in clause]


def _single_words(query: Query) -> list[Alternative]:
    return [word for each in _alternatives(query) if isinstance(each, Phrase) for word in each.words if word.lexemes]


def _spans(text: str, found: list[Token], alternatives: Iterable[Alternative]) -> list[tuple[int, int]]:
    """Where alternatives stand, in order, without overlaps."""
    sought: dict[str, list[tuple[Word, ...]]] = {}
    for each in alternatives:
        words = (each,) if isinstance(each, Word) else each.words
        for lexeme in words[0].lexemes:
            sought.setdefault(lexeme, []).append(words)
    spans: list[tuple[int, int]] = []
    for at, token in enumerate(found):
        lengths = [
            len(words) for lexeme in token.lexemes for words in sought.get(lexeme, ()) if _is_at(found, at, words)
        ]
        if lengths:
            _add_span(text, spans, token.start, found[at + max(lengths) - 1].end)
    return spans


def _is_at(found: list[Token], at: int, words: tuple[Word, ...]) -> bool:
    if at + len(words) > len(found):
        return False
    return all(
        not word.lexemes or not frozenset(word.lexemes).isdisjoint(token.lexemes)
        for word, token in zip(words, found[at : at + len(words)], strict=True)
    )


def _add_span(text: str, spans: list[tuple[int, int]], start: int, end: int) -> None:
    if spans and (start < spans[-1][1] or _BETWEEN.fullmatch(text, spans[-1][1], start)):
        start, end = spans[-1][0], max(end, spans[-1][1])
        spans.pop()
    spans.append((start, end))


def _parts(text: str, spans: list[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    at = 0
    for start, end in spans:
        if start > at:
            yield text[at:start], False
        yield text[start:end], True
        at = end
    if at < len(text):
        yield text[at:], False


def _snippet(body: str, span: tuple[int, int], query: Query) -> Snippet:
    text = _BLANKS.sub(" ", body[span[0] : span[1]])
    page = body.count(PAGE_MARK, 0, span[0]) + 1 if PAGE_MARK in body else None
    return Snippet(page=page, parts=highlighted(text, query))


def _best(body: str, query: Query, characters: int) -> list[_Window]:
    """The windows that hold most, without overlaps; those first that really hold what was searched for."""
    places = _places(body, query)
    windows = sorted(_windows(places, characters), key=lambda each: (-each.held, each.end - each.start, each.start))
    chosen: list[_Window] = []
    for window in windows:
        if all(window.start >= other.end or window.end <= other.start for other in chosen):
            chosen.append(window)
            if len(chosen) == MAX_WINDOWS:
                break
    exact = {window: _exact(body[window.start : window.end], query) for window in chosen}
    return sorted(chosen, key=lambda window: -exact[window])


def _exact(text: str, query: Query) -> int:
    """How many clauses hold in it."""
    found = list(tokens(text))
    return sum(bool(_spans(text, found, clause)) for clause in query.clauses)


def _windows(places: list[_Place], characters: int) -> Iterator[_Window]:
    """For each place the stretch that ends there and holds most, no longer than a passage."""
    held: Counter[tuple[int, int]] = Counter()
    first = 0
    for place in places:
        held.update(place.keys)
        while place.end - places[first].start > characters and places[first] is not place:
            held.subtract(places[first].keys)
            first += 1
        held = +held
        while places[first] is not place and all(held[key] > 1 for key in places[first].keys):
            held.subtract(places[first].keys)
            first += 1
        yield _Window(places[first].start, place.end, len(held))


def _places(body: str, query: Query) -> list[_Place]:
    sought = _keys(query)
    if not sought:
        return []
    found = itertools.islice(places(body, frozenset(sought)), MAX_CANDIDATES)
    return [
        _Place(start, end, frozenset().union(*(sought[lexeme] for lexeme in lexemes))) for start, end, lexemes in found
    ]


def _keys(query: Query) -> dict[str, set[tuple[int, int]]]:
    """Which word of which clause a lexeme stands for; of `kg434` the number as well, as it may stand alone."""
    sought: dict[str, set[tuple[int, int]]] = {}
    for number, clause in enumerate(query.clauses):
        for each in clause:
            words = (each,) if isinstance(each, Word) else each.words
            for at, word in enumerate(words):
                for lexeme in word.lexemes:
                    for form in {lexeme, *_NUMBER.findall(lexeme)}:
                        sought.setdefault(form, set()).add((number, at))
    return sought


def _passage(body: str, start: int, end: int, characters: int) -> tuple[int, int]:
    """A window with what stands around it on its page, whole words."""
    spare = max(characters - (end - start), 0)
    page_start = body.rfind(PAGE_MARK, 0, start) + 1
    page_end = body.find(PAGE_MARK, end)
    page_end = len(body) if page_end < 0 else page_end
    first = max(start - spare * 2 // 5, page_start)
    last = min(first + max(characters, end - start), page_end)
    first = max(min(first, last - characters), page_start)
    return _next_start(body, first, start, page_start), _last_end(body, last, end, page_end)


def _beginning(body: str, start: int, until: int, characters: int) -> tuple[int, int]:
    start = _next_start(body, start, min(start + MAX_WORD_CHARS, len(body) - 1), 0)
    while start < len(body) - 1 and body[start].isspace():
        start += 1
    last = min(start + characters, max(until, start + 1), len(body))
    return start, _last_end(body, last, start + 1, len(body))


def _next_start(body: str, at: int, until: int, least: int) -> int:
    """Where the next word begins; that at `until` where there is none before."""
    while least < at < until and not body[at - 1].isspace():
        at += 1
    back = max(at - MAX_WORD_CHARS, least)
    return next((start for start in range(at, back, -1) if body[start - 1].isspace()), back if back == least else at)


def _last_end(body: str, at: int, least: int, most: int) -> int:
    """Where the last word ends; that at `least` where there is none behind."""
    while least < at < most and not body[at].isspace():
        at -= 1
    ahead = min(at + MAX_WORD_CHARS, most)
    return next((end for end in range(at, ahead) if body[end].isspace()), ahead if ahead == most else at)
