"""Generates the made-up office: a NAS tree for demos and tests, and beside it the truth about each file in it.

The same arguments give the same tree, byte for byte, with the same modification times: tests may rely on it. The tree
appears whole or not at all; the truth stands outside of it, as one JSON object a line:

    path, size, sha256, kind (Angebot, Plan, ...), project (its number, or its name where it has none),
    cost_group (DIN 276), place (building, level, room),
    told_by (for each of cost_group, building, level and room that is true: folder, name or text; null where only a
    picture tells it), mentions (cost groups of which it treats among others),
    duplicate_of (path of the first file with the same bytes), defect (empty, broken or encrypted),
    junk (true: the platform must leave this file out; all but the path is null)

What does not apply is null.
"""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib
import json
import os
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from ibhelm_pipelines.demo import drawings, letters, ooxml, papers, pictures
from ibhelm_pipelines.demo.model import LAST_DAY, OfficeFile, Project, Recipe, make_projects
from ibhelm_pipelines.demo.oddities import JUNK, misfiled_files, odd_files
from ibhelm_pipelines.demo.telling import told_by
from ibhelm_pipelines.demo.vocabulary import OFFICE_NAME, STAFF
from ibhelm_pipelines.errors import ConfigurationError

MARKER = ".ibhelm-share"
TRUTH = "truth.jsonl"
MIN_FILES = 46  # one of each recipe and oddity
DUPLICATE_SHARE = 0.07
NFD_SHARE = 0.3  # names that a Mac wrote
_KNOWN = (
    *("project", "kind", "cost_group", "place", "told_by", "mentions", "size", "sha256", "duplicate_of", "defect"),
)

# Recipe: how often, beside the others.
RECIPES: dict[Recipe, int] = {
    letters.offer: 10,
    letters.invoice: 10,
    letters.minutes: 12,
    letters.bill_of_quantities: 4,
    letters.heat_load: 4,
    letters.test_report: 8,
    letters.supplement: 6,
    drawings.floor_plan: 10,
    drawings.riser_scheme: 4,
    drawings.dxf_plan: 4,
    pictures.photos: 4,
    pictures.scan: 5,
    pictures.fax: 1,
    pictures.screenshot: 2,
    papers.memo: 6,
    papers.cost_estimate: 3,
    papers.talk: 2,
    papers.note: 7,
    papers.room_list: 3,
    papers.export: 4,
    papers.mail: 6,
}


@dataclass(frozen=True, kw_only=True)
class OfficeSummary:
    """What was generated: where, and how much of it."""

    root: Path
    truth: Path
    files: int
    projects: int
    junk: int
    size_bytes: int


@dataclass(kw_only=True)
class _Tree:
    """The tree in the making: writes each file once and keeps what is true about it."""

    root: Path
    first_with: dict[str, str] = field(default_factory=dict)
    truth: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, file: OfficeFile, project: Project | None, rng: Random) -> None:
        """Write a file below its project's folder."""
        folder = f"{project.folder}/{file.folder}" if project else file.folder
        self.add_at(folder, file, project.number if project else None, rng)

    def add_at(self, folder: str, file: OfficeFile, project: str | None, rng: Random) -> None:
        """Write a file into a folder; a name that is taken gets a number."""
        path = self._free_path(folder.rstrip("/"), file.name)
        digest = hashlib.sha256(file.data).hexdigest()
        self.truth[path] = {
            "path": path,
            "project": project,
            "kind": file.kind,
            "cost_group": file.cost_group,
            "place": asdict(file.place) if file.place else None,
            "told_by": told_by(path, file),
            "mentions": list(file.mentions),
            "size": len(file.data),
            "sha256": digest,
            "duplicate_of": self.first_with.get(digest),
            "defect": file.defect,
            "junk": False,
        }
        self.first_with.setdefault(digest, path)
        self.write(path, file.data, file.day, rng)

    def _free_path(self, folder: str, name: str) -> str:
        stem, dot, suffix = name.rpartition(".")
        path, number = f"{folder}/{name}".lstrip("/"), 2
        while path in self.truth:
            path, number = f"{folder}/{stem} ({number}){dot}{suffix}".lstrip("/"), number + 1
        return path

    def add_junk(self, path: str, rng: Random) -> None:
        self.truth[path] = {"path": path, **dict.fromkeys(_KNOWN), "junk": True}
        self.write(path, b"junk", LAST_DAY, rng)

    def write(self, path: str, data: bytes, day: dt.date, rng: Random) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        when = calendar.timegm(day.timetuple()) + rng.randrange(7 * 3600, 17 * 3600)
        os.utime(target, (when, when))


def _loose_files() -> list[OfficeFile]:
    """Files above the project folders."""
    day = LAST_DAY - dt.timedelta(days=30)
    staff = [("Name", "Kürzel"), *STAFF]
    phones = ooxml.xlsx(staff, sheet="Telefon", author=OFFICE_NAME, day=day)
    letterhead = ooxml.docx([OFFICE_NAME, "Sehr geehrte Damen und Herren,"], author=OFFICE_NAME, day=day)
    return [
        OfficeFile(folder="", name="Telefonliste.xlsx", data=phones, kind="Liste", day=day),
        OfficeFile(folder="projekte", name="Ablagestruktur.txt", data=b"Siehe QM-Handbuch\n", kind="Notiz", day=day),
        OfficeFile(folder="büro/vorlagen", name="Briefkopf.docx", data=letterhead, kind="Vorlage", day=day),
    ]


def _recipes(rng: Random) -> Iterator[Recipe]:
    """Each recipe once, then for ever by weight."""
    yield from RECIPES
    while True:
        yield from rng.choices(list(RECIPES), weights=list(RECIPES.values()), k=64)


def _apple(file: OfficeFile, rng: Random) -> OfficeFile:
    """Some names were written by Macs, which decompose umlauts."""
    if rng.random() >= NFD_SHARE:
        return file
    return replace(file, name=unicodedata.normalize("NFD", file.name))


def _copy(file: OfficeFile, rng: Random) -> OfficeFile:
    """The same bytes elsewhere: mailed, filed twice, kept for safety."""
    stem, _, suffix = file.name.rpartition(".")
    folder = rng.choice(("IBH-INBOX", "00_Projektorganisation/Zur Prüfung", file.folder))
    return replace(file, folder=folder, name=f"{stem} - Kopie.{suffix}")


def _works(projects: list[Project], seed: int) -> Iterator[tuple[Project, OfficeFile]]:
    """The files of the projects, without end; a generator for each, so that a change in one leaves the rest alone."""
    rng = Random(f"{seed} works")
    done: list[tuple[Project, OfficeFile]] = []
    for number, recipe in enumerate(_recipes(rng)):
        project = rng.choice(projects)
        for file in recipe(project, Random(f"{seed} {number}")):
            done.append((project, _apple(file, rng)))
            yield done[-1]
        if number > len(RECIPES) // 2 and rng.random() < DUPLICATE_SHARE:
            project, file = rng.choice(done)
            yield project, _copy(file, rng)


def _fill(tree: _Tree, projects: list[Project], files: int, seed: int) -> None:
    rng = Random(f"{seed} tree")
    for file in _loose_files():
        tree.add(file, None, rng)
    for file in odd_files(projects[0], Random(f"{seed} odd")):
        tree.add(file, projects[0], rng)
    misfiled = misfiled_files(projects)
    for project, file in _works(projects, seed):
        if len(tree.truth) >= files - len(misfiled):
            break
        tree.add(file, project, rng)
    for folder, key, file in misfiled:
        tree.add_at(folder, file, key, rng)
    for project in projects:
        for junk in rng.sample(JUNK, 4):
            tree.add_junk(f"{project.folder}/{rng.choice(('03_Planung', '05_Fotos', 'IBH-INBOX'))}/{junk}", rng)
    for junk in JUNK:
        tree.add_junk(f"{projects[0].folder}/09_Schriftverkehr/{junk}", rng)


def generate_office(root: Path, *, files: int, projects: int, seed: int) -> OfficeSummary:
    """Write a NAS tree to `root` and the truth about it to `truth.jsonl` beside `root`.

    Args:
        root: the NAS folder; must not exist yet.
        files: live files (junk comes on top), at least 46.
        projects: project folders, at least 3.
        seed: another seed makes another office.

    Raises:
        ConfigurationError: the folder exists, or too little is asked for.
    """
    if root.exists():
        raise ConfigurationError(f"{root} exists already.", next_step="Remove it first, or name another folder.")
    if files < MIN_FILES or projects < 3:
        raise ConfigurationError(
            f"{files} files in {projects} projects make no office.",
            next_step=f"Ask for at least {MIN_FILES} files and 3 projects.",
        )
    tree = _Tree(root=_new_folder(root.with_name(f"{root.name}.partial")))
    _fill(tree, make_projects(projects, Random(f"{seed} projects")), files, seed)
    (tree.root / MARKER).write_text("This file proves that the share is mounted.\n", encoding="utf-8")
    truth = root.parent / TRUTH
    truth.write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in tree.truth.values()), encoding="utf-8"
    )
    tree.root.rename(root)
    live = [line for line in tree.truth.values() if not line["junk"]]
    return OfficeSummary(
        root=root,
        truth=truth,
        files=len(live),
        projects=projects,
        junk=len(tree.truth) - len(live),
        size_bytes=sum(line["size"] for line in live),
    )


def _new_folder(path: Path) -> Path:
    """An empty folder, even where a killed run left half an office."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
