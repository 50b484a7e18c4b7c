"""Times the way from a change in Teamwork to its row, over its webhook, against one bare GET of the same task.

    python -m benchmarks.teamwork_live [--changes 40] [--tasks 5000]

The receiver and one worker run as processes; the simulator signs and posts as Teamwork does. The clock runs from the
edit in the simulator until another connection sees the new name in `tasks`. Prints median, 95th percentile and worst.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import requests
from pydantic import SecretStr

from benchmarks._live import PORT, SECRET, empty_office, measure, settings_of
from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.vendors.teamwork.sync import sync

BY = 2336
PER_MINUTE = 150
"""The budget of a real account: the worker waits for it as it would there."""

PAUSE_SECONDS = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=40)
    parser.add_argument("--tasks", type=int, default=5000)
    args = parser.parse_args()
    with TeamworkSimulator(tasks=args.tasks, rate_limit=1_000_000) as teamwork, empty_office() as (folder, database):
        settings = settings_of(
            folder,
            database,
            teamwork_url=teamwork.url,
            teamwork_token=SecretStr(teamwork.token),
            teamwork_excluded_projects=("none",),
            teamwork_excluded_companies=("none",),
            teamwork_requests_per_minute=PER_MINUTE,
            teamwork_webhook_secret=SecretStr(SECRET),
        )
        sync(settings.model_copy(update={"teamwork_requests_per_minute": 1_000_000}))
        url = f"http://127.0.0.1:{PORT}/webhooks/teamwork"
        teamwork.webhooks.add(event="TASK.UPDATED", url=url, version="2", content_type="application/json", token=SECRET)
        tasks = list(teamwork.office.live("tasks"))
        measure(
            settings,
            lambda number: edit(teamwork, tasks[number % len(tasks)], f"Geändert {number} {time.time_ns()}"),
            lambda: get(teamwork, tasks[0]),
            changes=args.changes,
            pause_seconds=PAUSE_SECONDS,
        )


def edit(teamwork: TeamworkSimulator, task: dict[str, Any], name: str) -> tuple[float, str, list[Any]]:
    started = time.perf_counter()
    with teamwork.office.lock:
        actions.edit(teamwork.office, "tasks", task, BY, name=name)
    return started, "select 1 from tasks where teamwork_id = %s and name = %s", [task["id"], name]


def get(teamwork: TeamworkSimulator, task: dict[str, Any]) -> None:
    url = f"{teamwork.url}/projects/api/v3/tasks/{task['id']}.json"
    requests.get(url, auth=(teamwork.token, "x"), timeout=30).raise_for_status()


if __name__ == "__main__":
    main()
