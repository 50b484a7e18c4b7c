"""Makes german_parts.txt: what German compounds are made of, read off the 261,000 nouns that simplemma knows.

A noun that many others end with is the head of compounds (Gerät: 212), what many begin with comes before heads
(lüftungs). What only looks so in a few words (Buchs|taben, Verb|rauch, Tran|sport) is neither: short parts need more
evidence than long ones. Run `python deploy/german_parts.py` after an update of simplemma, and raise the
version of search/analysis.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from textwrap import fill

import snowballstemmer
from simplemma.strategies.dictionaries.dictionary_factory import DEFAULT_DICTIONARY_FACTORY

PATH = Path(__file__).parents[1] / "ibhelm_pipelines" / "search" / "german_parts.txt"
LINKS = ("s", "es", "n", "en", "e", "er", "ns", "ens")
_SHORT = "amt art bad bau eis gas hof not ort ost öl rad rat see süd tag tor tür typ uhr weg zug"
_NEVER = """
achen auf aus besch chen chor chung dung durch eile ein ende enden ente erste esser este fache fort gegen gene haber
haft hafte heit hinter hitler iker inge ionen irene isch ische ismus keit liese ling linge los mine mitt nach nazi
neger nische ohne oper para pest puff raps rate rede reden reibung schaft sein ster teste tran um unter vase verb vers
vor weise weiter wider wieder zurück zusammen über
"""
SHORT = frozenset(_SHORT.split())
"""Parts of three letters; there are more, but they are in too many words."""
NEVER = frozenset(_NEVER.split())
"""Endings and beginnings of other words that are nouns as well (dauer|haft), and those of verbs (Unter|lagen)."""
ROUNDS = 6
"""What loses its evidence with others goes as well; it settles before."""

Split = tuple[str, str, str]
"""What stands before the head, the word that it is a form of, and the head."""


class Dictionary:
    """The nouns and verbs of simplemma.

    Attributes:
        nouns: every form of a noun and what it is a form of, in lower case.
        lemmas: nouns as they are listed, in lower case.
        others: forms that are written small, and what they are forms of.
    """

    def __init__(self) -> None:
        every = dict(DEFAULT_DICTIONARY_FACTORY.get_dictionary("de"))
        capital = {form: lemma for form, lemma in every.items() if form.istitle() and lemma.istitle()}
        self.nouns = {form.lower(): lemma.lower() for form, lemma in capital.items() if form.isalpha()}
        self.lemmas = sorted({lemma.lower() for lemma in capital.values() if lemma.isalpha() and len(lemma) > 2})
        self.others = {form: lemma for form, lemma in every.items() if form.islower()}

    def is_part(self, text: str) -> bool:
        return text in self.nouns and (len(text) > 3 or text in SHORT) and text not in NEVER

    def is_adjective(self, text: str) -> bool:
        """Whether it is an adjective's form (kleiner), not a verb's (lüfter, steuer)."""
        lemma = self.others.get(text)
        return lemma is not None and not lemma.endswith(("en", "ern", "eln"))

    @cache  # noqa: B019 - there is one dictionary, and it lives as long as the program
    def base(self, text: str) -> str | None:
        """What it is a form of, if it can stand before a noun: a noun, a verb's stem, an adjective."""
        if self.is_part(text):
            return text
        for link in LINKS:
            stem = text.removesuffix(link)
            if stem != text and len(stem) > 3 and self.is_part(stem):
                return stem
        if len(text) < 4 or text in NEVER:
            return None
        verbs = (text + "en", text + "n", text.removesuffix("e") + "en")
        is_known = self.others.get(text) == text or any(self.others.get(verb) == verb for verb in verbs)
        return text if is_known else None


def splits(dictionary: Dictionary) -> dict[str, list[Split]]:
    """Every way to see a noun as made of two."""
    found = defaultdict(list)
    for word in dictionary.lemmas:
        for at in range(2, len(word) - 2):
            if dictionary.is_part(word[at:]) and (base := dictionary.base(word[:at])):
                found[word].append((word[:at], base, word[at:]))
    return found


def _needed(part: str) -> int:
    return {2: 8, 3: 8, 4: 8, 5: 5, 6: 3, 7: 2, 8: 2}.get(len(part), 1)


def _counts(found: dict[str, list[Split]], part: int, other: int) -> dict[str, int]:
    held: dict[str, set[str]] = defaultdict(set)
    for each in found.values():
        for split in each:
            held[split[part]].add(split[other])
    return {name: len(others) for name, others in held.items()}


def with_evidence(found: dict[str, list[Split]]) -> dict[str, list[Split]]:
    """Only the splits into parts that are parts of other words, too."""
    for _ in range(ROUNDS):
        forms, bases, heads = _counts(found, 0, 2), _counts(found, 1, 2), _counts(found, 2, 1)
        kept = {
            word: [
                (form, base, head)
                for form, base, head in each
                if bases[base] >= _needed(base)
                and heads[head] >= _needed(head)
                and forms[form] >= min(_needed(base), 2 if len(form) > 5 else 4)
            ]
            for word, each in found.items()
        }
        found = {word: each for word, each in kept.items() if each}
    return found


def _is_compound(text: str, found: dict[str, list[Split]]) -> bool:
    return text in found or any(text.removesuffix(link) in found for link in LINKS)


def agents(dictionary: Dictionary, names: set[str]) -> Iterator[str]:
    """Nouns in -er that the stemmer would take for another word (Zähler for Zahl), not those declined (Beamter)."""
    stem = snowballstemmer.stemmer("german").stemWord
    stems = {stem(lemma) for lemma in dictionary.lemmas if not lemma.endswith("er")}
    for lemma in sorted(names):
        is_lemma = dictionary.nouns.get(lemma) == lemma and not dictionary.is_adjective(lemma)
        if (
            is_lemma
            and lemma.endswith("er")
            and stem(lemma) in stems
            and dictionary.nouns.get(lemma[:-1]) not in (lemma[:-1], lemma)
        ):
            yield lemma


def main() -> None:
    """Write the file: heads, what stands before them, and nouns in -er, the most productive ones first."""
    dictionary = Dictionary()
    found = with_evidence(splits(dictionary))
    heads, forms = _counts(found, 2, 1), _counts(found, 0, 2)
    sections = [
        sorted((name for name in heads if name not in found), key=lambda name: (-heads[name], name)),
        sorted((name for name in forms if not _is_compound(name, found)), key=lambda name: (-forms[name], name)),
        sorted(agents(dictionary, {*heads, *forms})),
    ]
    PATH.write_text("\n\n".join(fill(" ".join(names), 120) for names in sections) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
