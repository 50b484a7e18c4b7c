"""Whether one long-lived process is well, in a second and little memory: what a container's health check asks.

Each is asked where it would notice first: its own row of `ops.heartbeats`, its `/healthz`, Dagster's health service,
the beats of Dagster's daemons. Nothing of Dagster is imported: that alone would cost three seconds of processor time,
twice a minute for every container.
"""

from __future__ import annotations

import os
import socket
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError, TransientError
from ibhelm_pipelines.local import dagster_process
from ibhelm_pipelines.local.ports import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.settings import Settings

SECONDS = 8.0
"""A health check of Docker that takes longer than its `timeout` counts as failed."""


def check_health(settings: Settings, process: str) -> None:
    """Make sure that a process of this container is well.

    Args:
        settings: those of the process.
        process: as its command is called.

    Raises:
        TransientError: it is not; says what is missing.
        DatabaseUnavailableError: Postgres, which would know, does not answer.
        ConfigurationError: there is no such process.
    """
    if process not in CHECKS:
        raise ConfigurationError(
            f"There is no process {process!r} whose health could be looked at.",
            next_step=f"Name one of {', '.join(CHECKS)}.",
        )
    CHECKS[process](settings)


def process_of_this_container() -> str:
    """Return which of our processes runs here, by the commands of all processes that can be seen.

    Raises:
        TransientError: none does.
    """
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        words = _words(file)
        # `/opt/ibhelm/bin/python /opt/ibhelm/bin/ibhelm work`, or `... -m ibhelm_pipelines.cli work`
        for word, following in pairwise(words):
            is_ours = Path(word).name == "ibhelm" or word == "ibhelm_pipelines.cli"
            if is_ours and following in CHECKS:
                return following
        if found := next((process for sign, process in _DAGSTER_SIGNS.items() if sign in " ".join(words)), None):
            return found
    raise _ill("No process of ours runs in this container.")


_DAGSTER_SIGNS = {
    "dagster api grpc": "code-server",
    "bin/dagster-webserver": "webserver",
    "bin/dagster-daemon": "daemon",
}


def _words(file: Path) -> list[str]:
    try:
        return [os.fsdecode(word) for word in file.read_bytes().split(b"\0") if word]
    except OSError:  # it ended meanwhile
        return []


def _ill(problem: str) -> TransientError:
    return TransientError(problem, next_step="Its log says more; `ibhelm doctor` looks at what it needs.")


def _heartbeat(settings: Settings, kind: str) -> None:
    me = {"kind": kind, "host": socket.gethostname()}
    with connect(settings.require_database_url(), application="health", autocommit=True) as connection:
        row = connection.execute(load_queries("heartbeats")["beats_here"], me).fetchone()
    if row is None or not row[0]:
        raise _ill(f"The {kind} of this machine has given no sign of life for a minute.")


def _answer(url: str) -> None:
    try:
        answer = requests.get(url, timeout=SECONDS)
    except requests.RequestException as error:
        raise _ill(f"{url} does not answer: {type(error).__name__}.") from error
    if answer.status_code != requests.codes.ok:
        raise _ill(f"{url} answers {answer.status_code}: {answer.text[:200]}")


def _code_server(settings: Settings) -> None:
    import grpc  # noqa: PLC0415 - 40 MB that only this check needs
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415 - likewise

    address = f"{HOST}:{settings.code_server_port}"
    with grpc.insecure_channel(address) as channel:
        question = health_pb2.HealthCheckRequest(service="DagsterApi")
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(question, timeout=SECONDS)
        except grpc.RpcError as error:
            raise _ill(f"The code server on {address} does not answer.") from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise _ill(f"The code server on {address} does not serve.")


def _webserver(settings: Settings) -> None:
    _answer(f"http://{HOST}:{settings.dagster_port}/server_info")


def _daemon(settings: Settings) -> None:
    url = dagster_process.dagster_database_url(settings)
    with connect(url, application="health", autocommit=True) as connection:
        row = connection.execute(load_queries("heartbeats")["daemons"]).fetchone()
    if row is None or not row[0]:
        raise _ill("Dagster's daemons for sensors, schedules and the queue have given no sign of life for 3 minutes.")


CHECKS: dict[str, Callable[[Settings], None]] = {
    "watch": lambda settings: _heartbeat(settings, "watcher"),
    "work": lambda settings: _heartbeat(settings, "worker"),
    "webhooks": lambda settings: _answer(f"http://{HOST}:{settings.webhooks_port}/healthz"),
    "web": lambda settings: _answer(f"http://{HOST}:{settings.web_port}/healthz"),
    "code-server": _code_server,
    "webserver": _webserver,
    "daemon": _daemon,
}
