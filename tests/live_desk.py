"""The inbox as tests fill it and look into it, and the processes that work it off."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tables

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.live import InboxItem, Source, enqueue
from ibhelm_pipelines.settings import Settings


class Desk:
    """What lies in the inbox of these settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = settings.require_database_url()

    def put(self, *items: InboxItem) -> None:
        with connect(self.url, application="test") as connection:
            enqueue(connection, items)

    def paths(self, *paths: str, folder: str | None = "projekte/A", kind: str = "path", weight: int = 0) -> None:
        self.put(*(item("nas", kind, path, folder=folder, weight=weight) for path in paths))

    def folder(self, folder: str) -> None:
        self.put(item("nas", "folder", folder, folder=folder))

    def share(self) -> None:
        self.put(item("nas", "share", "share"))

    def hashes(self, weights: dict[str, int]) -> None:
        self.put(*(item("content", "hash", name, weight=weight) for name, weight in weights.items()))

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return tables.ask(self.url, query, *values)

    def age(self, label: str, seconds: float) -> None:
        """Make an item older than it is."""
        self.rows(
            "update ops.inbox set first_event_at = first_event_at - %s * interval '1 second' where label = %s",
            seconds,
            label,
        )

    def make_due(self) -> None:
        self.rows("update ops.inbox set due_at = now()")

    def is_empty(self) -> bool:
        return self.rows("select count(*) from ops.inbox") == [(0,)]

    def told(self, name: str) -> dict[str, int]:
        """The sum of one number of the outbox, by asset."""
        query = "select asset, sum((counts ->> %s)::bigint)::int from ops.outbox group by asset"
        return {asset: number for asset, number in self.rows(query, name) if number is not None}

    def labels(self, where: str = "true") -> set[str]:
        return {label for (label,) in self.rows(f"select label from ops.inbox where {where}")}


def item(source: Source, kind: str, key: str, *, folder: str | None = None, weight: int = 0) -> InboxItem:
    return InboxItem(source=source, kind=kind, key=key.encode(), label=key, folder=folder, weight=weight)


WORKER = """
import json, sys
from ibhelm_pipelines.live.worker import work
from ibhelm_pipelines.logs import configure_logging
from ibhelm_pipelines.settings import Settings

settings = Settings(_env_file=None, **json.loads(sys.argv[1]))
configure_logging("work", settings)
work(settings, lease_seconds=float(sys.argv[2]))
"""


class Workers:
    """Real processes of `ibhelm work`; ended at the end of the test, whatever it did to them."""

    def __init__(self, settings: Settings, log: Path, *, lease_seconds: float) -> None:
        self.settings, self._log, self.lease_seconds = settings, log, lease_seconds
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, number: int = 1, script: str = WORKER) -> None:
        fields = {
            "nas_root": str(self.settings.nas_root),
            "state_dir": str(self.settings.state_dir),
            "database_url": self.settings.require_database_url(),
            "s3_endpoint": self.settings.require_s3_endpoint(),
            "s3_bucket": self.settings.s3_bucket,
            "content_workers": 1,
            "max_deletions": self.settings.max_deletions,
            "max_deletion_percent": self.settings.max_deletion_percent,
            **self._teamwork(),
            **self._missive(),
        }
        for _ in range(number):
            with self._log.open("ab") as log:
                command = [sys.executable, "-c", script, json.dumps(fields), str(self.lease_seconds)]
                self.processes.append(subprocess.Popen(command, stderr=log, start_new_session=True))

    def _teamwork(self) -> dict[str, Any]:
        settings = self.settings
        if settings.teamwork_token is None:
            return {}
        return {
            "teamwork_url": settings.teamwork_url,
            "teamwork_token": settings.teamwork_token.get_secret_value(),
            "teamwork_excluded_projects": settings.teamwork_excluded_projects,
            "teamwork_excluded_companies": settings.teamwork_excluded_companies,
            "teamwork_requests_per_minute": settings.teamwork_requests_per_minute,
        }

    def _missive(self) -> dict[str, Any]:
        settings = self.settings
        if settings.missive_token is None:
            return {}
        return {
            "missive_url": settings.missive_url,
            "missive_token": settings.missive_token.get_secret_value(),
            "missive_allowed": settings.missive_allowed,
            "missive_requests_per_15_minutes": settings.missive_requests_per_15_minutes,
            "attachment_inbox": settings.attachment_inbox,
        }

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9 of the worker; its readers notice that and end by themselves."""
        self.processes.remove(process)
        process.kill()
        process.wait()

    def stop(self) -> list[int]:
        """SIGTERM to all, once the youngest is at work; return their exit statuses."""
        processes, self.processes = self.processes, []
        becomes(lambda: {process.pid for process in processes} <= self._beating(), because=self.log)
        for process in processes:
            process.terminate()
        return [process.wait(timeout=60) for process in processes]

    def _beating(self) -> set[int]:
        return {pid for (pid,) in tables.ask(self.settings.require_database_url(), "select pid from ops.heartbeats")}

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""


def becomes(condition: Callable[[], object], *, seconds: float = 120, because: Callable[[], str] = str) -> None:
    """Wait until the condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it never became true: {because()}"
        time.sleep(0.05)
