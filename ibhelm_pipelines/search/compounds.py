"""Parts of German compounds: Brandschutzklappe holds Brandschutz, Schutz and Klappe.

What compounds are made of is in german_parts.txt (deploy/german_parts.py), with few words of the trade that are
no part of any word in simplemma's dictionary. Words come folded (search/stems.py), so that every spelling has the same
parts. Where in doubt a word stays whole: a part that is none finds the wrong things for ever, a missing one only finds
less.
"""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache
from math import log2
from pathlib import Path
from typing import NamedTuple

from ibhelm_pipelines.search.folds import folded

MAX_LENGTH = 64
"""Longer runs of letters are no words."""
_MIN_LENGTH = 7
_MIN_PART = 2
"""Öl; other parts have three letters or more, those of german_parts.txt most often four."""

_TRADE = """
abgas abluft abnahme absperr abwasser aggregat aktor altbau ansaugung antrieb armatur attika aufheiz aufmaß ausbau
auslass automation außenluft batterie befeuchter befeuchtung beleuchtung bemusterung bma brauchwasser brennwert
dichtheit diffusor drall drossel durchbruch durchführung dämmung dämpfer einbauten einbehalt einlass elektro
enthärtung entrauchung erdung estrich falz fassade filter fortluft fühler generator geothermie gitter glt grau hebe
heizwasser hort hydrant inbetriebnahme inspektion isolierung kabel kalt kanal kita klappe kondensat kondensator kühl
labor legionellen leuchte lösch lüfter lüftung matte melde mensa mess minderer mischer mischluft msr mängel nachtrag
nachweis neubau pellet photovoltaik potential pritsche prozess regelung regen register rlt rohrung rwa rückfluss
rücklauf rückschlag sanitär schacht schalt schmutz schornstein schrank sensor sole split sprinkler spülung statik
steuerung tauscher technisch tga thermostat trafo transformator trasse trink träger umbau umluft umwälz usv ventilator
verdampfer verdichter verhinderer verrohrung verteiler verteilung vorlauf warm wartung wasch wickel zentrale
zirkulation zuluft zuschlag zutritts zähler übergabe
"""
"""What the office's compounds begin or end with, and the dictionary has in few words or none."""
_WHOLE = """
abteilung bestellen buchstabe donnerstag dramatisch fahrzeug gegenstand klimatisch ligatur literatur mittwoch nachricht
restart schematisch temperatur thematisch transport unterlage vereinbart vereinbaren werkzeug widerstand übergang
"""
"""Not compounds, though they look so; but parts of them."""
_ENDINGS = ("", "em", "n", "en", "s", "es", "e", "er", "ern", "ns", "nen")
"""Of heads: cases and plurals."""
_LINKS = ("", "s", "n", "en", "es")
_LINKED = ("ungs", "heits", "keits", "ions", "tats", "schafts")
"""What ends so stands before a head, known or not: Entrauchungs|anlage."""

_UNKNOWN = 200.0
"""Cost of a part that is in no list; others cost the logarithm of their place there, at most 14."""
_PART = 20.0
"""Cost of each part, so that the fewest ones win."""
_TRADE_COST = 8.0


_Way = tuple[float, tuple[str, ...]]
"""What the parts cost, and the parts."""


class _Lexicon(NamedTuple):
    """Costs of heads and of what stands before them, folded; and nouns in -er that are words of their own."""

    heads: dict[str, float]
    forms: dict[str, float]
    agents: frozenset[str]
    whole: frozenset[str]


@lru_cache(maxsize=1)
def _lexicon() -> _Lexicon:
    sections = Path(__file__).with_name("german_parts.txt").read_text(encoding="utf-8").split("\n\n")
    heads, forms, agents = ([folded(name) for name in section.split()] for section in sections)
    whole = frozenset(map(folded, _WHOLE.split()))
    trade = dict.fromkeys([*map(folded, _TRADE.split()), *whole], _PART + _TRADE_COST)
    return _Lexicon(
        _costs(heads) | trade,
        _costs(forms) | trade,
        frozenset(agents) | {name for name in trade if name.endswith("er")},
        whole,
    )


def _costs(names: list[str]) -> dict[str, float]:
    return {name: _PART + log2(place + 2) for place, name in reversed(list(enumerate(names)))}


def agent(word: str) -> str | None:
    """The noun in -er that a word is a form of, if the stemmer took it for another: Zähler of Zählern, not Zahl."""
    known = _lexicon().agents
    names = (word.removesuffix(ending) for ending in ("", "n", "s"))
    return next((name for name in names if name in known), None)


def parts(word: str) -> tuple[str, ...]:
    """Return the parts of a folded word: none where it is no compound.

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
    """Return the single parts that a folded word is made of, with what links them; none where it is no compound.

    The fewest parts win, then the most usual ones.
    """
    length = len(word)
    if not _MIN_LENGTH <= length <= MAX_LENGTH or _base(word, _lexicon().whole):
        return ()
    best: list[_Way | None] = [None] * length
    for start in range(length - _MIN_PART, -1, -1):
        ways: list[_Way] = [(cost, (word[start:],))] if start and (cost := _head_cost(word[start:])) is not None else []
        for end in range(start + _MIN_PART, length - _MIN_PART + 1):
            rest = best[end]
            if rest and (cost := _form_cost(word[start:end])) is not None:
                ways.append((rest[0] + cost, (word[start:end], *rest[1])))
        best[start] = min(ways, default=None)
    return best[0][1] if best[0] else ()


@lru_cache(maxsize=1 << 16)
def _head_cost(text: str) -> float | None:
    heads = _lexicon().heads
    name = _base(text, heads)
    return heads[name] if name else None


def _base(text: str, names: Container[str]) -> str | None:
    """Which of these nouns it is a form of."""
    return next((name for ending in _ENDINGS if (name := _without(text, ending)) in names), None)


@lru_cache(maxsize=1 << 16)
def _form_cost(text: str) -> float | None:
    lexicon = _lexicon()
    if text in lexicon.forms:
        return lexicon.forms[text]
    for link in _LINKS:
        name = _without(text, link)
        if len(name) > 3 and len(text) > 4 and name in lexicon.heads:
            return lexicon.heads[name] + _PART
    return _UNKNOWN if len(text) > 7 and text.endswith(_LINKED) else None


def _without(text: str, ending: str) -> str:
    return text.removesuffix(ending) if text.endswith(ending) and len(text) - len(ending) >= _MIN_PART else ""
