"""Looks at this machine and the settings before anything runs, and says for each problem what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import requests
from dotenv import dotenv_values
from pydantic import SecretStr

from ibhelm_pipelines.alerts.delivery import check_addresses
from ibhelm_pipelines.alerts.heartbeat_urls import heartbeat_urls
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.migrations import pending
from ibhelm_pipelines.db.reader import connect_as_reader, may_beyond_reading
from ibhelm_pipelines.errors import ConfigurationError, IbhelmError
from ibhelm_pipelines.local.entrance import Closed, entrance, sign_in_hint
from ibhelm_pipelines.local.ports import HOST, is_free
from ibhelm_pipelines.local.records import supervisor_process
from ibhelm_pipelines.local.state import prepare_state_folder
from ibhelm_pipelines.local.status import LEAST_FREE_BYTES, without_password
from ibhelm_pipelines.local.surroundings import AT_POSTGRES, AT_S3, ELSEWHERE
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.settings import DOTENV, PREFIX, Settings, embedded_env_file, secrets_in_files
from ibhelm_pipelines.share import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from ibhelm_pipelines.local.storage import Storage
    from ibhelm_pipelines.local.surroundings import Looks

OLDEST_PYTHON = (3, 11)
GATEWAY_SECONDS = 25  # it gives up on S3 a little sooner


@dataclass(frozen=True, kw_only=True)
class SettingLine:
    """One setting as a person should see it."""

    variable: str
    value: str
    source: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at. `problem` is empty when it works.

    A fact with a next step is advice: it works, but not as an office would want it.
    """

    subject: str
    fact: str = ""
    problem: str = ""
    next_step: str = ""

    @property
    def grade(self) -> Literal["PROBLEM", "ADVICE", "ok"]:
        return "PROBLEM" if self.problem else "ADVICE" if self.next_step else "ok"


class Advice(NamedTuple):
    """What a look found that works, but not as an office would want it, and what to do."""

    fact: str
    next_step: str


def list_settings(settings: Settings) -> list[SettingLine]:
    """Return every setting with its value (secrets masked), where the value comes from, and what it means."""
    sources = {
        "environment": {name.upper() for name in os.environ},
        str(settings.secrets_dir): {f"{PREFIX}{name.upper()}" for name in secrets_in_files(settings)},
        str(DOTENV): {name.upper() for name in dotenv_values(DOTENV)},
        str(embedded_env_file()): {name.upper() for name in dotenv_values(embedded_env_file())},
    }
    lines = []
    for name, field in Settings.model_fields.items():
        variable = f"{PREFIX}{name.upper()}"
        source = next((source for source, names in sources.items() if variable in names), "default")
        value = _shown(name, getattr(settings, name))
        lines.append(SettingLine(variable=variable, value=value, source=source, meaning=field.description or ""))
    return lines


def _shown(name: str, value: object) -> str:
    if isinstance(value, SecretStr):
        # Of a database the URL without its password helps; those of alerts and heartbeats are secret in every part.
        return without_password(value.get_secret_value()) if name.endswith("database_url") else "********"
    if isinstance(value, tuple):
        return ", ".join(value)
    return "-" if value is None or value == "" else str(value)


def examine(
    settings: Settings, storage: Storage, others: Mapping[str, Callable[[Settings], str | Advice]]
) -> Iterator[Finding]:
    """Look at everything that may keep the platform from working.

    Args:
        settings: all settings, the addresses of embedded services among them.
        storage: what of it is embedded.
        others: by name what says how things stand with them, or raises what is wrong.
    """
    yield _python()
    yield from _state_folder(settings, storage)
    if supervisor_process(settings.state_dir) is None:
        yield from _ports(storage.configured)
    yield from _share(settings)
    yield from _services(settings, storage)
    yield _found("Previews and downloads", _links, settings)
    yield _found("Search page", _search_page, settings)
    for looks in (ELSEWHERE, others):
        for name, look in looks.items():
            yield _found(name, look, settings)
    yield _found("Alerts", _alerts, settings)
    yield _found("Heartbeats", _heartbeats, settings)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Finding(subject="Python", fact=version)
    return Finding(subject="Python", problem=f"Python {version} is too old.", next_step="Install Python 3.11 or newer.")


def _state_folder(settings: Settings, storage: Storage) -> Iterator[Finding]:
    try:
        prepare_state_folder(settings.state_dir)
        if storage.postgres:
            storage.postgres.check_folder()
    except IbhelmError as error:
        yield Finding(subject="State folder", problem=error.problem, next_step=error.next_step)
        return
    yield Finding(subject="State folder", fact=str(settings.state_dir))
    yield _disk("Disk of the state folder", settings.state_dir)


def _disk(subject: str, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    if free >= LEAST_FREE_BYTES:
        return Finding(subject=subject, fact=f"{free / 1024**3:,.1f} GiB free")
    return Finding(
        subject=subject,
        problem=f"Only {free / 1024**3:.2f} GiB are free on the disk of {folder}.",
        next_step="Free some, or set IBHELM_STATE_DIR to a folder on another disk.",
    )


def _ports(settings: Settings) -> Iterator[Finding]:
    for name in ("postgres_port", "s3_port", "dagster_port", "web_port"):
        port = getattr(settings, name)
        variable = f"{PREFIX}{name.upper()}"
        if port and is_free(port):
            yield Finding(subject=variable, fact=f"{port} is free")
        elif port:
            yield Finding(
                subject=variable,
                problem=f"Port {port} of {HOST} is taken by another program.",
                next_step=f"Set {variable} to another port, or to 0 for a free one.",
            )


def _share(settings: Settings) -> Iterator[Finding]:
    root = settings.nas_root
    if root is None:
        yield Finding(
            subject="NAS",
            problem="No NAS folder is set.",
            next_step="Set IBHELM_NAS_ROOT in .env to the folder where the share is mounted.",
        )
    elif not root.is_dir():
        yield Finding(
            subject="NAS",
            problem=f"There is no folder {root}.",
            next_step="Mount the share there, or correct IBHELM_NAS_ROOT.",
        )
    elif not os.access(root, os.R_OK | os.X_OK):
        yield Finding(
            subject="NAS",
            problem=f"The folder {root} may not be read by the user that runs ibhelm.",
            next_step="Give that user read access to the share.",
        )
    else:
        yield Finding(subject="NAS", fact=str(root))
        yield _found("Marker of the share", _marker, settings)


def _found(subject: str, look: Callable[[Settings], str | Advice], settings: Settings) -> Finding:
    try:
        said = look(settings)
    except IbhelmError as error:
        return Finding(subject=subject, problem=error.problem, next_step=error.next_step)
    if isinstance(said, Advice):
        return Finding(subject=subject, fact=said.fact, next_step=said.next_step)
    return Finding(subject=subject, fact=said)


def _marker(settings: Settings) -> str:
    Share.open(settings)
    return settings.share_marker


def _services(settings: Settings, storage: Storage) -> Iterator[Finding]:
    """Ask the services that should answer: those of others always, the embedded ones while the stack is up."""
    if storage.postgres is None or storage.postgres.running():
        yield from _and_around(_found("Postgres", _database, settings), AT_POSTGRES, settings)
        yield _found("Reader of the database", _reader, settings)
    else:
        yield Finding(subject="Postgres", fact="embedded, not running; `ibhelm up` starts it")
    if storage.s3 is None or storage.s3.running():
        yield from _and_around(_found("S3", _object_store, settings), AT_S3, settings)
    else:
        yield Finding(subject="S3", fact="embedded, not running; `ibhelm up` starts it")


def _and_around(first: Finding, looks: Looks, settings: Settings) -> Iterator[Finding]:
    """Go on looking where the first look found nothing wrong; a server that is away would be ten problems."""
    yield first
    if not first.problem:
        for subject, look in looks.items():
            yield _found(subject, look, settings)


def _database(settings: Settings) -> str:
    url = settings.require_database_url()
    with connect(url, application="doctor", autocommit=True) as connection:
        missing = pending(connection)
    if missing:
        raise ConfigurationError(
            f"The database lacks {len(missing)} migrations ({missing[0]} ...).", next_step="Run `ibhelm migrate`."
        )
    return without_password(url)


def _reader(settings: Settings) -> str:
    """Say whether the role as which assistants ask may do no more than read."""
    if settings.reader_database_url is None:
        return "none; IBHELM_READER_DATABASE_URL is not set, so assistants (`ibhelm mcp`) cannot ask in SQL"
    with connect_as_reader(settings, application="doctor") as connection:
        excess = [each.what for each in may_beyond_reading(connection)]
    if excess:
        raise ConfigurationError(
            f"The role of IBHELM_READER_DATABASE_URL, as which assistants ask, {', '.join(excess)}.",
            next_step="Let a superuser run sql/migrations/0020_reader.sql in this database; it may be run again.",
        )
    return without_password(settings.reader_database_url.get_secret_value())


def _object_store(settings: Settings) -> str:
    with ObjectStore(settings) as store:
        store.check()
        state, lock = store.versions.state(), store.versions.locks()
    versions = {"Enabled": "keeps versions", "Suspended": "kept versions once"}.get(state, "keeps no versions")
    if state and settings.s3_versioning == "off":
        versions += " that IBHELM_S3_VERSIONING=off leaves alone: what is deleted is only hidden"
    return f"{settings.s3_endpoint}/{settings.s3_bucket}, {versions}" + (f", locks objects: {lock}" if lock else "")


def _links(settings: Settings) -> str:
    """Say whether the gateway answers where links lead to; it is asked only while the stack is up."""
    is_up = supervisor_process(settings.state_dir) is not None
    if settings.web_secret is None and is_up:
        raise ConfigurationError(
            "No links to previews and downloads are made: IBHELM_WEB_SECRET is not set.",
            next_step="Stop the stack with `ibhelm down` and start it with `ibhelm up`, which makes a secret.",
        )
    if settings.web_secret is None:
        return (
            "no secret is known, so no links are made from here; `ibhelm up` makes one, and other machines need"
            " IBHELM_WEB_SECRET and IBHELM_WEB_URL as in its .ibhelm/env"
        )
    if not is_up:
        return "not asked; `ibhelm up` starts the gateway"
    try:
        requests.get(f"{settings.web_address}/healthz", timeout=GATEWAY_SECONDS).raise_for_status()
    except requests.RequestException as error:
        raise ConfigurationError(
            f"The gateway does not answer at {settings.web_address}, to which links lead: {error}.",
            next_step="Set IBHELM_WEB_URL to the address at which browsers reach it; its log is web-gateway.log.",
        ) from error
    return settings.web_address


def _search_page(settings: Settings) -> str:
    """Say where the page is, and that nobody can sign in where that is so."""
    way = entrance(settings)
    if not isinstance(way, Closed):
        return f"{settings.web_address}/; people sign in {sign_in_hint(settings)}"
    if settings.oidc_issuer is None and supervisor_process(settings.state_dir) is None:
        return "off here: no IBHELM_WEB_PASSWORD is known; `ibhelm up` makes one, `ibhelm web` elsewhere needs it"
    raise ConfigurationError(way.problem, next_step=way.next_step)


def _alerts(settings: Settings) -> str | Advice:
    if count := check_addresses(settings):
        return f"sent to {count} addresses"
    return Advice(
        "nobody is told: they stand in the log and `ibhelm status` only.",
        next_step="Set IBHELM_ALERT_URLS to where the admin reads; docs/operate.md shows how.",
    )


def _heartbeats(settings: Settings) -> str:
    schedules = heartbeat_urls(settings)
    nobody = "nobody outside watches the schedules; IBHELM_HEARTBEAT_URLS is not set"
    return f"of {', '.join(schedules)}" if schedules else nobody
