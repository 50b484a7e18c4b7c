"""Reads what is written on files, tasks and conversations, in batches; each batch as it is at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import namedtuple_row

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.register.deciding import Item
from ibhelm_pipelines.register.folders import BY_MAPPING
from ibhelm_pipelines.register.writing import Link
from ibhelm_pipelines.share import LOOSE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.project_names import ProjectNames
    from ibhelm_pipelines.register.folders import FolderMappings

BY_FOLDER, BY_TASK_LIST, BY_PERSON = "Projektordner", "Teamwork", "Von Hand"
"""Why an item belongs to a project when no rule of link_rules decided, in the office's words."""
BY_LABEL_NAME, BY_LABEL_NUMBER = "Label: Projektname", "Label: Projektnummer"
BY_SUBJECT_NUMBER, BY_SUBJECT_NAME = "Betreff: Projektnummer", "Betreff: Projektname"

TEXT_CHARACTERS = 1500
"""Of a file's text are read: its first page says what it is about."""

_CERTAIN = 1.0


@dataclass(frozen=True, kw_only=True)
class Directory:
    """What the register knows beside the rules: projects, their folders, and what labels say.

    Attributes:
        folders: project and rule by project folder.
        labels: by id of a label its name and those of the labels above it.
    """

    names: ProjectNames[int]
    mappings: FolderMappings
    folders: Mapping[str, tuple[int, str]]
    labels: Mapping[int, tuple[str, ...]]


def read_files(connection: Connection, ids: Sequence[int], directory: Directory) -> list[tuple[Item, str | None]]:
    """Return these files, as far as they are live, each with its content."""
    return [(_file(row, directory), row.content_hash) for row in _rows(connection, "files", ids)]


def read_tasks(connection: Connection, ids: Sequence[int]) -> list[Item]:
    """Return these tasks, as far as they are live."""
    return [_task(row) for row in _rows(connection, "tasks", ids)]


def read_conversations(connection: Connection, ids: Sequence[int], directory: Directory) -> list[Item]:
    """Return these conversations, as far as they are live."""
    chosen: dict[int, dict[int, bool]] = {}
    sql = load_queries("register")
    for item, project, is_linked in connection.execute(sql["chosen_projects"], {"ids": list(ids)}):
        chosen.setdefault(item, {})[project] = is_linked
    return [_conversation(row, directory, chosen.get(row.id, {})) for row in _rows(connection, "conversations", ids)]


def read_texts(connection: Connection, hashes: Sequence[str]) -> dict[str, str]:
    """Return the beginnings of the texts of these contents."""
    sql = load_queries("register")
    rows = connection.execute(sql["texts"], {"hashes": list(hashes), "characters": TEXT_CHARACTERS})
    return dict(rows.fetchall())


def project_of_file(folder: str, path: str, chosen: int | None, directory: Directory) -> tuple[int, str] | None:
    """Return the project of a path below the root and the rule; a person's word comes first, then a mapping."""
    if chosen is not None:
        return chosen, BY_PERSON
    mapped = directory.mappings.project_of(path)
    if mapped is not None:
        return mapped, BY_MAPPING
    found = directory.folders.get(folder)
    return (found[0], BY_FOLDER) if found else None


def folders_below(folder: str, path: str) -> tuple[str, ...]:
    """Return the folders of a file below its project folder; of a loose file all of them."""
    depth = 0 if folder == LOOSE else folder.count("/") + 1
    return tuple(path.split("/")[depth:-1])


def _file(row: Any, directory: Directory) -> Item:
    found = project_of_file(row.folder, row.path, row.chosen_project, directory)
    stem = row.name.removesuffix(f".{row.name.rpartition('.')[2]}") if row.extension else row.name
    return Item(
        id=row.id,
        texts={
            "folder": folders_below(row.folder, row.path),
            "name": (stem,),
            "extension": (row.extension,) if row.extension else (),
        },
        projects={found[0]: Link(rule=found[1], confidence=_CERTAIN)} if found else {},
    )


def _task(row: Any) -> Item:
    return Item(
        id=row.id,
        texts={"tag": tuple(row.tags), "subject": (row.name,)},
        projects={row.project_id: Link(rule=BY_TASK_LIST, confidence=_CERTAIN)} if row.project_id else {},
    )


def _conversation(row: Any, directory: Directory, chosen: Mapping[int, bool]) -> Item:
    labels = tuple(dict.fromkeys(name for label in row.labels for name in directory.labels.get(label, ())))
    projects = {**_named_projects(labels, row.subjects, directory.names)}
    projects |= {each: Link(rule=BY_PERSON, confidence=_CERTAIN) for each, is_linked in chosen.items() if is_linked}
    return Item(
        id=row.id,
        texts={"label": labels, "subject": tuple(row.subjects)},
        projects={each: link for each, link in projects.items() if chosen.get(each, True)},
    )


def _named_projects(labels: Sequence[str], subjects: Sequence[str], names: ProjectNames[int]) -> dict[int, Link]:
    """Return the projects that labels name; where they name none, those that subjects do."""
    found: dict[int, Link] = {}
    for label in labels:
        named = names.named(label)
        if len(named) == 1:
            found |= dict.fromkeys(named, Link(rule=BY_LABEL_NAME, confidence=_CERTAIN))
        for project in names.numbered_in(label):
            found.setdefault(project, Link(rule=BY_LABEL_NUMBER, confidence=_CERTAIN))
    if found:
        return found
    for subject in subjects:
        for project in names.numbered_in(subject):
            found[project] = Link(rule=BY_SUBJECT_NUMBER, confidence=0.95)
        for project in names.named_in(subject):
            found.setdefault(project, Link(rule=BY_SUBJECT_NAME, confidence=0.8))
    return found


def _rows(connection: Connection, query: str, ids: Sequence[int]) -> list[Any]:
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(load_queries("register")[query], {"ids": list(ids)}).fetchall()
