"""Places as the office writes them: building, level, room, in one spelling each.

`Haus A/1.OG/Raum 1.04`, `Haus A, OG 1, R 1.04` and `Haus A - 1. Obergeschoss 1.04` are one place. What is read is never
guessed: what is no level and no room belongs to the name of the building, or is left out where it stands behind them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ibhelm_pipelines.folding import Words, folded, split, words

if TYPE_CHECKING:
    from collections.abc import Iterable

_STOREYS = {
    "eg": "EG", "erdgeschoss": "EG", "parterre": "EG", "hochparterre": "Hochparterre",
    "ug": "UG", "untergeschoss": "UG", "kg": "KG", "kellergeschoss": "KG", "keller": "KG",
    "og": "OG", "obergeschoss": "OG", "dg": "DG", "dachgeschoss": "DG", "dach": "Dach",
    "zg": "ZG", "zwischengeschoss": "ZG", "tg": "TG", "tiefgarage": "TG",
    "sg": "SG", "souterrain": "Souterrain", "sockelgeschoss": "Sockelgeschoss", "staffelgeschoss": "Staffelgeschoss",
    "technikgeschoss": "Technikgeschoss",
}  # fmt: skip
_COUNTED = {"OG", "UG", "KG", "DG", "ZG", "SG", "TG"}
_ONLY_COUNTED = {"etage": "OG", "stock": "OG", "stockwerk": "OG"}
_EBENE = {"ebene", "level"}
_MAX_STOREY = 40
_MAX_EBENE_AFTER_E = 20
"""E30 and E90 are classes of fire resistance."""

_ROOM_WORDS = {"raum", "zimmer"}
_SHORT_ROOM_WORDS = {"r", "rm", "zi"}
_ROOM_NUMBER = re.compile(r"(?:[A-Za-z]{1,2}[.-]?)?\d{1,4}(?:[.-]\d{1,3})?[A-Za-z]?(?![^\W_]|[.-]\d)")
"""1.04, 104a, E.04, 1-04; no date."""
_BARE_ROOM = re.compile(r"\d\.\d{2,3}[a-z]?(?![^\W_]|[.,-]\d)")
_SEPARATOR = re.compile(r"[/\\,;|]|\s[-–—]\s")
_COST_GROUP_WORDS = {"kg", "kgr", "kostengruppe"}
_BUILDING_WORDS = {"haus", "geb", "gebaeude", "bauteil", "bt", "block", "trakt", "halle", "bau", "turm", "fluegel"}
_SAME = {"gebaeude": "geb"}
_MIN_CHARACTERS = 4
_EDGES = " \t_-–—/\\,;|:."


@dataclass(frozen=True, kw_only=True)
class Place:
    """A building, a level of it, a room; what is not known is None. At least one of them is."""

    building: str | None = None
    level: str | None = None
    room: str | None = None

    @property
    def key(self) -> tuple[tuple[str, ...], str, str]:
        """What two spellings of one place have in common: `Geb. 3`, `geb.3` and `Gebäude 3`."""
        return _building_words(self.building or ""), folded(self.level or ""), folded(self.room or "")


class _Part(NamedTuple):
    """A level or room that was read, and the word behind it."""

    text: str
    end: int


def parse_place(text: str) -> Place | None:
    """Return the place that a text names as a whole, such as what follows `O-`; None for a text without words."""
    said = split(text)
    for at in range(len(said.words)):
        building = _name(said.text[: said.words[at].start])
        if level := _level(said, at):
            return Place(building=building, level=level.text, room=_room_below(said, level.end))
        if room := _named_room(said, at) or _room_of_its_own(said, at):
            return Place(building=building, room=room.text)
        if _is_cost_group(said, at):
            return Place(building=building) if building else None
    building = _name(said.text)
    return Place(building=building) if building else None


def continue_place(place: Place, folder: str) -> Place:
    """Return the place that a folder within one stands for: a level or a room completes it, nothing else changes it."""
    said = split(folder)
    level = _level(said, 0) if place.level is None and place.room is None and said.words else None
    found = Place(building=place.building, level=level.text if level else place.level, room=place.room)
    end = level.end if level else 0
    if place.room is None and end < len(said.words):
        bare = _BARE_ROOM.match(said.text, said.words[end].start) if found.level else None
        room = _named_room(said, end) or (_part(said, bare) if bare else None)
        if room:
            found, end = Place(building=found.building, level=found.level, room=room.text), room.end
    return found if end == len(said.words) else place


class Buildings:
    """The buildings that are known in a project, to be found in names and texts.

    Very short names (`A`, `3`) stand everywhere and are not looked for.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for name in sorted(set(names)):
            parts = _building_words(name)
            if sum(map(len, parts)) >= _MIN_CHARACTERS:
                self._by_first.setdefault(parts[0], []).append((parts, name))
        for known in self._by_first.values():
            known.sort(key=lambda each: -len(each[0]))

    def may_begin_with(self, word: str) -> bool:
        """Whether the name of a building begins with this word."""
        return _SAME.get(word, word) in self._by_first

    def find(self, said: Words, at: int) -> tuple[Place, int] | None:
        """Return the place that begins with this word, and the word behind it, if a known building does."""
        if said.is_glued(at):
            return None
        for parts, name in self._by_first.get(_SAME.get(said.words[at].text, said.words[at].text), ()):
            end = at + len(parts)
            here = tuple(_SAME.get(word.text, word.text) for word in said.words[at:end])
            if here == parts and not said.is_glued(end):
                return _within(said, name, end)
        return None


NO_BUILDINGS = Buildings()


def _within(said: Words, building: str, at: int) -> tuple[Place, int]:
    level = _level(said, at)
    end = level.end if level else at
    room = None
    if end < len(said.words):
        bare = _BARE_ROOM.match(said.text, said.words[end].start) if level else None
        room = _part(said, bare) if bare else _named_room(said, end, one_word=True)
    found = Place(building=building, level=level.text if level else None, room=room.text if room else None)
    return found, room.end if room else end


def _building_words(name: str) -> tuple[str, ...]:
    return tuple(_SAME.get(word, word) for word in words(name))


def _name(text: str) -> str | None:
    return " ".join(text.replace("_", " ").strip(_EDGES).split()) or None


def _integer(said: Words, at: int) -> int | None:
    """The number of one or two digits at a word, if it is one."""
    word = said.words[at].text if 0 <= at < len(said.words) else ""
    return int(word) if word.isdecimal() and len(word) <= 2 else None


def _level(said: Words, at: int) -> _Part | None:
    """The level that begins with a word."""
    if at >= len(said.words) or _is_cost_group(said, at):
        return None
    return _counted_before(said, at) or _counted_behind(said, at) or _ebene(said, at) or _storey(said, at)


def _storey(said: Words, at: int) -> _Part | None:
    name = _STOREYS.get(said.words[at].text)
    return _Part(name, at + 1) if name else None


def _counted_before(said: Words, at: int) -> _Part | None:
    """`1. OG`, `1.OG`, `1OG`, `3. Etage`; `Haus 1 OG` is the upper floor of Haus 1."""
    count = _integer(said, at)
    if count is None or at + 1 >= len(said.words) or said.gap(at + 1).strip() not in ("", "."):
        return None
    word = said.words[at + 1].text
    name = _STOREYS.get(word) or _ONLY_COUNTED.get(word)
    if word in _EBENE:
        return _Part(f"Ebene {count}", at + 2)
    names_a_building = at > 0 and said.words[at - 1].text in _BUILDING_WORDS and said.gap(at + 1) == " "
    if name not in _COUNTED or not 0 < count <= _MAX_STOREY or names_a_building or _is_cost_group(said, at + 1):
        return None
    return _Part(f"{count}. {name}", at + 2)


def _counted_behind(said: Words, at: int) -> _Part | None:
    """`OG 2`, `UG1`."""
    name, count = _STOREYS.get(said.words[at].text), _integer(said, at + 1)
    if name not in _COUNTED or not count or count > 9 or said.gap(at + 1) not in ("", " ", ".", "_"):
        return None
    return None if _counted_before(said, at + 1) else _Part(f"{count}. {name}", at + 2)


def _ebene(said: Words, at: int) -> _Part | None:
    """`Ebene 3`, `Ebene -1`, `E03`."""
    word, count = said.words[at].text, _integer(said, at + 1)
    if count is None or (word not in _EBENE and word != "e"):
        return None
    gap = said.gap(at + 1)
    if word == "e":
        names_a_building = at > 0 and said.words[at - 1].text in _BUILDING_WORDS
        return None if gap or names_a_building or count > _MAX_EBENE_AFTER_E else _Part(f"Ebene {count}", at + 2)
    return _Part(f"Ebene {'-' if gap == ' -' else ''}{count}", at + 2)


def _is_cost_group(said: Words, at: int) -> bool:
    """`KG 434` is a cost group, never the basement."""
    if said.words[at].text not in _COST_GROUP_WORDS or at + 1 >= len(said.words):
        return False
    following = said.words[at + 1].text
    return len(following) == 3 and following.isdecimal()


def _room_below(said: Words, at: int) -> str | None:
    """The room behind a level: named or numbered, or whatever stands there as a part of its own."""
    if at >= len(said.words) or _is_cost_group(said, at):
        return None
    if room := _named_room(said, at):
        return room.text
    if match := _ROOM_NUMBER.match(said.text, said.words[at].start):
        return match[0]
    return _rest(said, at) if _SEPARATOR.search(said.gap(at)) else None


def _named_room(said: Words, at: int, *, one_word: bool = False) -> _Part | None:
    """`Raum 1.04`, `R 1.04`, `Raum Teeküche`."""
    word = said.words[at].text
    behind = at + 1
    if word in _ROOM_WORDS and behind < len(said.words) and said.words[behind].text == "nr":
        behind += 1
    if word not in _ROOM_WORDS | _SHORT_ROOM_WORDS or behind >= len(said.words):
        return None
    if at > 0 and word in _SHORT_ROOM_WORDS and said.words[at - 1].text in _BUILDING_WORDS:
        return None
    number = _BARE_ROOM if one_word and word in _SHORT_ROOM_WORDS else _ROOM_NUMBER  # R1 is a revision in a file's name
    if match := number.match(said.text, said.words[behind].start):
        return _part(said, match)
    if word in _SHORT_ROOM_WORDS or _SEPARATOR.search(said.gap(behind)):
        return None
    rest = said.text[said.words[behind].start : said.words[behind].end] if one_word else _rest(said, behind)
    return _Part(rest, behind + 1 if one_word else len(said.words)) if rest else None


def _room_of_its_own(said: Words, at: int) -> _Part | None:
    """The number in `Haus A / 1.04`."""
    match = _ROOM_NUMBER.match(said.text, said.words[at].start) if at and _SEPARATOR.search(said.gap(at)) else None
    return _part(said, match) if match and "." in match[0] else None


def _part(said: Words, match: re.Match[str]) -> _Part:
    return _Part(match[0], next((i for i, word in enumerate(said.words) if word.start >= match.end()), len(said.words)))


def _rest(said: Words, at: int) -> str | None:
    """What stands from a word to the next separator."""
    rest = said.text[said.words[at].start :]
    cut = _SEPARATOR.search(rest)
    return _name(rest[: cut.start()] if cut else rest)
