"""Joins the project folders of the NAS with the projects of Teamwork, and knows both for whoever links items.

Everything is derived from names and from the mappings that people made, and written where it differs. A folder that
belongs to no project says why (public.project_folders.reason).
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.project_names import ProjectNames, read_name
from ibhelm_pipelines.register.folders import FolderMappings, join_folders
from ibhelm_pipelines.register.items import Directory
from ibhelm_pipelines.share import LOOSE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.register.folders import FolderLink
    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class FolderReport:
    """What project folders there are.

    Attributes:
        projects: live ones of Teamwork.
        folders: project folders of the NAS.
        unmatched: of those, without a project.
        changed: rows that were written or deleted.
    """

    projects: int
    folders: int
    unmatched: int
    changed: int


def link_folders(settings: Settings) -> FolderReport:
    """Bring public.project_folders and what projects say of their folders in line with names and mappings.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    with (
        translated_errors(),
        connect(settings.require_database_url(), application="register", autocommit=True) as connection,
    ):
        return link_folders_over(connection, settings)


def link_folders_over(connection: Connection, settings: Settings) -> FolderReport:
    """Do likewise over a connection in autocommit mode."""
    sql = load_queries("register")
    general_inbox = unicodedata.normalize("NFC", settings.attachment_general_inbox)
    with connection.transaction():
        connection.execute(sql["lock_writing"])
        names: dict[int, str] = dict(connection.execute(sql["projects"]).fetchall())
        folders = connection.execute(sql["folders"], {"loose": LOOSE, "general_inbox": general_inbox}).fetchall()
        links = join_folders((folder for (folder,) in folders), names.items(), _mappings(connection))
        rows = [
            {"folder": each.folder, "project_id": each.project, "rule": each.rule,
             "confidence": each.confidence, "reason": each.reason}
            for each in links.values()
        ]  # fmt: skip
        sizes: dict[str, int] = dict(connection.execute(sql["folder_sizes"]).fetchall())
        changed = connection.execute(sql["drop_folders"], {"folders": list(links)}).rowcount
        changed += connection.execute(sql["write_folders"], {"folders": Jsonb(rows)}).rowcount
        changed += connection.execute(
            sql["write_projects"], {"projects": Jsonb(_own_columns(names, links, sizes))}
        ).rowcount
    unmatched = sum(link.project is None for link in links.values())
    return FolderReport(projects=len(names), folders=len(links), unmatched=unmatched, changed=changed)


def has_new_folders(connection: Connection, files: Sequence[int]) -> bool:
    """Return whether one of these files stands in a project folder that nobody has looked at yet."""
    values = {"ids": list(files), "loose": LOOSE}
    row = connection.execute(load_queries("register")["has_new_folders"], values).fetchone()
    return bool(row and row[0])


def read_directory(connection: Connection) -> Directory:
    """Return what is known of projects, folders and labels."""
    sql = load_queries("register")
    folders = {folder: (project, rule) for folder, project, rule in connection.execute(sql["project_folders"])}
    names: list[tuple[int, str]] = connection.execute(sql["projects"]).fetchall()
    live = {number for number, _ in names}
    names += [(project, folder.rpartition("/")[2]) for folder, (project, _) in folders.items() if project in live]
    return Directory(
        names=ProjectNames(names),
        mappings=_mappings(connection),
        folders=folders,
        labels={label: tuple(each) for label, each in connection.execute(sql["label_names"])},
    )


def _mappings(connection: Connection) -> FolderMappings:
    return FolderMappings(dict(connection.execute(load_queries("register")["folder_mappings"]).fetchall()))


def _own_columns(
    names: Mapping[int, str], links: Mapping[str, FolderLink], sizes: Mapping[str, int]
) -> list[dict[str, object]]:
    """Return number and main folder of each project: of several the one with the most files."""
    folders: dict[int, list[str]] = defaultdict(list)
    for folder, link in sorted(links.items()):
        if link.project is not None:
            folders[link.project].append(folder)
    return [
        {
            "id": number,
            "number": read_name(name).number,
            "nas_folder": max(folders[number], key=lambda folder: sizes.get(folder, 0), default=None),
        }
        for number, name in names.items()
    ]
