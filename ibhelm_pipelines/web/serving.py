"""The process behind `ibhelm web`: the gateway on 127.0.0.1 until a signal says stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import structlog

from ibhelm_pipelines.db.heartbeat import INTERVAL_SECONDS, Heartbeat
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.http_server import MAX_OPEN_REQUESTS, graceful_signals, listening, new_server
from ibhelm_pipelines.local.ports import HOST
from ibhelm_pipelines.objects.client import Patience
from ibhelm_pipelines.objects.links import Signer
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.web.gateway import Gateway

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    import uvicorn

    from ibhelm_pipelines.settings import Settings

PATIENCE = Patience(read_seconds=20, attempts=2)
"""Somebody waits at a screen: better to say soon that nothing comes."""


def serve(settings: Settings) -> None:
    """Serve previews and downloads until a signal says stop.

    Raises:
        ConfigurationError: the port is taken, or there is no secret, no S3 server or no database known.
    """
    signer = _signer(settings)
    with (
        listening(
            settings.web_port,
            memory=settings.state_dir / "web.port",
            service="The gateway to previews and downloads",
            variable="IBHELM_WEB_PORT",
        ) as listener,
        ObjectStore(settings, connections=MAX_OPEN_REQUESTS, patience=PATIENCE) as objects,
        Heartbeat(settings, kind="web") as heartbeat,
    ):
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        gateway = Gateway(objects, signer)
        server = new_server(gateway.application(), on_broken=lambda: None)
        with graceful_signals(server):
            structlog.get_logger().info("web_listening", url=url)
            anyio.run(_serve, server, listener, gateway, heartbeat.beat)
        structlog.get_logger().info("web_stopped", requests=gateway.requests)


def _signer(settings: Settings) -> Signer:
    if settings.web_secret is None:
        raise ConfigurationError(
            "Links cannot be told from forged ones: IBHELM_WEB_SECRET is not set.",
            next_step="`ibhelm up` makes a secret; a gateway elsewhere needs the same one, from .ibhelm/env.",
        )
    return Signer(settings.web_secret.get_secret_value())


async def _serve(
    server: uvicorn.Server, listener: socket.socket, gateway: Gateway, beat: Callable[[Mapping[str, object]], None]
) -> None:
    """Serve until a signal says stop; a chore that fails ends the process, which is started again."""
    async with anyio.create_task_group() as chores:
        chores.start_soon(_beat_on, gateway, beat)
        await server.serve(sockets=[listener])
        chores.cancel_scope.cancel()


async def _beat_on(gateway: Gateway, beat: Callable[[Mapping[str, object]], None]) -> None:
    """Say how things stand, and that the store cannot be read while it cannot: then browsers show nothing."""
    while True:
        problem = await anyio.to_thread.run_sync(gateway.problem, abandon_on_cancel=True)
        beat({"requests": gateway.requests, "problem": problem})
        await anyio.sleep(INTERVAL_SECONDS)
