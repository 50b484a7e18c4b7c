"""Teamwork as rows: projects and people, tasks, comments, time. Four assets without partitions, read in this order.

Each reads what changed since its last reading. `full` reads everything and finds what vanished; projects or days read
that part again. The job `sync_teamwork` does the same work; these are for the button, and for the graph.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
from collections.abc import Callable

import dagster as dg
from pydantic import Field

from assets.folder_asset import CODE_VERSION, OWNERS
from assets.reporting import ROW_COUNT, Numbers, is_on
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.teamwork.sync import AssetReport, Window, sync
from resources import vendors
from resources.platform import Platform

UPSTREAM = {
    "teamwork_directory": "teamwork",
    "teamwork_tasks": "teamwork_directory",
    "teamwork_comments": "teamwork_tasks",
    "teamwork_time": "teamwork_tasks",
}
"""What each asset needs to be there before it is read."""

TEAMWORK = dg.AssetSpec(
    "teamwork",
    group_name="sources",
    kinds={"api"},
    description="The office's Teamwork.com: read over its API, never written.",
)


class SyncConfig(dg.Config):
    """What to read; nothing said: what changed since the last time."""

    full: bool = Field(default=False, description="Read everything, and find what vanished")
    projects: list[int] = Field(default=[], description="Backfill: ids of the projects to read again")
    since: str | None = Field(default=None, description="Backfill: first day of changes to read again, as 2026-01-31")
    until: str | None = Field(default=None, description="Backfill: last day of changes to read again, as 2026-01-31")
    confirm_deletions: bool = Field(
        default=False, description="With full: all that vanished is meant to be gone, however much it is"
    )

    def window(self) -> Window | None:
        """Return which part is read again, if it is a backfill.

        Raises:
            ConfigurationError: a day cannot be read, or everything is wanted too.
        """
        if not (self.projects or self.since or self.until):
            return None
        if self.full:
            raise ConfigurationError(
                "A full reading has everything: projects or days make no sense with it.",
                next_step="Leave out either `full` or the rest.",
            )
        return Window(projects=tuple(self.projects), since=_day(self.since), until=_day(self.until))


def read_asset(
    settings: Settings, name: str, config: SyncConfig, progress: Callable[[str], None] = lambda _: None
) -> AssetReport:
    """Read one asset as the configuration says; raises what `sync` raises."""
    report = sync(
        settings,
        assets=[name],
        full=config.full,
        window=config.window(),
        confirm_deletions=config.confirm_deletions,
        progress=progress,
    )
    return report.assets[name]


def sync_numbers(report: AssetReport) -> Numbers:
    """Return what a sync did for one asset."""
    return {
        **vars(report.counts),
        ROW_COUNT: report.rows,
        "requests": report.requests,
        "seconds": report.seconds,
        "full": int(report.full),
        "refused": report.refused,
    }


def _day(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ConfigurationError(f"{text} is no day.", next_step="Write it as 2026-01-31.") from error


def _asset(name: str, description: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        deps=[TEAMWORK if UPSTREAM[name] == "teamwork" else UPSTREAM[name]],
        group_name="teamwork",
        kinds={"postgres"},
        description=description,
        owners=OWNERS,
        code_version=CODE_VERSION,
    )
    def read(context: dg.AssetExecutionContext, config: SyncConfig, platform: Platform) -> dg.MaterializeResult[None]:
        with platform.working(context, asset=name) as settings:
            if not is_on(context, vendors.TEAMWORK, settings):
                return dg.MaterializeResult(metadata={"off": vendors.TEAMWORK.off})
            report = read_asset(settings, name, config)
        return dg.MaterializeResult(metadata=sync_numbers(report))

    return read


teamwork_directory = _asset(
    "teamwork_directory",
    "Companies, people, teams, tags, projects, task lists, milestones and custom fields of Teamwork, live or deleted.",
)
teamwork_tasks = _asset(
    "teamwork_tasks",
    "Tasks of Teamwork with their assignees, tags, predecessors and custom values; the description as HTML and text.",
)
teamwork_comments = _asset("teamwork_comments", "Comments on tasks of Teamwork, as HTML and text.")
teamwork_time = _asset("teamwork_time", "Time entries of Teamwork with their tags.")
