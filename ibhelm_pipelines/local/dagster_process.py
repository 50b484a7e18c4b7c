"""How Dagster's processes are started, what environment they get, and what they say about their health.

Nothing here imports Dagster: it is run as programs and asked over HTTP. Its home holds only configuration, so that no
folder there shadows our packages `assets`, `resources` and `sensors` (the code server puts its working directory first
on the path).
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sys
import sysconfig
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import urlsplit, urlunsplit

from dotenv import dotenv_values
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.ports import HOST
from ibhelm_pipelines.packaged import packaged_path
from ibhelm_pipelines.settings import PREFIX, secrets_in_files

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

DEFINITIONS = "ibhelm_pipelines.definitions"
DATABASE = "dagster"

_FIXED = {
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DAGSTER_EVENT_BATCH_SIZE": "1000",  # a run over many partitions writes its events 3 times faster
    "DAGSTER_RUN_STATUS_SENSOR_PROCESS_LIMIT": "25",  # the default of 5 runs a tick falls behind for days
    "DAGSTER_RUN_STATUS_SENSOR_FETCH_LIMIT": "100",
}

_HEALTH_QUERY = """{
  workspaceOrError { __typename ... on Workspace { locationEntries {
    loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } }
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
}"""

_TICKS_QUERY = """{
  repositoriesOrError { ... on RepositoryConnection { nodes { schedules {
    name scheduleState { status } futureTicks(limit: 1) { results { timestamp } } } } } }
}"""

_NO_ANSWER = (URLError, TimeoutError, ConnectionError, KeyError, ValueError)


def dagster_home(settings: Settings) -> Path:
    """Return the folder that Dagster calls home, with the configuration of this installation in it."""
    home = settings.state_dir / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copyfile(packaged_path(name), home / name)
    return home


def dagster_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that a Dagster process needs: its home, its storage, and our settings.

    Args:
        settings: those of this process; what was set anywhere is passed on, but for the addresses of the embedded
            services and for secrets in files, which the processes read afresh.

    Raises:
        ConfigurationError: the database of Dagster's storage is unknown, or its URL carries options.
    """
    return {
        **_FIXED,
        **_own_settings(settings),
        **_storage(dagster_database_url(settings)),
        "DAGSTER_HOME": str(dagster_home(settings)),
        "DAGSTER_COMPUTE_LOG_DIR": str(settings.state_dir / "logs" / "runs"),
    }


def dagster_database_url(settings: Settings) -> str:
    """Return the Postgres URL of Dagster's own storage: the set one, else database `dagster` beside ours."""
    if settings.dagster_database_url is not None:
        return settings.dagster_database_url.get_secret_value()
    return urlunsplit(urlsplit(settings.require_database_url())._replace(path=f"/{DATABASE}"))


def _own_settings(settings: Settings) -> dict[str, str]:
    embedded = dotenv_values(settings.state_dir / "env")
    names = settings.model_fields_set - secrets_in_files(settings)  # read there by every process that may
    wanted = {f"{PREFIX}{name.upper()}": _as_text(getattr(settings, name)) for name in names}
    wanted[f"{PREFIX}STATE_DIR"] = str(settings.state_dir)
    return {name: text for name, text in wanted.items() if text is not None and embedded.get(name) != text}


def _as_text(value: object) -> str | None:
    """Write a setting as an environment variable that reads back as the same value."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(value)
    return None if value is None else str(value)


def _storage(url: str) -> dict[str, str]:
    parts = conninfo_to_dict(url)
    options = sorted(set(parts) - {"host", "port", "user", "password", "dbname"})
    if options:
        raise ConfigurationError(
            f"The database URL of Dagster's storage carries {', '.join(options)}, which Dagster does not take.",
            next_step="Set IBHELM_DAGSTER_DATABASE_URL without it, and use libpq's variables (PGSSLMODE, ...).",
        )
    return {
        "DAGSTER_PG_HOST": str(parts.get("host", "localhost")),
        "DAGSTER_PG_PORT": str(parts.get("port", 5432)),
        "DAGSTER_PG_USER": str(parts.get("user", "")),
        "DAGSTER_PG_PASSWORD": str(parts.get("password", "")),
        "DAGSTER_PG_DB": str(parts.get("dbname", DATABASE)),
    }


def code_server_command(port: int, *, host: str = HOST) -> list[str]:
    """Return the command of the process that holds our definitions and starts the runs."""
    return [
        sys.executable, "-m", "dagster", "api", "grpc", "--host", host, "--port", str(port),
        "--module-name", DEFINITIONS, "--location-name", "ibhelm", "--use-python-environment-entry-point",
    ]  # fmt: skip


def webserver_command(port: int, *, host: str = HOST) -> list[str]:
    """Return the command of the UI."""
    return [_script("dagster-webserver"), "--host", host, "--port", str(port), "--workspace", "workspace.yaml"]


def daemon_command() -> list[str]:
    """Return the command of the process behind schedules, sensors, the queue and backfills."""
    return [_script("dagster-daemon"), "run", "--workspace", "workspace.yaml"]


def _script(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


def answers(url: str) -> bool:
    """Return whether the UI answers."""
    try:
        with urllib.request.urlopen(f"{url}/server_info", timeout=5) as response:  # noqa: S310 - our own server
            return bool(response.status == 200)
    except (URLError, TimeoutError, ConnectionError):
        return False


def problems(url: str) -> list[str]:
    """Ask the UI what is wrong: an empty list when our code is loaded and every daemon is alive."""
    try:
        data = _ask(url, _HEALTH_QUERY)
    except _NO_ANSWER as error:
        return [f"the UI does not answer questions ({error})"]
    return [*_code_problems(data["workspaceOrError"]), *_daemon_problems(data["instance"])]


def next_ticks(url: str) -> dict[str, dt.datetime]:
    """Ask the UI when each running schedule comes next; nothing when it does not answer."""
    try:
        repositories = _ask(url, _TICKS_QUERY)["repositoriesOrError"]
    except _NO_ANSWER:
        return {}
    schedules = [s for node in repositories.get("nodes", []) for s in node["schedules"]]
    return {
        schedule["name"]: dt.datetime.fromtimestamp(tick["timestamp"], dt.UTC)
        for schedule in schedules
        if schedule["scheduleState"]["status"] == "RUNNING"
        for tick in schedule["futureTicks"]["results"]
        if tick["timestamp"] is not None
    }


def _ask(url: str, query: str) -> dict[str, Any]:
    body = json.dumps({"query": query}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/graphql", data=body, headers=headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - likewise
        data: dict[str, Any] = json.load(response)["data"]
    return data


def _code_problems(workspace: dict[str, Any]) -> list[str]:
    entries = workspace.get("locationEntries") or []
    loaded = [e for e in entries if (e["locationOrLoadError"] or {}).get("__typename") == "RepositoryLocation"]
    if entries and len(loaded) == len(entries):
        return []
    errors = [str((e["locationOrLoadError"] or {}).get("message", "still loading")) for e in entries]
    return [f"our code is not loaded: {' '.join(errors).strip()[:500] or workspace['__typename']}"]


def _daemon_problems(instance: dict[str, Any]) -> list[str]:
    statuses = instance["daemonHealth"]["allDaemonStatuses"]
    silent = sorted(s["daemonType"] for s in statuses if s["required"] and not s["healthy"])
    return [f"no sign of life from the daemon of {', '.join(silent).lower()}"] if silent else []
