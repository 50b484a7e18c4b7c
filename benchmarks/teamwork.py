"""Times reading all of Teamwork into the tables against merely fetching the same pages.

    python -m benchmarks.teamwork [--tasks 50000]

A simulated Teamwork.com (with half as many comments and half as many time entries) runs in a process of its own; the
reference asks it for the same pages with requests and reads their JSON. Subject and reference take turns, each first
reading goes into an empty database. Prints rows per second, the ratio of the medians, the processor time and peak
memory of the syncing process, and the same for a reading of everything without changes and for a quick one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
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

from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.demo.teamwork.server import TOKEN
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.vendors.teamwork.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.vendors.teamwork.resources import Resource

ROUNDS = 3
PLENTY = 1_000_000
CHANGES = 50
SYNC = """
import json, resource, sys, time
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.teamwork.sync import sync
settings = Settings(_env_file=None)
started = time.perf_counter()
report = sync(settings, full=sys.argv[1] == "full")
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "seconds": time.perf_counter() - started,
    "cpu": used.ru_utime + used.ru_stime,
    "mib": used.ru_maxrss // 1024,
    "requests": sum(each.requests for each in report.assets.values()),
    "rows": sum(each.counts.seen for each in report.assets.values()),
    "changes": sum(each.counts.changes for each in report.assets.values()),
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=50_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name:
        Path(name).chmod(0o711)
        server = EmbeddedPostgres(folder=Path(name) / "postgres")
        server.start()
        try:
            with simulator(args.tasks) as url:
                measure(server, url)
        finally:
            server.stop()


@contextmanager
def simulator(tasks: int) -> Iterator[str]:
    """Run a simulated Teamwork.com; yields its address."""
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "simulate-teamwork", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--tasks", str(tasks), "--rate-limit", str(PLENTY)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split(" at ")[1].split(",")[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def measure(server: EmbeddedPostgres, teamwork: str) -> None:
    fetch(teamwork)  # once, so that the simulator remembers what its lists hold
    ratios, database = [], ""
    for number in range(ROUNDS):
        reference, rows = fetch(teamwork)
        database = fresh_database(server, number)
        subject = sync(database, teamwork, "full")
        ratios.append(subject["seconds"] / reference)
        print(f"first reading: {described(subject)}; {rows} rows fetched in {reference:.1f} s; {ratios[-1]:.2f} x")
    print(f"first reading: {statistics.median(ratios):.2f} x merely fetching")
    again = sync(database, teamwork, "full")
    assert not again["changes"], "nothing had changed"
    print(f"without changes: {described(again)}")
    requests.post(f"{teamwork}/_simulator/mutate", json={"seed": 1, "count": CHANGES}, timeout=60).raise_for_status()
    print(f"quick, after {CHANGES} changes: {described(sync(database, teamwork, 'quick'))}")


def fetch(teamwork: str) -> tuple[float, int]:
    """The reference: return in how many seconds all pages come, and how many rows stand in them."""
    started, rows = time.perf_counter(), 0
    with requests.Session() as session:
        session.trust_env = False
        session.auth = (TOKEN, "x")
        for resource in RESOURCES:
            rows += fetch_list(session, teamwork, resource)
    return time.perf_counter() - started, rows


def fetch_list(session: requests.Session, teamwork: str, resource: Resource) -> int:
    order = {"orderBy": resource.order, "orderMode": "asc"} if resource.order else {}
    rows, number, more = 0, 1, True
    while more:
        asked = {**resource.parameters, **order, "page": str(number), "pageSize": str(resource.page_rows)}
        answer = session.get(f"{teamwork}{resource.path}.json", params=asked, timeout=60)
        answer.raise_for_status()
        body = json.loads(answer.content)
        rows += len(body[resource.key] or ())
        number, more = number + 1, bool(body.get("meta", {}).get("page", {}).get("hasMore"))
    return rows


def fresh_database(server: EmbeddedPostgres, number: int) -> str:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"create database first_reading_{number}")
    url = server.url(f"first_reading_{number}")
    migrate(url)
    return url


def sync(database: str, teamwork: str, how: str) -> dict[str, float]:
    """Sync in a process of its own."""
    environment = os.environ | {
        "IBHELM_DATABASE_URL": database,
        "IBHELM_TEAMWORK_URL": teamwork,
        "IBHELM_TEAMWORK_TOKEN": TOKEN,
        "IBHELM_TEAMWORK_EXCLUDED_PROJECTS": "none",
        "IBHELM_TEAMWORK_EXCLUDED_COMPANIES": "none",
        "IBHELM_TEAMWORK_REQUESTS_PER_MINUTE": str(PLENTY),
    }
    command = [sys.executable, "-c", SYNC, how]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def described(figures: dict[str, float]) -> str:
    return (
        f"{figures['rows']} rows in {figures['seconds']:.1f} s ({figures['rows'] / figures['seconds']:,.0f} rows/s),"
        f" {figures['requests']} requests, {figures['cpu']:.1f} s of CPU, {figures['mib']} MiB"
    )


if __name__ == "__main__":
    main()
