"""What runs, asked of the services themselves and not of records about them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from ibhelm_pipelines.db.checks import QUESTIONS, ask
from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.migrations import pending
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.local import dagster_process
from ibhelm_pipelines.local.ports import HOST
from ibhelm_pipelines.local.records import (
    CODE_SERVER,
    DAEMON,
    WATCHER,
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
    from ibhelm_pipelines.settings import Settings

TITLES = {
    CODE_SERVER: "Dagster code server",
    WEBSERVER: "Dagster webserver",
    DAEMON: "Dagster daemon",
    WATCHER: "Watcher",
    WORKER: "Worker",
    WEBHOOKS: "Webhook receiver",
}


@dataclass(frozen=True, kw_only=True)
class ServiceStatus:
    """One service: whether it does its work, where, and what is wrong."""

    name: str
    running: bool
    where: str = ""
    problem: str = ""

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def stack_status(settings: Settings) -> list[ServiceStatus]:
    """Ask every service of the stack."""
    return [_supervisor(settings), _database(settings), _object_store(settings), *_processes(settings)]


def open_points(settings: Settings) -> list[str]:
    """Return what the tables say is open or behind, each with what to do; nothing where the database is not there."""
    try:
        with connect(settings.require_database_url(), application="status", autocommit=True) as connection:
            if pending(connection):
                return ["The database is not up to date. Run `ibhelm migrate`."]
            with translated_errors():
                answers = [ask(connection, question) for question in QUESTIONS]
    except IbhelmError:
        return []  # the table of services says so already
    return [f"{answer.problem} {answer.next_step}" for answer in answers if not answer.passed]


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
        where = f"http://{HOST}:{port}" if port and name == WEBSERVER else f"{HOST}:{port}" if port else ""
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
