"""Parts of German compounds: Brandschutzklappe holds Brandschutz and Klappe.

Nouns are looked up in simplemma's dictionary (1.1 million forms, in the wheel) and a short list of what the trade says
and the dictionary does not know. A part is a whole noun, a verb's stem or an adjective before a noun, with what links
them (s, es, n, en, e, er). Where in doubt a word stays whole: a part that is none finds the wrong things for ever,
a part that is missing only finds less.
"""

from __future__ import annotations

import re
from functools import lru_cache

from simplemma.strategies.dictionaries.dictionary_factory import DEFAULT_DICTIONARY_FACTORY

MAX_LENGTH = 64
"""Longer runs of letters are no words."""
MIN_PART = 4

SHORT_PARTS = frozenset({
    "bad", "bau", "eis", "gas", "hof", "nat", "not", "ost", "rad", "see", "süd", "tag", "tor", "tür", "typ", "uhr",
    "weg", "zug",
})  # fmt: skip
"""Nouns of three letters that the trade's compounds are made of; others would split too much (`Art`, `Rat`, `Ei`)."""

TRADE_NOUNS = frozenset({
    "abluft", "zuluft", "fortluft", "mischluft", "umluft", "raumluft", "schmutzwasser", "volumenstrom", "massenstrom",
    "trasse", "estrich", "steigleitung", "kita", "sanitär", "elektro", "haupt", "zentral",
})  # fmt: skip
"""Missing in the dictionary, or there only as something else; each is the first or last part of many compounds."""

NEVER_PARTS = frozenset({
    # Endings that are nouns as well: Eigenschaft, Gemeinschaft, dauerhaft, brauchbar, wirksam, Mitteilung.
    "schaft", "haft", "heit", "keit", "weise", "ungen", "rial", "verb", "rente", "enden", "ende", "ente", "inge",
    "tent", "sein", "eile", "eiler",
})  # fmt: skip
_LINKS = ("", "s", "es", "n", "en", "e", "er", "ns")
_WRITTEN_OUT = re.compile(r"ae|oe|(?<![qaeiouy])ue")
_UMLAUT = {"ae": "ä", "oe": "ö", "ue": "ü"}


def parts(word: str) -> tuple[str, ...]:
    """Return the parts of a word (lower case, umlauts as written): none where it is no compound.

    Single parts come with what they make together: of Trinkwasserleitung also Trinkwasser and Wasserleitung. Parts are
    as they stand in the word.
    """
    single = split(word)
    found = {}
    for length in range(len(single) - 1, 0, -1):
        for first in range(len(single) - length + 1):
            found["".join(single[first : first + length])] = True
    return tuple(found)


@lru_cache(maxsize=1 << 16)
def split(word: str) -> tuple[str, ...]:
    """Return the single parts that a word is made of, with what links them; none where it is no compound."""
    if not 2 * MIN_PART - 1 <= len(word) <= MAX_LENGTH:
        return ()
    return tuple(part + link for part, link in _atoms(word) or _atoms(_with_umlauts(word)))


def _with_umlauts(word: str) -> str:
    return _WRITTEN_OUT.sub(lambda match: _UMLAUT[match[0]], word)


def _atoms(word: str) -> tuple[tuple[str, str], ...]:
    """The single parts of a word, each with what links it to the next; empty where it is no compound."""
    found: list[tuple[str, str]] = []
    for part, link in _fewest(word):
        inner = _atoms(part) or ((part, ""),)
        found += [*inner[:-1], (inner[-1][0], inner[-1][1] + link)]
    return tuple(found)


def _fewest(word: str) -> tuple[tuple[str, str], ...]:
    """The fewest parts that make the word."""
    best: list[tuple[tuple[str, str], ...] | None] = [None] * (len(word) + 1)
    best[len(word)] = ()
    for start in range(len(word) - 3, -1, -1):
        for end in range(start + 3, len(word) + 1):
            rest = best[end]
            if rest is None or (end == len(word) and start == 0):
                continue
            part = _head(word[start:end]) if end == len(word) else _modifier(word[start:end])
            held = best[start]
            if part and (held is None or len(rest) + 1 < len(held)):
                best[start] = (part, *rest)
    return best[0] or ()


def _head(text: str) -> tuple[str, str] | None:
    return (text, "") if _is_noun(text) else None


@lru_cache(maxsize=1 << 16)
def _modifier(text: str) -> tuple[str, str] | None:
    """The part and its link, where the text can stand before a noun."""
    for link in _LINKS:
        stem = text.removesuffix(link) if link else text
        if link and (stem == text or len(stem) < MIN_PART + 1):
            continue
        if _is_noun(stem):
            return stem, link
    return (text, "") if _is_verb_stem(text) or _is_adjective(text) else None


@lru_cache(maxsize=1 << 16)
def _is_noun(text: str) -> bool:
    if text in TRADE_NOUNS or text in SHORT_PARTS:
        return True
    if len(text) < MIN_PART or text in NEVER_PARTS:
        return False
    lemma = _dictionary_lemma(text.capitalize())
    return lemma is not None and lemma[0].isupper()


def _is_verb_stem(text: str) -> bool:
    return len(text) >= MIN_PART and _dictionary_lemma(text + "en") == text + "en"


def _is_adjective(text: str) -> bool:
    return len(text) >= MIN_PART and _dictionary_lemma(text) == text


def _dictionary_lemma(form: str) -> str | None:
    return DEFAULT_DICTIONARY_FACTORY.get_dictionary("de").get(form)
