"""How the office files its conversations: shared labels that name projects, cost groups and places.

What a label means is kept beside it (`_means`), as it was meant and not as it is spelled. A conversation is about what
it was written about (`_project`, `_also`, `_groups`) and what its labels mean. All of it is made after the rest of the
office and by dice of its own, so that an office without it is the same.
"""

from __future__ import annotations

import re
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.missive import wording
from ibhelm_pipelines.demo.model import Place
from ibhelm_pipelines.demo.register_truth import About, Meaning, meaning, meant
from ibhelm_pipelines.demo.vocabulary import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ibhelm_pipelines.demo.missive.rows import Rows
    from ibhelm_pipelines.demo.missive.state import Office, Row
    from ibhelm_pipelines.demo.model import Project

_PARENT = "Projekte"
_FORGOTTEN = 0.06
"""Conversations whose project is said nowhere: people forget."""


def file_conversations(office: Office, rows: Rows, *, seed: int) -> None:
    """Let people label the conversations of an office that was just made, and rename some of no project.

    Args:
        office: the office.
        rows: writes its rows.
        seed: that it was made with.
    """
    filing = _Filing(office, rows, Random(f"{seed} filing"))
    for conversation in list(office.live("conversations")):
        if conversation["team"] is None or conversation["_merged_into"]:
            continue
        if conversation["_project"] is not None:
            filing.file(conversation)
        elif not conversation["_groups"]:
            filing.mislead(conversation)


def conversations_meant(office: Office, rows: Rows) -> dict[str, About]:
    """Return what each conversation that the token's user may read is about, by its id."""
    with office.lock:
        sayings = _Sayings(office.contents.projects)
        return {row["id"]: _about(office, rows, row, sayings) for row in office.live("conversations")}


class _Sayings:
    """How a subject says what it is about: the project's number, or its name if no other has it; `KGR` and a number."""

    def __init__(self, projects: Sequence[Project]) -> None:
        sites = Counter(project.site.name for project in projects)
        self._names = {
            project.number: (project.number, *([project.site.name] if sites[project.site.name] == 1 else []))
            for project in projects
        }

    def said(self, subjects: Iterable[str | None], about: Meaning) -> Meaning:
        """Return so much of what a conversation is about as subjects say."""
        text = "\n".join(subject for subject in subjects if subject)
        groups = {number for number in about.cost_groups if _stands_in(f"KGR {number}", text)}
        projects = {key for key in about.projects if any(_stands_in(each, text) for each in self._names[key])}
        return Meaning(projects=frozenset(projects), cost_groups=frozenset(groups))


def _stands_in(words: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def _about(office: Office, rows: Rows, row: Row, sayings: _Sayings) -> About:
    labels = meant(office.tables["shared_labels"][each] for each in row["shared_labels"])
    everything = labels | _written_about(office, row)
    shown = rows.whole_conversation(row)
    mails = (message["subject"] for message in office.inside("messages", row["id"]))
    by = {
        "label": labels,
        "subject": sayings.said((shown["subject"] or shown["latest_message_subject"],), everything),
        "mail": sayings.said((each for each in mails if isinstance(each, str)), everything),
    }
    return About(told_by=by, untold=everything)


def _written_about(office: Office, row: Row) -> Meaning:
    own = [] if row["_project"] is None else [row["_project"]]
    numbers = (office.contents.projects[index].number for index in (*own, *row.get("_also", ())))
    return Meaning(projects=frozenset(numbers), cost_groups=frozenset(row.get("_groups", ())))


class _Filing:
    """Labels one conversation after the other."""

    def __init__(self, office: Office, rows: Rows, rng: Random) -> None:
        self._office, self._rows, self._rng = office, rows, rng
        self._sayings = _Sayings(office.contents.projects)
        self._by_name: dict[str, str] = {row["name"]: row["id"] for row in office.tables["shared_labels"].values()}

    def file(self, conversation: Row) -> None:
        """Label a conversation of a project with what it is about."""
        rng, projects = self._rng, self._office.contents.projects
        labels = []
        if rng.random() < 0.05:
            other = rng.choice([index for index in range(len(projects)) if index != conversation["_project"]])
            conversation["_also"] = [*conversation["_also"], other]
        about = [projects[index] for index in (conversation["_project"], *conversation["_also"])]
        if len(about) > 1 or rng.random() < (0.6 if self._is_told(conversation) else 1 - _FORGOTTEN):
            labels += [self._project_label(project) for project in about]
        groups = conversation["_groups"] or rng.choices(((), (410,), (434,), (440,)), weights=(9, 1, 1, 1))[0]
        if rng.random() < 0.7:
            labels += [self._group_label(number) for number in groups]
        if len(about) == 1 and rng.random() < 0.25:
            labels.append(self._place_label(about[0]))
        if rng.random() < 0.1:
            labels.append(self._label(rng.choice(wording.MEANINGLESS_LABELS), meaning()))
        self._add(conversation, labels)

    def mislead(self, conversation: Row) -> None:
        """Let a conversation of no project look as if it were of one."""
        rng, office = self._rng, self._office
        if rng.random() < 0.5:
            project = rng.choice(office.contents.projects)
            subject = rng.choice(wording.MISLEADING_SUBJECTS).format(number=project.number, year=project.start.year)
            office.change(conversation, {"subject": subject})
        if rng.random() < 0.2:
            self._add(conversation, [self._label(rng.choice(wording.MEANINGLESS_LABELS), meaning())])

    def _is_told(self, conversation: Row) -> bool:
        return bool(_about(self._office, self._rows, conversation, self._sayings).told_by["subject"].projects)

    def _add(self, conversation: Row, labels: list[str]) -> None:
        wanted = [*conversation["shared_labels"], *labels]
        self._office.change(conversation, {"shared_labels": list(dict.fromkeys(wanted))})

    def _project_label(self, project: Project) -> str:
        """Most labels are called as the project is; some as its folder."""
        name = project.name if int(project.number) % 3 == 0 else project.title
        return self._label(name, meaning(project=project.number))

    def _group_label(self, number: int) -> str:
        return self._label(wording.GROUP_LABELS[number], meaning(cost_group=number))

    def _place_label(self, project: Project) -> str:
        building = self._rng.choice(project.site.buildings)
        level = self._rng.choice((None, None, *LEVELS))
        name = f"O-{building}" if level is None else f"O-{building} / {level}"
        return self._label(name, meaning(place=Place(building=building, level=level)))

    def _label(self, name: str, means: Row) -> str:
        """The id of the label of this name; it is made when it is wanted for the first time."""
        if name not in self._by_name:
            organization = next(iter(self._office.tables["organizations"]))
            row: Row = {"name": name, "parent": self._by_name[_PARENT], "organization": organization}
            color = wording.COLORS[len(self._by_name) % len(wording.COLORS)]
            self._by_name[name] = self._office.add("shared_labels", {**row, "color": color, "_means": means})["id"]
        return self._by_name[name]
