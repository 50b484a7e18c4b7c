"""Joins the project folders of the NAS with projects: by an explicit mapping, else the number, else the whole name.

A pure function of names: never by a part of a word, and where two projects fit, none is taken (lesson 15).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.project_names import ProjectNames, read_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BY_MAPPING, BY_NUMBER, BY_NAME = "Zuordnung", "Nummer", "Name"
"""Why a folder belongs to a project, in the office's words."""

_CONFIDENCE = {BY_MAPPING: 1.0, BY_NUMBER: 1.0, BY_NAME: 0.95}


@dataclass(frozen=True, kw_only=True)
class FolderLink:
    """A project folder with its project, or with the reason why it has none."""

    folder: str
    project: int | None = None
    rule: str | None = None
    reason: str | None = None

    @property
    def confidence(self) -> float | None:
        return _CONFIDENCE[self.rule] if self.rule else None


class FolderMappings:
    """Folders that belong to a project because a person says so, with all below them.

    Args:
        mappings: project by path below the NAS root.
    """

    def __init__(self, mappings: Mapping[str, int]) -> None:
        self._mappings = {unicodedata.normalize("NFC", folder): project for folder, project in mappings.items()}

    def project_of(self, path: str) -> int | None:
        """Return the project of the longest mapped folder that a path is, or stands in."""
        folder = path
        while self._mappings and folder:
            if folder in self._mappings:
                return self._mappings[folder]
            folder = folder.rpartition("/")[0]
        return None


def join_folders(
    folders: Iterable[str], projects: Iterable[tuple[int, str]], mappings: FolderMappings
) -> dict[str, FolderLink]:
    """Return each folder with what it belongs to.

    Args:
        folders: paths below the root, in NFC.
        projects: ids and names.
        mappings: what people said.
    """
    names = ProjectNames(projects)
    return {folder: _link(folder, names, mappings) for folder in folders}


def _link(folder: str, names: ProjectNames[int], mappings: FolderMappings) -> FolderLink:
    mapped = mappings.project_of(folder)
    if mapped is not None:
        return FolderLink(folder=folder, project=mapped, rule=BY_MAPPING)
    own_name = folder.rpartition("/")[2]
    name = read_name(own_name)
    numbered, named = names.with_number(name.number), names.named(own_name)
    if len(numbered) == 1:
        return FolderLink(folder=folder, project=next(iter(numbered)), rule=BY_NUMBER)
    candidates = numbered & named if numbered else named
    if len(candidates) == 1:
        return FolderLink(folder=folder, project=next(iter(candidates)), rule=BY_NAME)
    return FolderLink(folder=folder, reason=_why_none(name.number, len(numbered), len(named)))


def _why_none(number: str, numbered: int, named: int) -> str:
    if numbered > 1:
        return f"Die Nummer {number} haben mehrere Projekte"
    if named > 1:
        return "Diesen Namen haben mehrere Projekte"
    return (
        f"Kein Projekt mit der Nummer {number}, keines mit diesem Namen" if number else "Kein Projekt hat diesen Namen"
    )
