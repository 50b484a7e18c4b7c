"""The register: which project, cost group, place, kind of document and people everything belongs to, and what happened.
Assets without partitions; each is recomputed from the tables, and what differs is written.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Callable

import dagster as dg

from assets.folder_asset import CODE_VERSION, OWNERS
from assets.reporting import ROW_COUNT, Numbers
from ibhelm_pipelines.register.activity import ActivityChange, keep_activity
from ibhelm_pipelines.register.linking import LinkReport, link_items
from ibhelm_pipelines.register.people import PeopleReport, merge_people
from ibhelm_pipelines.register.projects import FolderReport, link_folders
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform

GROUP = "register"

UPSTREAM = {
    "projects": ["nas_files", "teamwork_directory"],
    "item_links": ["projects", "extracted_text", "teamwork_tasks", "missive_emails"],
    "people": ["item_links", "missive_directory", "teamwork_time", "teamwork_comments"],
    "activity": ["item_links", "missive_comments", "teamwork_comments", "teamwork_time"],
}
"""What each asset is made of; in the order in which they are made."""


def make_asset(
    settings: Settings, name: str, *, everything: bool = False, progress: Callable[[str], None] = lambda _: None
) -> Numbers:
    """Recompute one asset and return what was done; raises what the functions of the register raise.

    Args:
        settings: of this process.
        name: of the asset.
        everything: also links of which nothing that decides has changed.
        progress: told what is being done.
    """
    match name:
        case "projects":
            return _folder_numbers(link_folders(settings))
        case "item_links":
            return _link_numbers(link_items(settings, everything=everything, progress=progress))
        case "people":
            return _people_numbers(merge_people(settings, progress))
        case _:
            return _activity_numbers(keep_activity(settings, everything=everything))


def _folder_numbers(report: FolderReport) -> Numbers:
    return {**vars(report), ROW_COUNT: report.projects}


def _link_numbers(report: LinkReport) -> Numbers:
    counts = {f"{item}_{name}": count for item, each in report.counts.items() for name, count in each.items()}
    looked_at = {f"{item}_looked_at": count for item, count in report.looked_at.items()}
    seconds = round(report.seconds, 3)
    return {
        **counts,
        **looked_at,
        "changed": report.changed,
        "folders_unmatched": report.unmatched_folders,
        "seconds": seconds,
    }


def _people_numbers(report: PeopleReport) -> Numbers:
    touched = (report.new, report.merged, report.split, report.changed, report.removed, report.participants_changed)
    return {**vars(report), "changed": sum(touched), ROW_COUNT: report.persons}


def _activity_numbers(change: ActivityChange) -> Numbers:
    return {**vars(change), "changed": change.added + change.removed}


def _asset(name: str, description: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        deps=UPSTREAM[name],
        group_name=GROUP,
        kinds={"postgres"},
        description=description,
        owners=OWNERS,
        code_version=CODE_VERSION,
    )
    def make(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
        with platform.working(context, asset=name) as settings:
            numbers = make_asset(settings, name, everything=True)
        return dg.MaterializeResult(metadata=numbers)

    return make


projects = _asset("projects", "Projects with their number and their folder on the NAS; folders of no project.")
item_links = _asset(
    "item_links",
    "What files, tasks and conversations belong to: project, cost group (DIN 276), place, kind of document; each with"
    " the rule that decided. What a person decided stays.",
)
people = _asset(
    "people", "People, merged from Teamwork, Missive and the owners of files; who takes part in which project."
)
activity = _asset(
    "activity",
    "What happened on files, tasks and mails, when, by whom, by project; a new sync or scan adds nothing to it.",
)
