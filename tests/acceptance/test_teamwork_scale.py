"""An office of the size that the issue asks for: how often Teamwork is asked, how fast, and in how much memory.

The numbers of requests are those of the vendor: a page has 500 rows, and a reading of everything needs a tenth more
requests than pages at most.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import pytest
import tables
from teamwork_mirror import differences
from teamwork_office import PLENTY, connected

from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.errors import VendorUnavailableError
from ibhelm_pipelines.vendors.teamwork.resources import DIRECTORY, RESOURCES, TASKS
from ibhelm_pipelines.vendors.teamwork.sync import sync

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

MOST_MIB = 300
SPARE = 1.1
CHANGES = 20
EVERYDAY = ("create task", "edit task", "complete task", "delete task", "create comment", "edit time", "rename tags")
"""Changes of single rows; a deleted tag may be a change of thousands of tasks."""

SYNC = """
import json, re, sys
from pathlib import Path
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.teamwork.sync import sync
report = sync(Settings(_env_file=None), full=sys.argv[1] == "full")
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps({"requests": {name: each.requests for name, each in report.lists.items()},
                  "seen": sum(each.counts.seen for each in report.lists.values()),
                  "changes": sum(each.counts.changes for each in report.lists.values()),
                  "mib": int(peak[1]) / 1024}))
"""


@dataclass(frozen=True)
class Figures:
    """What one sync needed."""

    requests: dict[str, int]
    seen: int
    changes: int
    mib: float


def sync_in_own_process(settings: Settings, how: str) -> Figures:
    assert settings.teamwork_token is not None
    environment = os.environ | {
        "IBHELM_STATE_DIR": str(settings.state_dir),
        "IBHELM_DATABASE_URL": settings.require_database_url(),
        "IBHELM_TEAMWORK_URL": str(settings.teamwork_url),
        "IBHELM_TEAMWORK_TOKEN": settings.teamwork_token.get_secret_value(),
        "IBHELM_TEAMWORK_EXCLUDED_PROJECTS": "none",
        "IBHELM_TEAMWORK_EXCLUDED_COMPANIES": "none",
        "IBHELM_TEAMWORK_REQUESTS_PER_MINUTE": str(settings.teamwork_requests_per_minute),
    }
    command = [sys.executable, "-c", SYNC, how]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Figures(**json.loads(done.stdout))


def fewest(teamwork: TeamworkSimulator) -> int:
    """Return how many pages there are, at least one in every list."""
    truth = teamwork.truth()
    return sum(max(1, ceil(len(truth[resource.name]) / resource.page_rows)) for resource in RESOURCES)


@pytest.mark.parametrize(
    "tasks",
    [
        5_000,
        # 210 requests: more than the vendor allows in a minute.
        pytest.param(50_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
def test_all_of_a_large_office_is_read_within_bounds(settings: Settings, tasks: int) -> None:
    limit = 150
    with TeamworkSimulator(projects=60, tasks=tasks, rate_limit=limit) as teamwork:
        office = connected(settings, teamwork, teamwork_requests_per_minute=limit)

        first = sync_in_own_process(office, "full")
        assert sum(first.requests.values()) <= SPARE * fewest(teamwork)
        assert teamwork.requests.total == sum(first.requests.values()), "no request is made that is not counted"
        assert first.seen >= 2 * tasks
        assert first.mib < MOST_MIB
        assert differences(office, teamwork.truth()) == []

        # Many rows of the office changed in its last second: they come again until something newer does.
        teamwork.mutate(seed=1, count=100, names=EVERYDAY)
        sync_in_own_process(office, "quick")
        teamwork.mutate(seed=2, count=CHANGES, names=EVERYDAY)
        quick = sync_in_own_process(office, "quick")
        assert quick.changes > 0
        assert quick.requests["comments"] == quick.requests["time_entries"] == 1
        assert sum(quick.requests.values()) <= len(RESOURCES) + CHANGES

        log = teamwork.requests
        assert log.refused == log.by_status[429] == 0
        assert log.most_in_a_window <= limit


def test_a_list_of_more_rows_than_teamwork_gives_at_once_is_read_completely_or_not_at_all(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as the soak test below, with a smaller limit on both sides."""
    monkeypatch.setattr("ibhelm_pipelines.demo.teamwork.api_v3.MAX_RECORDS", 1_000)
    monkeypatch.setattr("ibhelm_pipelines.vendors.teamwork.reading.MAX_QUERY_ROWS", 1_000)
    read_more_than_one_query(settings, most=1_000)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_list_of_more_than_50000_rows_is_read_completely_or_not_at_all(settings: Settings) -> None:
    read_more_than_one_query(settings, most=50_000)


def read_more_than_one_query(settings: Settings, *, most: int) -> None:
    with TeamworkSimulator(projects=10, tasks=2 * most + 100, rate_limit=PLENTY) as teamwork:
        office = connected(settings, teamwork)
        sync(office)
        assert differences(office, teamwork.truth()) == []

        with teamwork.office.lock:
            for row in teamwork.office.tables["tasks"].values():
                row["updatedAt"] = "2026-11-01T12:00:00Z"  # all of them were edited at once
            for number in range(most + 1):
                tag = {"name": f"{number}", "color": "", "projectId": None, "_gone": False, "_updatedAt": ""}
                teamwork.office.add("tags", tag)
        before = live_tasks(office)
        for asset in (TASKS, DIRECTORY):  # in an order that says nothing, and in none
            with pytest.raises(VendorUnavailableError, match="gives no more than"):
                sync(office, assets=[asset], full=True, confirm_deletions=True)
        assert live_tasks(office) == before


def live_tasks(settings: Settings) -> list[tuple[int, ...]]:
    query = "select count(*) from tasks where deleted_at is null"
    return tables.ask(settings.require_database_url(), query)
