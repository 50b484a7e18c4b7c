"""An HTTP server of ours for browsers and vendors: patient but not for ever, ended in good order.

It listens on 127.0.0.1 unless IBHELM_LISTEN_HOST says otherwise, which is for containers that only a proxy reaches.
"""

from __future__ import annotations

import logging
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.patient_protocol import OncePerMinute, protocol_class
from ibhelm_pipelines.local.ports import HOST, choose_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import FrameType

    from starlette.types import ASGIApp

MAX_OPEN_REQUESTS = 256
STOP_SECONDS = 5


@contextmanager
def listening(
    configured: int, *, memory: Path, service: str, variable: str, host: str = HOST
) -> Iterator[socket.socket]:
    """Listen on the configured port, or on a free one, from the beginning to the end of the block.

    Args:
        configured: the port; 0 takes a free one.
        memory: file that keeps the free port from one start to the next.
        service: what listens, for the error.
        variable: the environment variable that sets the port, for the error.
        host: the address of this machine on which it listens.

    Raises:
        ConfigurationError: the port is taken.
    """
    memory.parent.mkdir(parents=True, exist_ok=True)
    port = choose_port(configured, memory=memory, service=service, variable=variable)
    # asyncio turns off the 40 ms wait for a fuller packet only where it sees the protocol's number.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(MAX_OPEN_REQUESTS)
        except OSError as error:
            raise ConfigurationError(
                f"{service} cannot listen on port {port} of {host}: {error.strerror}.",
                next_step=f"Set {variable} to another port, or to 0 for a free one.",
            ) from error
        yield listener


def new_server(
    application: ASGIApp, *, on_broken: Callable[[], None], trusted_proxies: Sequence[str] = (HOST,)
) -> uvicorn.Server:
    """Return a server for an application.

    Args:
        application: what answers.
        on_broken: called for each request that is no HTTP.
        trusted_proxies: addresses and networks of those who may say for whom they ask.
    """
    logging.getLogger("uvicorn.error").addFilter(OncePerMinute())
    config = uvicorn.Config(
        application,
        http=protocol_class(on_broken),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=list(trusted_proxies),
        limit_concurrency=MAX_OPEN_REQUESTS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return uvicorn.Server(config)


@contextmanager
def graceful_signals(server: uvicorn.Server) -> Iterator[None]:
    """End in good order: uvicorn raises the signal that stopped it once more, which would end us with its number."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    former = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
