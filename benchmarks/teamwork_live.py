"""Times the way from a change in Teamwork to its row, over its webhook, against one bare GET of the same task.

    python -m benchmarks.teamwork_live [--changes 40] [--tasks 5000]

The receiver and one worker run as processes; the simulator signs and posts as Teamwork does. The clock runs from the
edit in the simulator until another connection sees the new name in `tasks`. Prints median, 95th percentile and worst.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import requests
from pydantic import SecretStr

from benchmarks._pipeline import pipeline_url
from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.teamwork.sync import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

BY = 2336
SECRET = "secret of the benchmark"
PORT = 18_010
PER_MINUTE = 150
"""The budget of a real account: the worker waits for it as it would there."""

PATIENCE_SECONDS = 60
PAUSE_SECONDS = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=40)
    parser.add_argument("--tasks", type=int, default=5000)
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name,
        TeamworkSimulator(tasks=args.tasks, rate_limit=1_000_000) as teamwork,
    ):
        folder = Path(name)
        folder.chmod(0o711)
        server = EmbeddedPostgres(folder=folder / "postgres")
        server.start()
        try:
            measure(teamwork, pipeline_url(server), folder, args.changes)
        finally:
            server.stop()


def measure(teamwork: TeamworkSimulator, database: str, folder: Path, changes: int) -> None:
    settings = settings_of(teamwork, database, folder)
    sync(settings.model_copy(update={"teamwork_requests_per_minute": 1_000_000}))
    url = f"http://127.0.0.1:{PORT}/webhooks/teamwork"
    teamwork.webhooks.add(event="TASK.UPDATED", url=url, version="2", content_type="application/json", token=SECRET)
    with processes(settings):
        seconds = [seconds_to_row(teamwork, database, number) for number in range(changes)]
        reference = statistics.median(seconds_to_get(teamwork) for _ in range(changes))
    seconds.sort()
    median = statistics.median(seconds)
    print(
        f"webhook to row: median {median:.2f} s, 95th percentile {seconds[int(0.95 * len(seconds))]:.2f} s,"
        f" worst {seconds[-1]:.2f} s of {len(seconds)};"
        f" {median / reference:.1f} x one bare GET ({reference * 1000:.0f} ms)"
    )


def settings_of(teamwork: TeamworkSimulator, database: str, folder: Path) -> Settings:
    nas = folder / "nas"
    nas.mkdir()
    return Settings(
        _env_file=None,
        nas_root=nas,
        state_dir=folder / "state",
        database_url=SecretStr(database),
        s3_endpoint="http://127.0.0.1:9",
        teamwork_url=teamwork.url,
        teamwork_token=SecretStr(teamwork.token),
        teamwork_excluded_projects=("none",),
        teamwork_excluded_companies=("none",),
        teamwork_requests_per_minute=PER_MINUTE,
        teamwork_webhook_secret=SecretStr(SECRET),
        webhooks_port=PORT,
    )


@contextmanager
def processes(settings: Settings) -> Iterator[None]:
    """Run the receiver and a worker until the end of the block."""
    given = settings.model_dump(exclude_none=True, exclude_defaults=True)
    written = {f"IBHELM_{name.upper()}": _written(value) for name, value in given.items()}
    commands = [[sys.executable, "-m", "ibhelm_pipelines.cli", command] for command in ("webhooks", "work")]
    started = [subprocess.Popen(command, env=os.environ | written, stderr=subprocess.DEVNULL) for command in commands]
    try:
        wait_until_listening()
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def _written(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def wait_until_listening() -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            requests.get(f"http://127.0.0.1:{PORT}/healthz", timeout=1)
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            time.sleep(PAUSE_SECONDS)  # for the worker
            return
    raise TimeoutError("the receiver does not listen")


def seconds_to_row(teamwork: TeamworkSimulator, database: str, number: int) -> float:
    """Edit a task; return when its row has the new name."""
    time.sleep(PAUSE_SECONDS)
    tasks = list(teamwork.office.live("tasks"))
    task, name = tasks[number % len(tasks)], f"Geändert {number} {time.time_ns()}"
    started = time.perf_counter()
    with teamwork.office.lock:
        actions.edit(teamwork.office, "tasks", task, BY, name=name)
    with psycopg.connect(database, autocommit=True) as connection:
        while time.perf_counter() - started < PATIENCE_SECONDS:
            row = connection.execute("select 1 from tasks where teamwork_id = %s and name = %s", [task["id"], name])
            if row.fetchone() is not None:
                return time.perf_counter() - started
            time.sleep(0.01)
    raise TimeoutError(f"task {task['id']} never got its new name")


def seconds_to_get(teamwork: TeamworkSimulator) -> float:
    task = next(iter(teamwork.office.live("tasks")))
    started = time.perf_counter()
    answer = requests.get(
        f"{teamwork.url}/projects/api/v3/tasks/{task['id']}.json", auth=(teamwork.token, "x"), timeout=30
    )
    answer.raise_for_status()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
