"""How well the register links: precision and recall of projects, cost groups and places against what is true.

Shares no code with the product's matching. A link is a pair of an item and a target. Places count part by part: an
item in `Haus A / EG` is in the building and on the level; whoever links it with the building alone has missed one of
two.
A narrower cost group than the true one is no error of recall (a search for 430 finds 434) but one of precision.

- precision: of the links that are there, so many are true;
- recall: of the true links that something written tells (a folder, a name, a text, a tag, a label, a subject), so many
  are there;
- recall of all: the same of all true links, of which some stand nowhere but in a picture or in somebody's head.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tables

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from ibhelm_pipelines.demo.model import Place
    from ibhelm_pipelines.demo.register_truth import About

Pair = tuple["Hashable", Any]
Pairs = set[Pair]
_SHOWN = 25


@dataclass(kw_only=True)
class Measure:
    """What is true, what is told somewhere, and what was found, of one kind of item and one kind of target.

    Attributes:
        told: the true pairs by what tells them; under None those that nothing tells.
        neutral: pairs that are neither right nor wrong.
    """

    name: str
    found: Pairs = field(default_factory=set)
    told: dict[str | None, Pairs] = field(default_factory=lambda: defaultdict(set))
    neutral: Pairs = field(default_factory=set)

    @property
    def true(self) -> Pairs:
        return set().union(*self.told.values())

    @property
    def all_told(self) -> Pairs:
        return set().union(*(pairs for how, pairs in self.told.items() if how))

    @property
    def invented(self) -> Pairs:
        return self.found - self.true - self.neutral

    @property
    def precision(self) -> float:
        judged = self.found - self.neutral
        return 1 - len(self.invented) / len(judged) if judged else 1.0

    @property
    def recall(self) -> float:
        return self._recall(self.all_told)

    @property
    def recall_of_all(self) -> float:
        return self._recall(self.true)

    def missed(self) -> dict[str | None, Pairs]:
        """Return the pairs that are not there, by what tells them."""
        missed = {how: {pair for pair in pairs if not self._is_found(pair)} for how, pairs in self.told.items()}
        return {how: pairs for how, pairs in missed.items() if pairs}

    def _recall(self, pairs: Iterable[Pair]) -> float:
        found = [self._is_found(pair) for pair in pairs]
        return sum(found) / len(found) if found else 1.0

    def _is_found(self, pair: Pair) -> bool:
        item, target = pair
        return any((item, each) in self.found for each in _and_within(target))

    def __str__(self) -> str:
        by = ", ".join(
            f"{how or 'nothing'} {self._recall(pairs):.3f} of {len(pairs)}"
            for how, pairs in sorted(self.told.items(), key=lambda each: str(each[0]))
        )
        return (
            f"{self.name}: precision {self.precision:.4f} of {len(self.found)} links, recall {self.recall:.4f}"
            f" (of all {self.recall_of_all:.4f}; told by {by})"
        )

    def explained(self) -> str:
        """Return the numbers, and what is wrong."""
        lines = [str(self)]
        lines += [f"  invented: {pair}" for pair in sorted(self.invented, key=str)[:_SHOWN]]
        for how, pairs in self.missed().items():
            lines += [f"  missed, told by {how or 'nothing'}: {pair}" for pair in sorted(pairs, key=str)[:_SHOWN]]
        return "\n".join(lines)


def _and_within(target: Any) -> Iterable[Any]:
    """A cost group and those within it; anything else is itself only."""
    if not isinstance(target, int) or target % 10:
        return (target,)
    return range(target, target + (100 if target % 100 == 0 else 10))


def parts(building: str, level: str | None, room: str | None) -> set[tuple[str, ...]]:
    """Return the parts of a place; how it is spelled makes no difference."""
    inside = _plain(building)
    found: set[tuple[str, ...]] = {("building", inside)}
    if level:
        found.add(("level", inside, _plain(level)))
    if room:
        found.add(("room", inside, _plain(room.removeprefix("Raum "))))
    return found


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", text).casefold())


def _parts_of(place: Place) -> set[tuple[str, ...]]:
    return parts(place.building, place.level, place.room)


def measure_files(url: str, truth: Iterable[Mapping[str, Any]], projects: Mapping[str, int]) -> list[Measure]:
    """Compare files with the truth of the generator.

    Args:
        url: of the database.
        truth: lines of truth.jsonl.
        projects: their Teamwork ids by number.
    """
    lines = {line["path"]: line for line in truth if not line["junk"]}
    of_project, of_groups, of_places = (Measure(name=f"files, {name}") for name in ("project", "cost group", "place"))
    for path, line in lines.items():
        if line["project"]:
            of_project.told["folder"].add((path, projects[line["project"]]))
        if line["cost_group"]:
            of_groups.told[line["told_by"]["cost_group"]].add((path, line["cost_group"]))
        of_groups.neutral |= {(path, number) for number in line["mentions"]}
        if line["place"]:
            for part in parts(**line["place"]):
                of_places.told[line["told_by"][part[0]]].add((path, part))
    of_project.found = _named(url, _FILE_PROJECTS, lines)
    of_groups.found = _named(url, _FILE_GROUPS, lines)
    of_places.found = _in_places(_named(url, _FILE_PLACES, lines))
    return [of_project, of_groups, of_places]


def measure_tasks(url: str, meant: Mapping[int, About]) -> list[Measure]:
    """Compare tasks with what their tags mean; by Teamwork id."""
    of_groups, of_places = (Measure(name=f"tasks, {name}") for name in ("cost group", "place"))
    for task, about in meant.items():
        for number in about.meaning.cost_groups:
            of_groups.told[_teller(about, "cost_groups", number)].add((task, number))
        for how, meaning in (*about.told_by.items(), (None, about.untold)):
            of_places.told[how] |= {(task, part) for place in meaning.places for part in _parts_of(place)}
    of_groups.found = set(tables.ask(url, _TASK_GROUPS))
    of_places.found = _in_places(tables.ask(url, _TASK_PLACES))
    return [of_groups, of_places]


def measure_conversations(url: str, meant: Mapping[str, About], projects: Mapping[str, int]) -> list[Measure]:
    """Compare conversations with what they are about; by Missive id, as far as we hold them."""
    named = ("project", "cost group", "place")
    of_project, of_groups, of_places = (Measure(name=f"conversations, {name}") for name in named)
    ours = {number for (number,) in tables.ask(url, "select missive_id from conversations where deleted_at is null")}
    for key, about in ((key, about) for key, about in meant.items() if key in ours):
        for number in about.meaning.projects:
            of_project.told[_teller(about, "projects", number)].add((key, projects[number]))
        for group in about.meaning.cost_groups:
            of_groups.told[_teller(about, "cost_groups", group)].add((key, group))
        # A place is a place of a project: who cannot know the project cannot know it either.
        how = "label" if any(told.projects for told in about.told_by.values()) else None
        of_places.told[how] |= {(key, part) for place in about.meaning.places for part in _parts_of(place)}
    of_project.found = set(tables.ask(url, _CONVERSATION_PROJECTS))
    of_groups.found = set(tables.ask(url, _CONVERSATION_GROUPS))
    of_places.found = _in_places(tables.ask(url, _CONVERSATION_PLACES))
    return [of_project, of_groups, of_places]


def _teller(about: About, kind: str, target: Any) -> str | None:
    return next((how for how, told in about.told_by.items() if target in getattr(told, kind)), None)


def pooled(measures: Iterable[Measure]) -> list[Measure]:
    """Return one measure for each kind of target, over items of all kinds."""
    of: dict[str, Measure] = {}
    for each in measures:
        target = each.name.partition(", ")[2]
        total = of.setdefault(target, Measure(name=target))
        total.found, total.neutral = total.found | each.found, total.neutral | each.neutral
        for how, pairs in each.told.items():
            total.told[how] |= pairs
    return list(of.values())


def foreign_places(url: str) -> list[tuple[Any, ...]]:
    """Return links with places of a project that the item does not belong to (lesson 19); there are none."""
    return tables.ask(url, _FOREIGN_PLACES)


def _named(url: str, query: str, lines: Mapping[str, Any]) -> Any:
    """Rows of files by their path; of those files only that the generator made."""
    return {
        (path, *rest) if len(rest) > 1 else (path, rest[0])
        for raw, *rest in tables.ask(url, query)
        if (path := raw.decode()) in lines
    }


def _in_places(rows: Iterable[tuple[Any, ...]]) -> Pairs:
    return {(item, part) for item, building, level, room in rows for part in parts(building, level, room)}


def links_by_nature(url: str) -> dict[str, Counter[tuple[Any, ...]]]:
    """Return all links by natural keys, with their rules: whatever ids the rows got, it is the same."""
    return {name: Counter(tables.ask(url, query)) for name, query in _LINKS.items()}


_OF_FILE = "from {bridge} b join files i on i.id = b.file_id and i.deleted_at is null"
_OF_TASK = """from {bridge} b join tasks i on i.id = b.task_id and i.deleted_at is null
    join projects p on p.id = i.project_id and p.deleted_at is null"""
_OF_CONVERSATION = "from {bridge} b join conversations i on i.id = b.conversation_id and i.deleted_at is null"
_GROUP = " join cost_groups g on g.id = b.cost_group_id"
_PLACE = " join locations l on l.id = b.location_id"

_FILE_PROJECTS = """select f.raw_path, p.teamwork_id from files f join projects p on p.id = f.project_id
    where f.deleted_at is null"""
_FILE_GROUPS = "select i.raw_path, g.number " + _OF_FILE.format(bridge="file_cost_groups") + _GROUP
_FILE_PLACES = "select i.raw_path, l.building, l.level, l.room " + _OF_FILE.format(bridge="file_locations") + _PLACE
_TASK_GROUPS = "select i.teamwork_id, g.number " + _OF_TASK.format(bridge="task_cost_groups") + _GROUP
_TASK_PLACES = "select i.teamwork_id, l.building, l.level, l.room " + _OF_TASK.format(bridge="task_locations") + _PLACE
_CONVERSATION_PROJECTS = (
    "select i.missive_id, q.teamwork_id "
    + _OF_CONVERSATION.format(bridge="conversation_projects")
    + " join projects q on q.id = b.project_id"
)
_CONVERSATION_GROUPS = (
    "select i.missive_id, g.number " + _OF_CONVERSATION.format(bridge="conversation_cost_groups") + _GROUP
)
_CONVERSATION_PLACES = (
    "select i.missive_id, l.building, l.level, l.room "
    + _OF_CONVERSATION.format(bridge="conversation_locations")
    + _PLACE
)
_FOREIGN_PLACES = f"""
    select 'file', i.path, l.label {_OF_FILE.format(bridge="file_locations")} {_PLACE}
    where i.project_id is distinct from l.project_id
    union all
    select 'task', i.name, l.label {_OF_TASK.format(bridge="task_locations")} {_PLACE}
    where i.project_id is distinct from l.project_id
    union all
    select 'conversation', i.subject, l.label {_OF_CONVERSATION.format(bridge="conversation_locations")} {_PLACE}
    where not exists (select from conversation_projects c
                      where c.conversation_id = i.id and c.project_id = l.project_id)"""

_LINKS = {
    "folders": """select f.folder, p.name, f.rule, f.reason from project_folders f
        left join projects p on p.id = f.project_id""",
    "file projects": """select f.raw_path, p.name, f.project_source, f.project_rule from files f
        left join projects p on p.id = f.project_id where f.deleted_at is null""",
    "file cost groups": f"""select i.raw_path, g.number, b.rule, b.confidence
        {_OF_FILE.format(bridge="file_cost_groups")} {_GROUP}""",
    "file places": f"""select i.raw_path, i.project_id = l.project_id, l.label, b.rule, b.confidence
        {_OF_FILE.format(bridge="file_locations")} {_PLACE}""",
    "task cost groups": f"""select i.teamwork_id, g.number, b.rule, b.confidence
        {_OF_TASK.format(bridge="task_cost_groups")} {_GROUP}""",
    "task places": f"""select i.teamwork_id, l.label, b.rule, b.confidence
        {_OF_TASK.format(bridge="task_locations")} {_PLACE}""",
    "conversation projects": f"""select i.missive_id, q.name, b.rule, b.confidence
        {_OF_CONVERSATION.format(bridge="conversation_projects")} join projects q on q.id = b.project_id""",
    "conversation cost groups": f"""select i.missive_id, g.number, b.rule, b.confidence
        {_OF_CONVERSATION.format(bridge="conversation_cost_groups")} {_GROUP}""",
    "conversation places": f"""select i.missive_id, q.name, l.label, b.rule, b.confidence
        {_OF_CONVERSATION.format(bridge="conversation_locations")} {_PLACE} join projects q on q.id = l.project_id""",
}
