"""From what was typed to what is asked.

Rare words count for more; words that nobody wrote are taken for misspelt or for beginnings; and where too little has
all words, fewer of them suffice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import combinations
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.folding import folded
from ibhelm_pipelines.search.analysis import tokens
from ibhelm_pipelines.search.query import Phrase, Word, clause_tsquery, operand_tsquery
from ibhelm_pipelines.search.synonyms import synonyms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.search.query import Alternative, Clause, Query

MIN_LIKENESS = 0.72
"""Of a word that is taken for a misspelling of another one (difflib's ratio): one letter in four, about."""

LIKE_WORDS = 3
BEGUN_WORDS = 8
MIN_WORD = 4
"""Shorter words resemble too many others."""
MIN_BEGINNING = 3
RAREST = 4
"""Where not all words are needed, so many of the rarest must be there in pairs."""

MIN_PART = 3
"""Shorter parts of names stand everywhere, and no trigram index knows them."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What search.hits is asked.

    Attributes:
        query: with the lexemes of other spellings added, so that they are marked in passages.
        steps: queries that ask for less and less; without what is excluded.
        excluded: what a document must not match; None where nothing is excluded.
        terms: of each clause, and how much it says.
        parts: of names that must be in them; empty where the words suffice.
        spellings: by a word as typed, how it is written by others.
    """

    query: Query
    steps: tuple[str, ...]
    excluded: str | None
    terms: tuple[str, ...]
    weights: tuple[float, ...]
    parts: tuple[str, ...]
    spellings: dict[str, str]


def widen(connection: Connection, query: Query) -> Asked:
    """Return what to ask for a query.

    Args:
        connection: to ask how frequent words are, and which ones resemble those that nobody wrote.
        query: as it was typed.
    """
    widening = _Widening(connection, query)
    clauses = tuple(map(widening.clause, query.clauses))
    widening.learn(clauses)
    wide = replace(query, clauses=clauses)
    terms = tuple(map(clause_tsquery, clauses))
    weights = tuple(map(widening.weight, clauses))
    written = [at for at, clause in enumerate(clauses) if widening.is_written(clause)]
    return Asked(
        query=wide,
        steps=tuple(dict.fromkeys(_steps([clauses[at] for at in written], [weights[at] for at in written]))),
        excluded=" | ".join(map(operand_tsquery, query.excluded)) or None,
        terms=terms,
        weights=weights,
        parts=widening.parts(),
        spellings=widening.spellings,
    )


class _Widening:
    """What is known of the words of a query."""

    def __init__(self, connection: Connection, query: Query) -> None:
        self._connection, self._sql = connection, load_queries("search")
        self._words = [word for clause in query.clauses for each in clause for word in _words_of(each)]
        self._frequencies: dict[str, int] = {}
        self.learn(query.clauses)
        self._last = _last_word(query)
        self._typed = query.plain
        [(self._documents,)] = connection.execute(self._sql["documents_in_all"]).fetchall()
        self.spellings: dict[str, str] = {}

    def learn(self, clauses: Iterable[Clause]) -> None:
        """Ask once how frequent all words of these clauses are."""
        words = [word for clause in clauses for each in clause for word in _words_of(each)]
        lexemes = sorted({lexeme for word in words for lexeme in word.lexemes} - self._frequencies.keys())
        if lexemes:
            rows = self._connection.execute(self._sql["frequencies"], {"lexemes": lexemes}).fetchall()
            self._frequencies |= dict.fromkeys(lexemes, 0) | dict(rows)

    def clause(self, typed: Clause) -> Clause:
        """Return a clause with what else its word is called; where that is nothing, with what was meant by it."""
        others = synonyms(typed)
        return (*typed, *others) if others else tuple(map(self.widened, typed))

    def widened(self, each: Alternative) -> Alternative:
        """Return a word that nobody wrote with the lexemes of what was meant."""
        if isinstance(each, Phrase) or self._frequency(each):
            return each
        others = self._begun(each) if each == self._last else []
        if not others:
            others = self._alike(each.word)
            if others:
                self.spellings[each.text] = others[0]
        meant = [token.lexemes[0] for other in others for token in tokens(other) if token.lexemes]
        return replace(each, lexemes=tuple(dict.fromkeys([*each.lexemes, *meant])))

    def is_written(self, clause: Clause) -> bool:
        """Return whether anybody wrote any of it; what nobody wrote is not asked for, but weighs as missing."""
        return any(all(self._frequency(word) for word in _words_of(each) if word.lexemes) for each in clause)

    def weight(self, clause: Clause) -> float:
        """Return the inverse document frequency of a clause: the more documents have it, the less it says."""
        words = [word for each in clause[:1] for word in _words_of(each)]
        counts = [sum(self._frequencies[lexeme] for lexeme in word.lexemes) for word in words]
        return math.log(1 + self._documents / (1 + min([*counts, self._documents])))

    def parts(self) -> tuple[str, ...]:
        """Return parts of names to look for: where a word is none that anybody wrote, or is a number of sorts."""
        parts = tuple(part for part in folded(self._typed).split() if len(part) >= MIN_PART)
        has_digits = any(character.isdigit() for part in parts for character in part)
        is_unknown = any(not self._frequency(word) for word in self._words if word.lexemes)
        return parts if has_digits or is_unknown else ()

    def _frequency(self, word: Word) -> int:
        return max((self._frequencies[lexeme] for lexeme in word.lexemes), default=0)

    def _begun(self, word: Word) -> list[str]:
        beginning = word.word
        if len(beginning) < MIN_BEGINNING:
            return []
        values = {"beginning": beginning, "limit": BEGUN_WORDS}
        return [other for other, _ in self._connection.execute(self._sql["beginning_words"], values)]

    def _alike(self, word: str) -> list[str]:
        """Return words that somebody wrote and that differ in a letter or two, the likest first; none for numbers."""
        if len(word) < MIN_WORD or not word.isalpha():
            return []
        rows = self._connection.execute(self._sql["similar_words"], {"word": word}).fetchall()
        alike = [(SequenceMatcher(None, word, other, autojunk=False).ratio(), count, other) for other, count in rows]
        return [other for ratio, _, other in sorted(alike, reverse=True) if ratio >= MIN_LIKENESS][:LIKE_WORDS]


def _steps(clauses: Sequence[Clause], weights: Sequence[float]) -> Iterator[str]:
    """Yield what is asked, step by step while there is too little.

    All words; compounds also where their parts stand apart (not at once: an index knows where no word stands, so each
    document with both parts is looked at); all words but one; pairs of rare ones; any of them.
    """
    if not clauses:
        return
    terms = [clause_tsquery(_as_typed(clause)) for clause in clauses]
    rarest = [terms[at] for at in sorted(range(len(terms)), key=lambda at: -weights[at])[:RAREST]]
    yield _all(terms)
    yield _all(list(map(clause_tsquery, clauses)))
    if len(terms) > 2:
        yield _any([_all([*terms[:at], *terms[at + 1 :]]) for at in range(len(terms))])
    if len(terms) > 3:
        yield _any([_all(pair) for pair in combinations(rarest, 2)])
    if len(terms) > 1:
        yield _any(rarest)


def _as_typed(clause: Clause) -> Clause:
    return tuple(each for each in clause if isinstance(each, Word) or not each.of_parts)


def _all(terms: Sequence[str]) -> str:
    return "(" + " & ".join(terms) + ")"


def _any(terms: Sequence[str]) -> str:
    return "(" + " | ".join(terms) + ")"


def _last_word(query: Query) -> Word | None:
    """Return the word that may still be being typed."""
    if not query.clauses:
        return None
    last = query.clauses[-1][0]
    return last if isinstance(last, Word) and query.text.endswith(last.text) else None


def _words_of(each: Alternative) -> tuple[Word, ...]:
    return each.words if isinstance(each, Phrase) else (each,)
