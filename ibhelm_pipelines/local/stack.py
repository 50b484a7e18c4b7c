"""The processes that serve the storage: Dagster's three (code server, UI, daemon), those of the live lane, the gateway.

All of them read the addresses of the embedded services from the state folder when they start; if those change, the
whole stack is made anew.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ibhelm_pipelines.local import dagster_process
from ibhelm_pipelines.local.ports import HOST, choose_port, is_free
from ibhelm_pipelines.local.process import ProcessRecord, start_process, tail, wait_until
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
    stop_recorded,
    write_records,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ibhelm_pipelines.settings import Settings

LOAD_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Something that is to run: how to start it, and whether it does."""

    name: str
    start: Callable[[], None]
    alive: Callable[[], bool]


@dataclass
class Stack:
    """The processes of one installation.

    Args:
        settings: with the addresses of the storage.

    Attributes:
        passed_on: the settings as its processes get them, before the ports that were chosen here.
    """

    settings: Settings
    passed_on: dict[str, str] = field(init=False)
    environment: dict[str, str] = field(init=False)
    ports: dict[str, int] = field(init=False)
    commands: dict[str, list[str]] = field(init=False)
    records: dict[str, ProcessRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        home = dagster_process.dagster_home(self.settings)
        self.ports = {
            CODE_SERVER: choose_port(
                0, memory=home / "code.port", service="The code server", variable="IBHELM_DAGSTER_PORT"
            ),
            WEBSERVER: choose_port(
                self.settings.dagster_port,
                memory=home / "webserver.port",
                service="The Dagster UI",
                variable="IBHELM_DAGSTER_PORT",
            ),
            WEB: choose_web_port(self.settings),
        }
        if receives_webhooks(self.settings):
            self.ports[WEBHOOKS] = choose_port(
                self.settings.webhooks_port,
                memory=home / "webhooks.port",
                service="The webhook receiver",
                variable="IBHELM_WEBHOOKS_PORT",
            )
        self.passed_on = dagster_process.dagster_environment(self.settings)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("IBHELM_", "DAGSTER_"))},
            **self.passed_on,
            "DAGSTER_CODE_HOST": HOST,
            "DAGSTER_CODE_PORT": str(self.ports[CODE_SERVER]),
            "IBHELM_WEB_PORT": str(self.ports[WEB]),
            **({"IBHELM_WEBHOOKS_PORT": str(self.ports[WEBHOOKS])} if WEBHOOKS in self.ports else {}),
        }
        self.commands = {
            CODE_SERVER: dagster_process.code_server_command(self.ports[CODE_SERVER]),
            WEBSERVER: dagster_process.webserver_command(self.ports[WEBSERVER]),
            DAEMON: dagster_process.daemon_command(),
            **_live_commands(self.settings),
        }

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.ports[WEBSERVER]}"

    def kept(self) -> list[Kept]:
        """Return all of them in the order of their start."""
        return [
            Kept(name=f"The {name}", start=partial(self._start, name), alive=partial(self._alive, name))
            for name in self.commands
        ]

    def start(self) -> None:
        """Start all. The others find the code server at once if it listens already, else after ten seconds."""
        code_server, *others = self.kept()
        code_server.start()
        port = self.ports[CODE_SERVER]
        wait_until(lambda: not is_free(port) or not code_server.alive(), seconds=LOAD_SECONDS)
        for kept in others:
            kept.start()

    def problems(self) -> list[str]:
        """Say what is not as it should be; nothing when our code is loaded and every daemon gives a sign of life."""
        ended = [f"the {name} has ended:\n{tail(self._log(name))}" for name in self.records if not self._alive(name)]
        return ended or dagster_process.problems(self.url)

    def stop(self) -> None:
        """Stop all in the reverse order of their start."""
        stop_recorded(self.settings.state_dir)
        self.records.clear()

    def _start(self, name: str) -> None:
        home = dagster_process.dagster_home(self.settings)
        record = start_process(self.commands[name], env=self.environment, log=self._log(name), cwd=home)
        self.records[name] = record
        write_records(self.settings.state_dir, self.records, self.ports)

    def _alive(self, name: str) -> bool:
        return name in self.records and self.records[name].alive()

    def _log(self, name: str) -> Path:
        return log_file(self.settings.state_dir, name)


def process_names(settings: Settings) -> list[str]:
    """Return which processes an installation with these settings runs, in the order of their start."""
    return [CODE_SERVER, WEBSERVER, DAEMON, *_live_commands(settings)]


def choose_web_port(settings: Settings) -> int:
    """Return the gateway's port before it listens, for links must carry it; one that runs already keeps its own.

    Raises:
        ConfigurationError: the configured port is taken.
    """
    process, port = recorded(settings.state_dir).get(WEB, (None, None))
    if process is not None and port is not None and process.alive():
        return port
    return choose_port(
        settings.web_port,
        memory=settings.state_dir / "web.port",
        service="The gateway to previews and downloads",
        variable="IBHELM_WEB_PORT",
    )


def receives_webhooks(settings: Settings) -> bool:
    """Return whether a vendor is known to sign its webhooks; without a secret the receiver would refuse them all."""
    return settings.teamwork_webhook_secret is not None or settings.missive_webhook_secret is not None


def _live_commands(settings: Settings) -> dict[str, list[str]]:
    """Return the commands of our own processes; the watcher first, so that it watches before the first scan begins."""
    names: dict[str, str] = {WATCHER: "watch", WORKER: "work"} if settings.nas_root is not None else {}
    if receives_webhooks(settings):
        names[WEBHOOKS] = "webhooks"
    names[WEB] = "web"
    return {name: [sys.executable, "-m", "ibhelm_pipelines.cli", command] for name, command in names.items()}
