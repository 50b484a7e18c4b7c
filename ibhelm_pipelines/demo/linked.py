"""How much of what the made-up office says about itself is linked in the tables: the closing table of the register.

A claim is true of a file, task or conversation and stands somewhere in words: in a folder, a name, a text, a tag, a
label, a subject. Of what stands only in a picture nobody asks to be found.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from rich.console import Console

    from ibhelm_pipelines.demo.model import Place
    from ibhelm_pipelines.demo.register_truth import About, Meaning

ITEMS = ("file", "task", "conversation")
TARGETS = ("project", "cost group", "place")

Claim = tuple[str, str]  # an item and a target, each by a name that both sides know


@dataclass(kw_only=True)
class Claims:
    """What is true, by kind of item and of target.

    Attributes:
        told: what words say.
        untold: what is true besides.
        items: all that the truth knows, of each kind.
    """

    told: dict[tuple[str, str], set[Claim]] = field(default_factory=lambda: defaultdict(set))
    untold: dict[tuple[str, str], set[Claim]] = field(default_factory=lambda: defaultdict(set))
    items: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add_files(self, truth: Path, projects: Mapping[str, int]) -> None:
        """Add what the generator's truth says of each file.

        Args:
            truth: the file truth.jsonl.
            projects: Teamwork's ids by what the truth calls them.
        """
        for text in truth.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            if not line["junk"]:
                self._add_file(line, unicodedata.normalize("NFC", line["path"]), projects)

    def _add_file(self, line: Mapping[str, Any], path: str, projects: Mapping[str, int]) -> None:
        told_by = line["told_by"]
        self.items["file"].add(path)
        if line["project"] in projects:
            self.told["file", "project"].add((path, str(projects[line["project"]])))
        if line["cost_group"]:
            self._claims("cost_group" in told_by and told_by["cost_group"])["file", "cost group"].add(
                (path, str(line["cost_group"]))
            )
        self.untold["file", "cost group"] |= {(path, str(number)) for number in line["mentions"]}
        if line["place"]:
            whole = _label(**line["place"])
            told = _label(**{part: value if told_by.get(part) else None for part, value in line["place"].items()})
            self.untold["file", "place"].add((path, whole))
            self._claims(told)["file", "place"].add((path, told or whole))

    def _claims(self, is_told: object) -> dict[tuple[str, str], set[Claim]]:
        return self.told if is_told else self.untold

    def add_items(self, item: str, meant: Mapping[Any, About], projects: Mapping[str, int]) -> None:
        """Add what tasks or conversations are about, by the vendor's ids."""
        for key, about in meant.items():
            self.items[item].add(str(key))
            self._add(self.untold, item, str(key), about.meaning, projects)
            for told in about.told_by.values():
                self._add(self.told, item, str(key), told, projects)

    def _add(
        self,
        claims: dict[tuple[str, str], set[Claim]],
        item: str,
        key: str,
        meaning: Meaning,
        projects: Mapping[str, int],
    ) -> None:
        claims[item, "project"] |= {(key, str(projects[name])) for name in meaning.projects if name in projects}
        claims[item, "cost group"] |= {(key, str(number)) for number in meaning.cost_groups}
        claims[item, "place"] |= {(key, _place_label(place)) for place in meaning.places}


def print_linked(console: Console, rows: Iterable[Mapping[str, str]], claims: Claims) -> None:
    """Print how many items are linked, how much of what is told, and how many links are wrong.

    Args:
        console: where to.
        rows: links: item and target, key and value, as the query `linked` gives them.
        claims: what is true.
    """
    found: dict[tuple[str, str], set[Claim]] = defaultdict(set)
    for row in rows:
        found[row["item"], row["target"]].add((row["key"], row["value"]))
    table = Table(title="What the register links", title_justify="left")
    for column in ("", *TARGETS):
        table.add_column(column, justify="right" if column else "left")
    for item in ITEMS:
        table.add_row(f"{item}s linked", *(f"{len({key for key, _ in found[item, each]}):,}" for each in TARGETS))
        table.add_row("  found of what is told", *(_share(claims, found, (item, each)) for each in TARGETS))
        table.add_row("  wrong of what is linked", *(_wrong(claims, found, (item, each)) for each in TARGETS))
    console.print(table)


def _share(claims: Claims, found: Mapping[tuple[str, str], set[Claim]], kind: tuple[str, str]) -> str:
    told = claims.told[kind]
    by_item = _by_item(found[kind])
    right = sum(any(_is_within(each, value) for each in by_item.get(key, ())) for key, value in told)
    return f"{right:,} of {len(told):,}" if told else ""


def _wrong(claims: Claims, found: Mapping[tuple[str, str], set[Claim]], kind: tuple[str, str]) -> str:
    """Count links that say something else than the truth; to say less than it is not wrong."""
    true = _by_item(claims.told[kind] | claims.untold[kind])
    judged = [(key, value) for key, value in found[kind] if key in claims.items[kind[0]]]
    wrong = Counter(any(_is_within(each, value) for each in true.get(key, ())) for key, value in judged)[False]
    return f"{wrong:,} of {len(judged):,}" if claims.told[kind] else ""


def _by_item(claims: Iterable[Claim]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for key, value in claims:
        found[key].add(value)
    return found


def _is_within(inner: str, outer: str) -> bool:
    """Whether a place or a cost group is another one or a part of it: 434 of 430."""
    is_part = len(outer) == 3 and outer.isdecimal() and inner.startswith(outer.rstrip("0"))
    return inner == outer or inner.startswith(f"{outer} / ") or is_part


def _place_label(place: Place) -> str:
    return _label(place.building, place.level, place.room)


def _label(building: str | None, level: str | None, room: str | None) -> str:
    return " / ".join(filter(None, (building, level, room)))
