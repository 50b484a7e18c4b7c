"""What people of the trade call the same thing: Klo and WC, FI and RCD, Kältemaschine and chiller.

Small models of meaning know few of these, above all not across languages, and half of the data sheets are in English.
The list is search/synonyms.txt. A phrase in quotes asks for these words and no others.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ibhelm_pipelines.search.query import Phrase, Word, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ibhelm_pipelines.search.query import Alternative, Clause

LIST = Path(__file__).with_name("synonyms.txt")


def synonyms(clause: Clause) -> Clause:
    """Return what else the word of a clause is called; nothing for a phrase in quotes."""
    word = clause[0]
    if not isinstance(word, Word) or not word.lexemes:
        return ()
    return tuple(each for each in _by_lexeme().get(word.lexemes[0], ()) if each != word)


@cache
def _by_lexeme() -> Mapping[str, tuple[Alternative, ...]]:
    found: dict[str, list[Alternative]] = defaultdict(list)
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            terms = list(_terms(line))
            for term in terms:
                if isinstance(term, Word):
                    found[term.lexemes[0]] += terms
    return {lexeme: tuple(dict.fromkeys(terms)) for lexeme, terms in found.items()}


def _terms(line: str) -> Iterator[Alternative]:
    for written in line.split(","):
        words = tuple(clause[0] for clause in parse(written.strip()).clauses if isinstance(clause[0], Word))
        yield words[0] if len(words) == 1 else Phrase(words=words)
