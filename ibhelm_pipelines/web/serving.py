"""The process behind `ibhelm web`: the search page, its API and the gateway until a signal says stop.

Invariant: it starts and serves previews also while Postgres is away, and while nobody may sign in.
"""

from __future__ import annotations

from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

import anyio
import structlog

from ibhelm_pipelines.access_log.storing import open_access_log
from ibhelm_pipelines.db.heartbeat import INTERVAL_SECONDS, Heartbeat
from ibhelm_pipelines.errors import ConfigurationError, IbhelmError
from ibhelm_pipelines.local.entrance import closed_problem
from ibhelm_pipelines.local.http_server import MAX_OPEN_REQUESTS, graceful_signals, listening, new_server
from ibhelm_pipelines.objects.client import Patience
from ibhelm_pipelines.objects.links import Signer
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.search.finding import open_finder
from ibhelm_pipelines.web.desk import Desk
from ibhelm_pipelines.web.front import front
from ibhelm_pipelines.web.gateway import Gateway
from ibhelm_pipelines.web.readings import Readings
from ibhelm_pipelines.web.saved import open_saved_searches

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Any

    import uvicorn

    from ibhelm_pipelines.search.finding import Finder
    from ibhelm_pipelines.settings import Settings

PATIENCE = Patience(read_seconds=20, attempts=2)
"""Somebody waits at a screen: better to say soon that nothing comes."""

ANY_COMPOUND = "Brandschutzklappe"


def serve(settings: Settings) -> None:
    """Serve previews, downloads and the search page until a signal says stop.

    Raises:
        ConfigurationError: the port is taken, or there is no secret, no S3 server or no database known.
    """
    secret = _secret(settings)
    with (
        listening(
            settings.web_port,
            memory=settings.state_dir / "web.port",
            service="The gateway to previews and downloads",
            variable="IBHELM_WEB_PORT",
            host=settings.listen_host,
        ) as listener,
        ObjectStore(settings, connections=MAX_OPEN_REQUESTS, patience=PATIENCE) as objects,
        open_finder(settings) as finder,
        open_saved_searches(settings) as saved,
        open_access_log(settings) as accesses,
        Heartbeat(settings, kind="web") as heartbeat,
    ):
        url = f"http://{settings.listen_host}:{listener.getsockname()[1]}"
        readings = Readings(accesses, secret)
        gateway, desk = Gateway(objects, Signer(secret), readings), Desk(finder, readings)
        application = front(settings, secret, gateway=gateway.application(), desk=desk, saved=saved, readings=readings)
        server = new_server(application, on_broken=lambda: None, trusted_proxies=settings.trusted_proxies)
        problem = closed_problem(settings)
        if problem is None:
            Thread(target=_warm_up, args=(finder,), name="warm-up", daemon=True).start()
        with graceful_signals(server):
            structlog.get_logger().info("web_listening", url=url, pages=problem or "on")
            stand = partial(_problem, gateway, readings, problem)
            anyio.run(_serve, server, listener, partial(_beat_on, gateway, desk, stand, heartbeat.beat))
        structlog.get_logger().info("web_stopped", requests=gateway.requests, searches=desk.asked)


def _warm_up(finder: Finder) -> None:
    """Load the dictionary and the model now, so that the first who searches waits no longer than the others."""
    try:
        finder.search(ANY_COMPOUND, limit=1, facets=False)
    except IbhelmError as error:
        structlog.get_logger().warning("search_unavailable", problem=str(error))


def _secret(settings: Settings) -> str:
    if settings.web_secret is None:
        raise ConfigurationError(
            "Links cannot be told from forged ones: IBHELM_WEB_SECRET is not set.",
            next_step="`ibhelm up` makes a secret; a gateway elsewhere needs the same one, from .ibhelm/env.",
        )
    return settings.web_secret.get_secret_value()


async def _serve(
    server: uvicorn.Server, listener: socket.socket, beat_on: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Serve until a signal says stop; a chore that fails ends the process, which is started again."""
    async with anyio.create_task_group() as chores:
        chores.start_soon(beat_on)
        await server.serve(sockets=[listener])
        chores.cancel_scope.cancel()


async def _beat_on(
    gateway: Gateway, desk: Desk, problem_of: Callable[[], str | None], beat: Callable[[Mapping[str, object]], None]
) -> None:
    """Say how things stand: what keeps browsers from being shown anything, or people from signing in."""
    while True:
        problem = await anyio.to_thread.run_sync(problem_of, abandon_on_cancel=True)
        beat({"requests": gateway.requests, "searches": desk.asked, "problem": problem})
        await anyio.sleep(INTERVAL_SECONDS)


def _problem(gateway: Gateway, readings: Readings, closed: str | None) -> str | None:
    return gateway.problem() or readings.problem or closed
