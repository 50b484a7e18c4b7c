"""The patterns of public.link_rules: words that must stand in a text, whole, in their order, next to each other.

    Angebot             the word, whatever its case and however its umlauts are written
    Prüf* *plan *plan*  words that begin with, end with, hold these (at least three) letters
    ^                   at the beginning of a pattern: only at the beginning of the text
    {KG}                the number of a cost group of DIN 276; several where a list stands: KGR 410/420
    {Bezeichnung}       behind {KG}: a word for that group or one above it, by its name or its aliases
    {Ort}               at the end of a pattern: all that follows is a place (`places`)
    {Gebäude}           a building that is known in the project, and the level and room behind it

Signs between words count for nothing, but for comma and semicolon, which part, and for `-` and `:` before a
placeholder, which must stand there too: O-{Ort}. Nothing that a person writes is ever run as a regular expression, and
a number is only ever whole (lesson 20). The same grammar stands in sql/migrations/0009_din276.sql, where the table
refuses a bad pattern; tests hold the two together.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.folding import Words, split, words
from ibhelm_pipelines.register.places import NO_BUILDINGS, Place, parse_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ibhelm_pipelines.folding import Word
    from ibhelm_pipelines.register.cost_groups import CostGroups
    from ibhelm_pipelines.register.places import Buildings

PLACEHOLDERS = ("{KG}", "{Bezeichnung}", "{Ort}", "{Gebäude}")
MAX_LENGTH = 200

_LETTERS = "A-Za-zÀ-ÖØ-öø-ɏẞ"
_CHARACTERS = re.compile(rf"[ -~{_LETTERS}–—„“”’§°€…]*")
_WILDCARD = re.compile(rf"(\*?)([{_LETTERS}]{{3,}})(\*?)")
_BLANKS = re.compile(r"[ \xa0]+")
_PARTS = re.compile(r"(\{[^{}]*\})")
_DASHES = "-‐‑–—"  # people's dashes differ
_PARTING = re.compile(r"[,;]")
_LISTING = re.compile(r"\s*[/+&,]\s*")
_AND = {"und", "u", "sowie"}
_MEMORY = 1 << 17
"""Distinct words of which a set remembers which patterns may begin there."""


class _Item(NamedTuple):
    """A word of a pattern or a placeholder.

    Attributes:
        word: folded; the placeholder itself, if it is one.
        before, behind: whether other letters may stand there (`*`).
        sign: what must follow directly: `-`, `:` or nothing.
    """

    word: str
    before: bool = False
    behind: bool = False
    sign: str = ""

    def fits(self, word: str) -> bool:
        if self.before:
            return self.word in word if self.behind else word.endswith(self.word)
        return word.startswith(self.word) if self.behind else word == self.word


class Found(NamedTuple):
    """What a pattern found at one spot; both None where it holds only words."""

    number: int | None = None
    place: Place | None = None


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A pattern that was read and found to be good; made by `parse_pattern`."""

    text: str
    is_anchored: bool
    items: tuple[_Item, ...]

    @property
    def placeholders(self) -> frozenset[str]:
        return frozenset(item.word for item in self.items if item.word in PLACEHOLDERS)


def parse_pattern(text: str) -> Pattern:
    """Read a pattern.

    Raises:
        ConfigurationError: it is none, with a sentence that says why.
    """
    cleaned = _BLANKS.sub(" ", unicodedata.normalize("NFC", text)).strip(" ")
    _require(_CHARACTERS.fullmatch(cleaned), text, "holds a character that no pattern may hold")
    _require(len(cleaned) <= MAX_LENGTH, text, f"has more than {MAX_LENGTH} characters")
    is_anchored = cleaned.startswith("^")
    items = tuple(item for word in cleaned.removeprefix("^").split(" ") for item in _items(word, text))
    _check(items, text)
    return Pattern(text=cleaned, is_anchored=is_anchored, items=_with_signs(items))


def _require(condition: object, text: str, problem: str) -> None:
    if not condition:
        raise ConfigurationError(
            f"The pattern {text!r} {problem}.",
            next_step="Write words and placeholders as docs/register.md shows them: KGR {KG}, ^O-{Ort}, Prüf*.",
        )


def _items(word: str, text: str) -> Iterator[_Item]:
    """The items of what stands between two blanks."""
    if "*" in word:
        wildcard = _WILDCARD.fullmatch(word)
        if wildcard is None:
            _require(None, text, "holds a * that is not at the beginning or end of a word of at least three letters")
        else:
            yield _Item(words(wildcard[2])[0], before=bool(wildcard[1]), behind=bool(wildcard[3]))
        return
    for part in _PARTS.split(word):
        if part.startswith("{") and part.endswith("}"):
            _require(part in PLACEHOLDERS, text, f"holds {part}, which is none of {', '.join(PLACEHOLDERS)}")
            yield _Item(part)
        else:
            _require(not set("{}^") & set(part), text, "holds a single { or }, or a ^ that is not at its beginning")
            yield from map(_Item, words(part))
            if part and part[-1] in "-:":
                yield _Item("", sign=part[-1])


def _with_signs(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    """Signs count where a word stands before and a placeholder behind them."""
    kept: list[_Item] = []
    for item, following in zip(items, (*items[1:], _Item("")), strict=True):
        if item.word:
            kept.append(item)
        elif kept and following.word in PLACEHOLDERS:
            kept[-1] = kept[-1]._replace(sign=item.sign)
    return tuple(kept)


def _check(items: tuple[_Item, ...], text: str) -> None:
    """What must be true of a pattern as a whole."""
    said = [item.word for item in items if item.word]
    _require(said, text, "holds no word")
    _require(all(said.count(each) <= 1 for each in PLACEHOLDERS), text, "holds a placeholder twice")
    _require("{Ort}" not in said[:-1], text, "has {Ort} before its end")
    _require(not {"{Ort}", "{Gebäude}"} <= set(said), text, "holds both {Ort} and {Gebäude}")
    _require(said not in (["{KG}"], ["{Ort}"]), text, f"holds nothing but {said[0]}, which would stand everywhere")
    behind = said.index("{Bezeichnung}") if "{Bezeichnung}" in said else 1
    _require(
        (behind and said[behind - 1] == "{KG}") or "{Bezeichnung}" not in said,
        text,
        "has {Bezeichnung} without {KG} before it",
    )


Key = TypeVar("Key")


class PatternSet(Generic[Key]):
    """Patterns that are looked for together, each under a key of the caller's.

    Which patterns may begin with a word is remembered: three hundred thousand names consist of few distinct words.
    """

    def __init__(self, patterns: Iterable[tuple[Key, Pattern]], cost_groups: CostGroups) -> None:
        self._patterns = tuple(patterns)
        self._cost_groups = cost_groups
        self._literal: dict[str, list[int]] = defaultdict(list)
        self._wild: list[tuple[_Item, int]] = []
        for index, (_, pattern) in enumerate(self._patterns):
            first = pattern.items[0]
            if first.before or first.behind:
                self._wild.append((first, index))
            else:
                self._literal[first.word].append(index)
        self._beginning_with = lru_cache(maxsize=_MEMORY)(self._look_up)

    def find(self, text: str, buildings: Buildings = NO_BUILDINGS) -> list[tuple[Key, Found]]:
        """Return what the patterns find in a text, each thing once, in the order of the text.

        Args:
            buildings: what {Gebäude} stands for: the buildings known in the project of this text.
        """
        said = split(text)
        found: dict[tuple[int, Found], None] = {}
        ended: set[int] = set()  # patterns that took all the rest for a place
        for at, word in enumerate(said.words):
            for index in self._candidates(word, buildings):
                pattern = self._patterns[index][1]
                if index not in ended and (at == 0 or not pattern.is_anchored):
                    here = _Match(pattern, said, at, self._cost_groups, buildings).found()
                    found.update(dict.fromkeys((index, each) for each in here))
                    if here and pattern.items[-1].word == "{Ort}":
                        ended.add(index)
        return [(self._patterns[index][0], each) for index, each in found]

    def _candidates(self, word: Word, buildings: Buildings) -> Sequence[int]:
        """Return the patterns that may begin with a word. Of numbers there are too many to remember them."""
        beginning = self._look_up(word.text) if word.is_number else self._beginning_with(word.text)
        if buildings.may_begin_with(word.text):
            return (*beginning, *self._literal.get("{Gebäude}", ()))
        return beginning

    def _look_up(self, word: str) -> Sequence[int]:
        literal = self._literal.get(word, ())
        if word[0].isdecimal():
            is_group = self._cost_groups.number(word) is not None
            return (*literal, *self._literal.get("{KG}", ())) if is_group else literal
        return (*literal, *(index for item, index in self._wild if item.fits(word)))


class _Match:
    """One try to find a pattern at one word of a text."""

    def __init__(self, pattern: Pattern, said: Words, at: int, cost_groups: CostGroups, buildings: Buildings) -> None:
        self._pattern, self._said, self._start = pattern, said, at
        self._cost_groups, self._buildings = cost_groups, buildings
        self._at = at
        self._number: int | None = None
        self._place: Place | None = None

    def found(self) -> list[Found]:
        """Return what stands there: several where a list of cost groups does, nothing where the pattern does not."""
        said = self._said
        if said.words[self._start].is_number and said.is_glued(self._start):
            return []
        if not all(self._goes_on() and self._take(item) for item in self._pattern.items):
            return []
        if said.words[self._at - 1].is_number and said.is_glued(self._at):
            return []
        more = self._listed() if self._pattern.items[-1].word == "{KG}" else ()
        return [Found(number, self._place) for number in (self._number, *more)]

    def _goes_on(self) -> bool:
        """Whether there is a word, next to the one before it."""
        if self._at >= len(self._said.words):
            return False
        return self._at == self._start or not _PARTING.search(self._said.gap(self._at))

    def _take(self, item: _Item) -> bool:
        """Go on behind the words that an item stands for, if they are there."""
        match item.word:
            case "{Gebäude}":
                return self._take_building()
            case "{Ort}":
                return self._take_place()
            case "{KG}":
                self._number = self._cost_groups.number(self._said.words[self._at].text)
                fits = self._number is not None
            case "{Bezeichnung}":
                word = self._said.words[self._at].text
                fits = self._number is not None and self._cost_groups.is_called(self._number, word)
            case _:
                fits = item.fits(self._said.words[self._at].text) and self._has_sign(item.sign)
        self._at += 1
        return fits

    def _has_sign(self, sign: str) -> bool:
        end = self._said.words[self._at].end
        return not sign or self._said.text[end : end + 1] in (_DASHES if sign == "-" else (sign,))

    def _take_building(self) -> bool:
        known = self._buildings.find(self._said, self._at)
        if known:
            self._place, self._at = known
        return known is not None

    def _take_place(self) -> bool:
        self._place = parse_place(self._said.text[self._said.words[self._at].start :])
        self._at = len(self._said.words)
        return self._place is not None

    def _listed(self) -> Iterator[int]:
        """The other numbers of `KGR 410/420`, `KG 300 und 400`: of the same hundred, or hundreds like the first."""
        at, first = self._at, self._number or 0
        while at < len(self._said.words):
            if self._said.words[at].text in _AND:
                at += 1
            elif not _LISTING.fullmatch(self._said.gap(at)):
                return
            number = self._cost_groups.number(self._said.words[at].text) if at < len(self._said.words) else None
            is_alike = number is not None and (number // 100 == first // 100 or not (number % 100 or first % 100))
            if number is None or not is_alike or self._said.is_glued(at) or self._said.is_glued(at + 1):
                return
            yield number
            at += 1
