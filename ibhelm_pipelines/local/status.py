"""What runs and how the office is, asked of the services themselves and of the rows that the code writes.

Nothing is reckoned here: the numbers are those of `ops.health`, what is wrong is what the questions of db.checks and
the open alerts say (lesson 43: a status page once showed no failure while dead letters existed).
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from psycopg.rows import class_row

from ibhelm_pipelines.alerts.conditions import CHECK_PREFIX, conditions_of, plain
from ibhelm_pipelines.alerts.message import local_time
from ibhelm_pipelines.db.checks import QUESTIONS
from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.migrations import pending
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.db.question import ask
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.local import dagster_process
from ibhelm_pipelines.local.ports import HOST
from ibhelm_pipelines.local.records import (
    CODE_SERVER,
    DAEMON,
    WATCHER,
    WEB,
    WEBHOOKS,
    WEBSERVER,
    WORKER,
    log_file,
    recorded,
    supervisor_process,
)
from ibhelm_pipelines.local.stack import process_names
from ibhelm_pipelines.objects.store import ObjectStore

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path
    from typing import Any

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

DISK_SECONDS = 3.0

TITLES = {
    CODE_SERVER: "Dagster code server",
    WEBSERVER: "Dagster webserver",
    DAEMON: "Dagster daemon",
    WATCHER: "Watcher",
    WORKER: "Worker",
    WEBHOOKS: "Webhook receiver",
    WEB: "Web: search, previews",
}

LEAST_FREE_BYTES = 2 * 1024**3
"""The empty stack takes 0.3 GB; below this, Postgres runs full within days."""


@dataclass(frozen=True, kw_only=True)
class ServiceStatus:
    """One service: whether it does its work, where, and what is wrong."""

    name: str
    running: bool
    where: str = ""
    problem: str = ""

    def to_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class HealthLine:
    """One row of `ops.health`."""

    subject: str
    state: str
    number: int | None
    bytes: int | None
    since: dt.datetime | None
    detail: str


@dataclass(frozen=True, kw_only=True)
class FailureLine:
    """How many contents a step failed on for one reason."""

    step: str
    reason: str
    contents: int


@dataclass(frozen=True, kw_only=True)
class DiskLine:
    """How full the disk of a folder is, and how much of it the folder takes."""

    what: str
    path: str
    total_bytes: int | None = None
    free_bytes: int | None = None
    used_bytes: int | None = None
    is_low: bool = False
    """We need more room soon. How full the NAS is, is not our business, for we do not write to it."""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class OpenPoint:
    """Something that is wrong, and what to do about it."""

    severity: str
    text: str


@dataclass(frozen=True, kw_only=True)
class OfficeStatus:
    """All that `ibhelm status` tells."""

    services: list[ServiceStatus]
    health: list[HealthLine] = field(default_factory=list)
    failures: list[FailureLine] = field(default_factory=list)
    disks: list[DiskLine] = field(default_factory=list)
    next_ticks: dict[str, dt.datetime] = field(default_factory=dict)
    open: list[OpenPoint] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether everything runs and nothing is wrong; a warning is something: of a share that was never scanned
        nobody knows how it is."""
        return not self.broken and not self._wrong

    @property
    def broken(self) -> bool:
        """Whether something does not run, or is wrong that cannot wait."""
        return "error" in self._wrong or not all(service.running for service in self.services)

    @property
    def _wrong(self) -> set[str]:
        return {*(line.state for line in self.health), *(point.severity for point in self.open)} - {"ok"}

    def to_json(self) -> dict[str, Any]:
        return {"healthy": self.healthy, "broken": self.broken, **asdict(self)}


def stack_status(settings: Settings) -> list[ServiceStatus]:
    """Ask every service of the stack."""
    return [_supervisor(settings), _database(settings), _object_store(settings), *_processes(settings)]


def office_status(settings: Settings) -> OfficeStatus:
    """Ask every service of the stack, then the tables; where the database is not there, they are silent."""
    services = stack_status(settings)
    status = OfficeStatus(services=services, disks=_disks(settings), next_ticks=_next_ticks(settings))
    try:
        with connect(settings.require_database_url(), application="status", autocommit=True) as connection:
            return replace(status, **_from_tables(connection))
    except IbhelmError:
        return status  # the services say so already


def _from_tables(connection: Connection) -> dict[str, Any]:
    with translated_errors():
        if pending(connection):
            return {"open": [OpenPoint(severity="error", text="The database is not up to date. Run `ibhelm migrate`.")]}
        sql = load_queries("health")
        with connection.cursor(row_factory=class_row(HealthLine)) as cursor:
            health = cursor.execute(sql["health"]).fetchall()
        with connection.cursor(row_factory=class_row(FailureLine)) as failures:
            return {
                "health": health,
                "failures": failures.execute(sql["failures"]).fetchall(),
                "open": _open_points(connection),
            }


def _open_points(connection: Connection) -> list[OpenPoint]:
    """Return what is wrong: what the tables say at this moment, and the open alerts about anything else."""
    sql = load_queries("health")
    found = conditions_of(ask(connection, question.at_any_moment()) for question in QUESTIONS)
    points = [OpenPoint(severity=condition.severity, text=plain(condition.body)) for condition in found]
    for severity, title, body, opened_at in connection.execute(sql["other_alerts"], {"prefix": CHECK_PREFIX}):
        points.append(OpenPoint(severity=severity, text=f"{title}, since {local_time(opened_at)}: {body}"))
    for (reason,) in connection.execute(sql["sending_problems"]):
        points.append(OpenPoint(severity="warning", text=f"Alerts do not reach everybody: {reason}"))
    return sorted(points, key=lambda point: point.severity)


def _disks(settings: Settings) -> list[DiskLine]:
    disk = _disk("state folder", settings.state_dir)
    is_low = disk.free_bytes is not None and disk.free_bytes < LEAST_FREE_BYTES
    state_folder = replace(disk, used_bytes=_folder_bytes(settings.state_dir), is_low=is_low)
    return [state_folder, *([_disk("NAS", settings.nas_root)] if settings.nas_root else [])]


def _disk(what: str, path: Path) -> DiskLine:
    """Return how full the disk of a folder is. A mount whose server is away may keep whoever asks waiting for ever."""
    found: list[DiskLine] = []

    def look() -> None:
        try:
            usage = shutil.disk_usage(path)
        except OSError as error:
            found.append(DiskLine(what=what, path=str(path), problem=error.strerror or type(error).__name__))
        else:
            found.append(DiskLine(what=what, path=str(path), total_bytes=usage.total, free_bytes=usage.free))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(DISK_SECONDS)
    return found[0] if found else DiskLine(what=what, path=str(path), problem="does not answer")


def _folder_bytes(folder: Path) -> int | None:
    """Return how much a folder of ours takes; nothing when it has too many files to be counted while somebody waits."""
    deadline = time.monotonic() + DISK_SECONDS
    total = 0
    for parent, _, names in os.walk(folder):
        if time.monotonic() > deadline:
            return None
        total += sum(_disk_bytes(f"{parent}/{name}") for name in names)
    return total


def _disk_bytes(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * 512
    except FileNotFoundError:
        return 0  # a server at work deletes files of its own


def _next_ticks(settings: Settings) -> dict[str, dt.datetime]:
    record, port = recorded(settings.state_dir).get(WEBSERVER, (None, None))
    return dagster_process.next_ticks(f"http://{HOST}:{port}") if record is not None and record.alive() else {}


def _supervisor(settings: Settings) -> ServiceStatus:
    process = supervisor_process(settings.state_dir)
    where = f"pid {process.pid}" if process else ""
    problem = "" if process else "not running; `ibhelm up` starts the stack"
    return ServiceStatus(name="supervisor", running=process is not None, where=where, problem=problem)


def _database(settings: Settings) -> ServiceStatus:
    try:
        url = settings.require_database_url()
        with connect(url, application="status") as connection, translated_errors():
            connection.execute("select 1")
    except IbhelmError as error:
        return ServiceStatus(name="Postgres", running=False, problem=str(error))
    return ServiceStatus(name="Postgres", running=True, where=without_password(url))


def _object_store(settings: Settings) -> ServiceStatus:
    try:
        with ObjectStore(settings) as store:
            store.check()
    except IbhelmError as error:
        return ServiceStatus(name="S3", running=False, problem=str(error))
    return ServiceStatus(name="S3", running=True, where=f"{settings.s3_endpoint}/{settings.s3_bucket}")


def _processes(settings: Settings) -> list[ServiceStatus]:
    processes = recorded(settings.state_dir)
    found = []
    for name in process_names(settings):
        record, port = processes.get(name, (None, None))
        alive = record is not None and record.alive()
        problem = "" if alive else f"not running; see {log_file(settings.state_dir, name)}"
        where = f"http://{HOST}:{port}" if port and name in (WEBSERVER, WEB) else f"{HOST}:{port}" if port else ""
        found.append(ServiceStatus(name=TITLES[name], running=alive, where=where, problem=problem))
    return found if not all(status.running for status in found) else [*found, _dagster_health(processes[WEBSERVER][1])]


def _dagster_health(port: int | None) -> ServiceStatus:
    problems = dagster_process.problems(f"http://{HOST}:{port}")
    return ServiceStatus(name="Dagster code and daemons", running=not problems, problem="; ".join(problems))


def without_password(url: str) -> str:
    """Return a URL that may be shown."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = parts.username or ""
    return urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host))
