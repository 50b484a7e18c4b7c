"""A server on 127.0.0.1 with a thread and a port of its own, whose answers can break off."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from tenacity import Retrying, stop_after_delay, wait_fixed

from ibhelm_pipelines.demo.vendor.broken import AbruptProtocol
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.ports import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

_STOP_SECONDS = 1
_PORT_SECONDS = 5


class Served:
    """Some addresses, served from `start` until `stop`; the port is taken at once.

    Args:
        routes: what is served.
        port: 0 takes a free one.
        service: who it is, for a message and for the name of the thread.
    """

    def __init__(self, routes: Sequence[BaseRoute], *, port: int, service: str) -> None:
        self._socket = _listen(port, service)
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self._server = _server(Starlette(routes=routes))
        self._thread = threading.Thread(target=self._serve, name=service, daemon=True)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def begin_to_stop(self) -> None:
        """Take no more connections soon, without waiting for it."""
        self._server.should_exit = True

    def stop(self) -> None:
        """Serve no more."""
        self.begin_to_stop()
        self._thread.join()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


def _server(application: Starlette) -> uvicorn.Server:
    application.router.redirect_slashes = False
    config = uvicorn.Config(
        application,
        http=AbruptProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,  # the vendor's clock is ours to set
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return uvicorn.Server(config)


def _listen(port: int, service: str) -> socket.socket:
    """Listen; a port that is to be the same again may be somebody's for a moment."""
    try:
        return Retrying(stop=stop_after_delay(_PORT_SECONDS), wait=wait_fixed(0.2), reraise=True)(_bound, port)
    except OSError as error:
        raise ConfigurationError(
            f"{service} cannot listen on port {port} of {HOST}: {error.strerror}.",
            next_step="Name another port, or 0 for a free one.",
        ) from error


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener
