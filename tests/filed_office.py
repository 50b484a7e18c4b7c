"""The made-up office as the register sees it: a generated NAS, both simulators with what their people filed, the rows
of all three in a database, and the truth beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import missive_office
import register_measures
import teamwork_office
from nas_tree import Nas

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.office import TRUTH, generate_office
from ibhelm_pipelines.demo.teamwork.filing import projects_meant, tasks_meant
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.register.linking import link_items
from ibhelm_pipelines.vendors.missive import sync as missive_sync
from ibhelm_pipelines.vendors.teamwork import sync as teamwork_sync

if TYPE_CHECKING:
    from pathlib import Path

    from register_measures import Measure

    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large an office is."""

    files: int
    projects: int
    tasks: int
    conversations: int
    seed: int = 7


class Vendors:
    """Both simulators, which forget what a test did to them."""

    def __init__(self, size: Size) -> None:
        shape = {"seed": size.seed, "projects": size.projects, "filed": True}
        self.teamwork = TeamworkSimulator(**shape, tasks=size.tasks, rate_limit=teamwork_office.PLENTY)
        self.missive = MissiveSimulator(**shape, conversations=size.conversations, rate_limit=False)
        self._kept = json.dumps([self.teamwork.as_json(), self.missive.as_json()])

    def start(self) -> None:
        """Serve."""
        self.teamwork.start()
        self.missive.start()

    def stop(self) -> None:
        """Serve no more."""
        self.teamwork.stop()
        self.missive.stop()

    def restore(self) -> None:
        """Be as in the beginning."""
        teamwork, missive = json.loads(self._kept)
        self.teamwork.take(teamwork)
        self.missive.take(missive)


class FiledOffice:
    """Reads the office into a database, links, and measures.

    Args:
        settings: name the database and the NAS.
        vendors: what Teamwork and Missive say.
    """

    def __init__(self, settings: Settings, vendors: Vendors) -> None:
        self.settings, self.vendors, self.nas = settings, vendors, Nas(settings)
        self.url = settings.require_database_url()

    def read_nas(self, *, folders: list[str] | None = None) -> None:
        """Scan, and read the texts of what is new."""
        scan(self.settings, folders=folders)
        run_step("text", self.settings)

    def read_teamwork(self, *, full: bool = False, **more: Any) -> None:
        """Sync Teamwork; more settings."""
        settings = teamwork_office.connected(self.settings, self.vendors.teamwork, **more)
        teamwork_sync.sync(settings, full=full)

    def read_missive(self, *, full: bool = False) -> None:
        """Sync Missive."""
        missive_sync.sync(missive_office.connected(self.settings, self.vendors.missive), full=full)

    def link(self) -> None:
        """Run the register."""
        link_items(self.settings)

    def read_everything(self, *, full: bool = False) -> None:
        """Bring all rows up to date, and link them."""
        self.read_nas()
        self.read_teamwork(full=full)
        self.read_missive(full=full)
        self.link()

    def projects(self) -> dict[str, int]:
        """Return Teamwork's ids of projects by what the truth calls them."""
        return projects_meant(self.vendors.teamwork.office)

    def measures(self) -> list[Measure]:
        """Compare all links with the truth."""
        return [
            *register_measures.measure_files(self.url, self.truth(), self.projects()),
            *register_measures.measure_tasks(self.url, tasks_meant(self.vendors.teamwork.office)),
            *register_measures.measure_conversations(self.url, self.vendors.missive.meant(), self.projects()),
        ]

    def truth(self) -> list[dict[str, Any]]:
        """Return what is true about each file."""
        lines = (self.nas.root.parent / TRUTH).read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


def generate(root: Path, size: Size) -> Path:
    """Make the NAS of an office of this size below a folder; return it."""
    generate_office(root / "nas", files=size.files, projects=size.projects, seed=size.seed)
    return root / "nas"
